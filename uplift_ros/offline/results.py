"""The topics of the live graph in a bag, written without ROS and without a clock: log times are header stamps."""

from pathlib import Path

from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime

from uplift_ros.bags.writer import BagWriter
from uplift_ros.camera import Camera
from uplift_ros.messages.conversion import MessageFactory
from uplift_ros.messages.typestore import message_class
from uplift_ros.pipeline import Step
from uplift_ros.poses import Keyframe
from uplift_ros.skeleton import H36M17
from uplift_ros.streaming.rates import StampRate
from uplift_ros.streaming.stride import Decision

UNLIMITED = QosTime(9223372036, 854775807)
LATCHED = Qos(
    history=QosHistory.KEEP_LAST,
    depth=1,
    reliability=QosReliability.RELIABLE,
    durability=QosDurability.TRANSIENT_LOCAL,
    deadline=UNLIMITED,
    lifespan=UNLIMITED,
    liveliness=QosLiveliness.AUTOMATIC,
    liveliness_lease_duration=UNLIMITED,
    avoid_ros_namespace_conventions=False,
)


class GraphBag:
    """A new bag with camera_info, keyframes, skeletons/raw, skeletons, rate_state and skeleton_info.

    What the live graph measures with a clock is left at 0 in rate_state; age_ms is the age in the recording's own time.

    Args:
        path: of the .mcap file.

    Raises:
        BagError: it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._messages = MessageFactory(message_class)
        self._rate_state = message_class("uplift_ros/msg/RateState")
        self._image_rate, self._keyframe_rate, self._output_rate = StampRate(), StampRate(), StampRate()
        self._begun = False
        self._writer = BagWriter(path)
        self._writer.add_topic("/skeleton_info", "uplift_ros/msg/SkeletonInfo", [LATCHED])

    def __enter__(self) -> "GraphBag":
        return self

    def __exit__(self, *exception: object) -> None:
        self._writer.__exit__(*exception)

    def write_image(self, stamp: int, frame_id: str, camera: Camera | None) -> None:
        """What is known of every image, key-frame or not."""
        if not self._begun:
            self._writer.write("/skeleton_info", stamp, self._messages.skeleton_info(H36M17))
            self._begun = True
        self._image_rate.add(stamp)
        if camera is not None:
            self._writer.write("/camera_info", stamp, self._messages.camera_info(camera, stamp, frame_id))

    def write_step(self, step: Step) -> None:
        """What the pipeline made of an image, or gave at the end."""
        if step.keyframe is not None:
            self._keyframe_rate.add(step.keyframe.stamp)
            self._writer.write("/keyframes", step.keyframe.stamp, self._messages.keyframe(step.keyframe))
        for frame in step.raw:
            self._output_rate.add(frame.stamp)
            self._writer.write("/skeletons/raw", frame.stamp, self._messages.skeletons(frame))
        for frame in step.refined:
            self._writer.write("/skeletons", frame.stamp, self._messages.skeletons(frame))
        if step.keyframe is not None and step.decision is not None:
            self._writer.write("/rate_state", step.keyframe.stamp, self._rates(step.keyframe, step.decision, step))

    def _rates(self, keyframe: Keyframe, decision: Decision, step: Step) -> object:
        return self._rate_state(
            header=self._messages.header(keyframe.stamp, keyframe.frame_id),
            stride=decision.stride,
            velocity=step.velocity,
            camera_hz=self._image_rate.per_second,
            keyframe_hz=self._keyframe_rate.per_second,
            output_hz=self._output_rate.per_second,
            estimate_ms=0.0,
            uplift_ms=0.0,
            refine_ms=0.0,
            age_ms=(keyframe.stamp - step.raw[-1].stamp) / 1e6 if step.raw else 0.0,
            dropped=0,
            reason=int(decision.reason),
        )
