"""Stage 1 as a node: detects 2D poses in key-frames; the other images are kept for a while, but not deserialised."""

from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CompressedImage, Image

from uplift_ros.messages.conversion import ros_messages, serialized_header, stamp_from_msg
from uplift_ros.messages.images import exif_orientation, to_rgb
from uplift_ros.msg import Keyframe2D, KeyframeRequest
from uplift_ros.nodes import qos
from uplift_ros.nodes.lifecycle import base
from uplift_ros.nodes.lifecycle.memory import keep_freed_memory
from uplift_ros.nodes.lifecycle.spin import spin
from uplift_ros.poses import Origin
from uplift_ros.stages import build_detection


class PoseEstimatorNode(base.ManagedNode):
    """Pose estimator node. A worker thread runs the network, so that the executor counts every image in time."""

    def __init__(self) -> None:
        super().__init__("pose_estimator")

    def configure(self) -> None:
        estimator = build_detection.estimator(self.parameters)
        self.at_cleanup(estimator.close)
        self._stage = build_detection.detection(self.parameters, estimator)
        self._stage.warm_up(self.parameter("max_persons"))
        self._keyframes = self.advertise(Keyframe2D, "keyframes", qos.poses())

    def activate(self) -> None:
        self._stage.stride = self.parameter("stride")
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="estimate")
        self._estimation: Future | None = None
        compressed = self.parameter("image_transport") == "compressed"
        self._image_type = CompressedImage if compressed else Image
        topic = self.resolve_topic_name("image_raw") + ("/compressed" if compressed else "")
        profile = qos.images(self.parameter("image_depth"))
        self.subscribe(self._image_type, topic, self._take_image, profile, raw=True, expected="images")
        if self.parameter("look_back"):
            self.subscribe(KeyframeRequest, "keyframe_requests", self._take_request, qos.poses())

    def deactivate(self) -> None:
        self._worker.shutdown()
        self._stage.reset()

    def cleanup(self) -> None:
        del self._stage

    def diagnostic_values(self) -> dict[str, object]:
        return {
            "stride": self.parameter("stride"),
            "quick": self._stage.is_quick,
            "keyframe_hz_asked": f"{self._stage.rate.asked:.1f}",
            "keyframe_hz_reached": f"{self._stage.rate.reached:.1f}",
            **{f"requests_{reason}": count for reason, count in dict(self._stage.history.refused).items()},
        }

    def diagnostic_warnings(self) -> list[str]:
        rate = self._stage.rate
        return [f"key-frames reach {rate.reached:.1f} of {rate.asked:.1f} Hz asked"] if rate.falls_short else []

    def _take_image(self, serialized: bytes) -> None:
        self.health.tick("camera_hz")
        stamp, _ = serialized_header(serialized)
        self._stage.stride = self.parameter("stride")
        is_busy = self._estimation is not None and not self._estimation.done()
        dropped = self._stage.dropped
        stride = self._stage.take(stamp, serialized, len(serialized), is_busy)
        if stride is not None:
            self._estimation = self._worker.submit(self.guarded(self._estimate), serialized, stride)
            self._answer_requests()
        elif self._stage.dropped > dropped:
            self.health.count("dropped")

    def _take_request(self, message: KeyframeRequest) -> None:
        self._stage.history.request([stamp_from_msg(stamp) for stamp in message.stamps])
        self._answer_requests()

    def _answer_requests(self) -> None:
        """Queue an answer for each image that waits; a scheduled key-frame waits for one answer at most."""
        for _ in range(self._stage.history.waiting):
            self._worker.submit(self.guarded(self._answer))

    def _answer(self) -> None:
        if (requested := self._stage.take_requested(self.health.processing_ms / 1e3)) is not None:
            self._estimate(requested[1], self._stage.stride, Origin.LOOK_BACK)
            self.health.count("looked_back")

    def _estimate(self, serialized: bytes, stride: int, origin: Origin = Origin.SCHEDULED) -> None:
        with self.health.timed():
            message = deserialize_message(serialized, self._image_type)
            if self._image_type is CompressedImage and exif_orientation(serialized) > 1:
                self.report(
                    "exif_orientation", "images are rotated by EXIF, camera_info does not say how: assuming clockwise"
                )
            stamp = stamp_from_msg(message.header.stamp)
            keyframe = self._stage.detect(stamp, message.header.frame_id, partial(to_rgb, message), stride, origin)
        self._keyframes.publish(ros_messages().keyframe(keyframe))
        self.health.tick("keyframe_hz")
        self.note_age(stamp)


def main() -> int:
    keep_freed_memory()
    return spin(PoseEstimatorNode)
