"""Publishes a webcam, a video file, or the synthetic person with its ground truth, paced by the frame times."""

import math
import threading
import time

import cv2
import numpy as np
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from uplift_ros.messages.conversion import ros_messages
from uplift_ros.msg import Skeletons
from uplift_ros.nodes import qos
from uplift_ros.nodes.lifecycle import base
from uplift_ros.nodes.lifecycle.memory import keep_freed_memory
from uplift_ros.nodes.lifecycle.spin import spin
from uplift_ros.poses import NANOSECONDS
from uplift_ros.sources import guessed_fov, open_source
from uplift_ros.sources.synthetic.synthetic_source import true_skeleton

MAX_LAG_NS = NANOSECONDS // 2
"""Nanoseconds behind schedule beyond which the schedule is shifted instead of catching up with a burst of images."""

JPEG_QUALITY = 90


class CameraNode(base.ManagedNode):
    """Camera node. A thread of its own captures, so that decoding an image and the executor never delay each other."""

    def __init__(self) -> None:
        super().__init__("camera")
        self._stopped = threading.Event()

    def configure(self) -> None:
        self._source = open_source(
            self.parameter("source"),
            fps=self.parameter("fps"),
            loop=self.parameter("loop"),
            width=self.parameter("width"),
            height=self.parameter("height"),
            horizontal_fov=self.parameter("horizontal_fov"),
        )
        self.at_cleanup(self._source.close)
        if warning := guessed_fov(self.parameter("source"), self.parameter("horizontal_fov")):
            self.report("guessed_fov", f"{warning}; set horizontal_fov")
        self._check_size(self._source.camera.width, self._source.camera.height)
        self._images = self.advertise(Image, "image_raw", qos.images())
        self._compressed = self.advertise(CompressedImage, "image_raw/compressed", qos.compressed_images())
        self._infos = self.advertise(CameraInfo, "camera_info", qos.poses(), lenient=True)
        if self.parameter("source") == "synthetic":
            self._truth = self.advertise(Skeletons, "ground_truth", qos.poses())

    def activate(self) -> None:
        self._stopped.clear()
        self._capturing = threading.Thread(target=self.guarded(self._capture), name="capture")
        self._capturing.start()

    def deactivate(self) -> None:
        self._stopped.set()
        self._capturing.join()

    def _check_size(self, width: int, height: int) -> None:
        asked = self.parameter("width") or width, self.parameter("height") or height
        if asked != (width, height):
            self.report(
                "other_size", f"width and height of this source are {width}x{height}, not {asked[0]}x{asked[1]}"
            )

    def _capture(self) -> None:
        """Publish every frame at its due time; the end of the source, or a failure, ends the process."""
        exit_code = 1
        try:
            self._publish_frames()
            exit_code = 0
        finally:
            if not self._stopped.is_set():
                self.finish(exit_code)

    def _publish_frames(self) -> None:
        end = self.parameter("duration") * NANOSECONDS or math.inf
        begin = stamp = None
        for frame in self._source.frames():
            image = frame.image  # decoded or rendered before it is due
            if begin is None or stamp is None:
                begin, stamp = time.monotonic_ns(), self.get_clock().now().nanoseconds
            lag = time.monotonic_ns() - begin - frame.time
            if lag > MAX_LAG_NS:
                self.report("stumbled", f"source {self.parameter('source')} cannot keep up: {lag / 1e6:.0f} ms late")
                begin, stamp = begin + lag, stamp + lag
            if frame.time >= end or self._stopped.wait(max(0, -lag) / NANOSECONDS):
                return
            self._publish(image, frame.truth, stamp + frame.time)

    def _publish(self, image: np.ndarray, truth: np.ndarray | None, stamp: int) -> None:
        header = ros_messages().header(stamp, self.parameter("frame_id"))
        self._infos.publish(ros_messages().camera_info(self._source.camera, stamp, header.frame_id))
        self._images.publish(ros_messages().image(image, header))
        if truth is not None:
            self._truth.publish(ros_messages().skeletons(true_skeleton(truth, stamp, header.frame_id)))
        if self._compressed.get_subscription_count():
            quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
            _, jpeg = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), quality)
            self._compressed.publish(
                CompressedImage(header=header, format="rgb8; jpeg compressed bgr8", data=jpeg.tobytes())
            )
        self.health.tick("camera_hz")


def main() -> int:
    keep_freed_memory()
    return spin(CameraNode, sends_images=True)
