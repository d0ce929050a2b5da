"""Finds people in the images at the key-frames; the images between them are not even deserialised."""

from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CompressedImage, Image

from uplift_ros import estimators
from uplift_ros.messages.conversion import ros_messages, serialized_header, stamp_from_msg
from uplift_ros.messages.images import to_rgb
from uplift_ros.msg import Keyframe2D
from uplift_ros.nodes import qos
from uplift_ros.nodes.lifecycle import base
from uplift_ros.nodes.lifecycle.memory import keep_freed_memory
from uplift_ros.nodes.lifecycle.spin import spin
from uplift_ros.poses import Keyframe
from uplift_ros.sources.synthetic.synthetic_source import SyntheticSource
from uplift_ros.streaming.assignment import best_pairs
from uplift_ros.streaming.keyframes import KeyframeSchedule
from uplift_ros.streaming.rates import AskedRate
from uplift_ros.streaming.tracker import PersonTracker


class PoseEstimatorNode(base.ManagedNode):
    """One worker thread estimates, so that the executor sees every image in time and stays free for parameters."""

    def __init__(self) -> None:
        super().__init__("pose_estimator")

    def configure(self) -> None:
        estimator = estimators.create(
            self.parameter("backend"),
            model_path=self.parameter("model_path"),
            device=self.parameter("device"),
            max_persons=self.parameter("max_persons"),
            score_threshold=self.parameter("score_threshold"),
        )
        self._estimator = self.opened(estimator)
        # What is loaded when the first persons are seen would come late for the first key-frames.
        self._estimator.estimate(SyntheticSource().frame(0).image)
        if self.parameter("max_persons") > 1:
            best_pairs(np.eye(2))
        self._keyframes = self.advertise(Keyframe2D, "keyframes", qos.poses())
        self._sequence = 0

    def activate(self) -> None:
        self._schedule = KeyframeSchedule(self.parameter("stride"), self.parameter("model_rate"))
        self._tracker = PersonTracker()
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="estimate")
        self._estimation: Future | None = None
        self._dropped_keyframe: int | None = None
        self._rate = AskedRate()
        self._age_ms = 0.0
        compressed = self.parameter("image_transport") == "compressed"
        self._image_type = CompressedImage if compressed else Image
        topic = self.resolve_topic_name("image_raw") + ("/compressed" if compressed else "")
        profile = qos.images(self.parameter("image_depth"))
        self.subscribe(self._image_type, topic, self._take_image, profile, raw=True, expected="images")

    def deactivate(self) -> None:
        self._worker.shutdown()

    def figures(self) -> dict[str, object]:
        return {
            "stride": self.parameter("stride"),
            "keyframe_hz_asked": f"{self._rate.asked:.1f}",
            "keyframe_hz_reached": f"{self._rate.reached:.1f}",
            "age_ms": f"{self._age_ms:.0f}",
        }

    def complaints(self) -> list[str]:
        if not self._rate.falls_short:
            return []
        return [f"key-frames reach {self._rate.reached:.1f} of {self._rate.asked:.1f} Hz asked"]

    def _take_image(self, serialized: bytes) -> None:
        self.tick("camera_hz")
        stamp, _ = serialized_header(serialized)
        self._schedule.stride = self.parameter("stride")
        if not self._schedule.is_due(stamp):
            return
        if self._estimation is not None and not self._estimation.done():
            self._drop(stamp)
            return
        self._schedule.take(stamp)
        self._estimation = self._worker.submit(self.guarded(self._estimate), serialized, self._schedule.stride)

    def _drop(self, stamp: int) -> None:
        """The estimator is busy: a later image will do. However many are tried, a key-frame is counted once."""
        keyframe = self._schedule.frame(stamp) // self._schedule.stride
        if keyframe != self._dropped_keyframe:
            self._dropped_keyframe = keyframe
            self.count("dropped")

    def _estimate(self, serialized: bytes, stride: int) -> None:
        with self.timed():
            message = deserialize_message(serialized, self._image_type)
            image = to_rgb(message)
            stamp = stamp_from_msg(message.header.stamp)
            persons = self._tracker.update(stamp, self._estimator.estimate(image))
        height, width = image.shape[:2]
        keyframe = Keyframe(stamp, message.header.frame_id, width, height, self._sequence, stride, persons)
        self._keyframes.publish(ros_messages().keyframe(keyframe))
        self._sequence += 1
        self.tick("keyframe_hz")
        self._rate.add(stamp, self.parameter("model_rate") / stride)
        self._age_ms = (self.get_clock().now().nanoseconds - stamp) / 1e6


def main() -> int:
    keep_freed_memory()
    return spin(PoseEstimatorNode)


if __name__ == "__main__":
    raise SystemExit(main())
