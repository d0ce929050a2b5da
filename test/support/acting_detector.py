"""A detector and a camera in real time, as a test plays them for the uplift and refiner nodes."""

import time
from dataclasses import replace

import pytest
from rcl_interfaces.srv import SetParameters
from sensor_msgs.msg import CameraInfo
from support.cameras import CAMERA
from support.clocks import FRAME, SECOND, START
from support.people import AHEAD, person2d
from uplift_ros.msg import Keyframe2D, RateState, Skeletons

from uplift_ros.messages.conversion import ros_messages, skeletons_from_msg
from uplift_ros.nodes import qos
from uplift_ros.poses import Keyframe, Person2D, ScaleSource, SkeletonFrame

STRIDE = 2
"""The shortest that the network has, so that everything takes little time: 25 key-frames a second."""


def make_person(name: str = "p1", **changed) -> Person2D:
    return replace(person2d(CAMERA.project(AHEAD), name, score=0.9), **changed)


class Detector:
    """Publishes key-frames in real time and records the resulting skeletons.

    Attributes:
        stamp: of the next key-frame, nanoseconds.
        skeletons: refined ones, in order of arrival.
    """

    def __init__(self, observer) -> None:
        self.observer = observer
        self.node = observer.add_node("pose_estimator")
        self.node.declare_parameter("stride", STRIDE)
        self.keyframes = self.node.create_publisher(Keyframe2D, "keyframes", qos.poses())
        self.infos = self.node.create_publisher(CameraInfo, "camera_info", qos.poses())
        self.raw = self.node.create_publisher(Skeletons, "skeletons/raw", qos.poses())
        self.skeletons: list[SkeletonFrame] = []
        self.node.create_subscription(Skeletons, "skeletons", self._take, qos.poses())
        self.states = observer.collect(RateState, "rate_state")
        self.parameters = self.node.create_client(SetParameters, "uplift/set_parameters")
        self.stamp = START
        self.sequence = 0
        self._due = time.monotonic()

    def _take(self, message: Skeletons) -> None:
        self.skeletons.append(skeletons_from_msg(message))

    def send(self, *persons: Person2D, info: CameraInfo | None = None, calibrated=True, late=0.0, **changed) -> None:
        """Send the next key-frame on time, `late` seconds after its stamp, with fields changed."""
        while (left := self._due + late - time.monotonic()) > 0:
            self.observer.executor.spin_once(timeout_sec=left)
        self._due = max(self._due, time.monotonic() - 1.0) + STRIDE * FRAME / SECOND
        fields = {"stamp": self.stamp, "sequence": self.sequence, "stride": STRIDE, "persons": persons}
        plain = {name: value for name, value in (fields | changed).items() if name not in ("width", "height")}
        size = {"width": changed.get("width", 640), "height": changed.get("height", 480)}
        if calibrated:
            self.infos.publish(info or self.calibration())
        self.keyframes.publish(ros_messages().keyframe(Keyframe(frame_id="camera", **size, **plain)))
        self.stamp += STRIDE * FRAME
        self.sequence += 1

    def calibration(self) -> CameraInfo:
        return ros_messages().camera_info(CAMERA, self.stamp, "camera")

    def recover(self, limit: float = 120.0) -> float:
        """Send good key-frames until a placed person is published; return the seconds that it took."""
        self._due = begin = time.monotonic()
        known, first = len(self.skeletons), self.stamp
        while not any(
            first <= frame.stamp < self.stamp and person.id == "p1" and person.scale_source is ScaleSource.PRIOR
            for frame in self.skeletons[known:]
            for person in frame.persons
        ):
            assert time.monotonic() - begin < limit, "no skeletons any more"
            self.send(make_person())
        return time.monotonic() - begin

    def leave(self, limit: float = 120.0) -> None:
        """Send key-frames without people until no frame after the last good key-frame has a person."""
        gone, known, begin = self.stamp, len(self.skeletons), time.monotonic()
        while time.monotonic() - begin < limit:
            self.send()
            after = [frame for frame in self.skeletons[known:] if gone <= frame.stamp < self.stamp]
            assert not any(frame.persons for frame in after), "a person stayed"
            if after:
                return
        pytest.fail("no skeletons without people")
