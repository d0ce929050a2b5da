"""Writes the topics of the live graph to a bag, without ROS and without a clock: log times are header stamps."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime

from uplift_ros.bags.reader import BagError, BagReader
from uplift_ros.bags.writer import BagWriter
from uplift_ros.camera import Camera
from uplift_ros.messages.conversion import MessageFactory
from uplift_ros.messages.typestore import message_class
from uplift_ros.pipeline import Step
from uplift_ros.skeleton import H36M17
from uplift_ros.streaming.rates import StampRate

PROBLEMS = "/diagnostics"

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
    """New bag with camera_info, keyframes, keyframe_requests, skeletons/raw, skeletons, rate_state and skeleton_info.

    Key-frames of older images are logged at the key-frame that requested them. Values of rate_state that the live graph
    measures with a clock are 0; age_ms is the age in recorded time.

    Args:
        path: path of the .mcap file.

    Raises:
        BagError: the bag cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._messages = MessageFactory(message_class)
        self._image_rate = StampRate()
        self._begun, self._age_ms = False, 0.0
        self._writer = BagWriter(path)
        self._writer.add_topic("/skeleton_info", "uplift_ros/msg/SkeletonInfo", [LATCHED])

    def __enter__(self) -> "GraphBag":
        return self

    def __exit__(self, *exception: object) -> None:
        self._writer.__exit__(*exception)

    def write_image(self, stamp: int, frame_id: str, camera: Camera | None) -> None:
        """Write the camera_info of an image, key-frame or not."""
        if not self._begun:
            self._writer.write("/skeleton_info", stamp, self._messages.skeleton_info(H36M17))
            self._begun = True
        self._image_rate.add(stamp)
        if camera is not None:
            self._writer.write("/camera_info", stamp, self._messages.camera_info(camera, stamp, frame_id))

    def write_step(self, step: Step) -> None:
        """Write the results of the pipeline for an image, or those of its flush at the end."""
        if step.keyframe is not None:
            stamp = step.keyframe.stamp
            if wanted := step.uplifting.wanted:
                request = self._messages.keyframe_request(stamp, step.keyframe.frame_id, sorted(wanted))
                self._writer.write("/keyframe_requests", stamp, request)
            for keyframe in (step.keyframe, *step.older):
                self._writer.write("/keyframes", stamp, self._messages.keyframe(keyframe))
        raw = step.raw
        for frame in raw:
            self._writer.write("/skeletons/raw", frame.stamp, self._messages.skeletons(frame))
        for frame in step.refined:
            self._writer.write("/skeletons", frame.stamp, self._messages.skeletons(frame))
        if (rates := step.uplifting.rates) is not None:
            if raw:
                self._age_ms = (rates.stamp - raw[-1].stamp) / 1e6
            rates = replace(rates, camera_hz=self._image_rate.per_second, age_ms=self._age_ms)
            self._writer.write("/rate_state", rates.stamp, self._messages.rate_state(rates))

    def write_problems(self, stamp: int, problems: Sequence[tuple[str, str]]) -> None:
        """Write missing parts of the input, (kind, message), to /diagnostics; writes nothing if there are none."""
        if problems:
            status_class = message_class("diagnostic_msgs/msg/DiagnosticStatus")
            status = [
                status_class(
                    level=np.uint8(1), name=f"uplift process: {kind}", message=message, hardware_id="", values=[]
                )
                for kind, message in problems
            ]
            array_class = message_class("diagnostic_msgs/msg/DiagnosticArray")
            self._writer.write(PROBLEMS, stamp, array_class(header=self._messages.header(stamp, ""), status=status))


def is_complete(path: Path) -> bool:
    """Whether an output is readable, and its input was complete."""
    with suppress(BagError), BagReader(path) as bag:
        return PROBLEMS not in bag.topics
    return False
