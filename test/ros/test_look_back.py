"""Look back through the real uplift node; the test plays the pose estimator, which sees a dancing person."""

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from sensor_msgs.msg import CameraInfo
from support.cameras import SYNTHETIC_CAMERA as CAMERA
from support.clocks import FRAME, SECOND, START
from uplift_ros.msg import Keyframe2D, KeyframeRequest, Skeletons

from uplift_ros import settings
from uplift_ros.messages.conversion import calibration_from_msg, ros_messages, skeletons_from_msg, stamp_from_msg
from uplift_ros.nodes import qos
from uplift_ros.poses import Keyframe, Origin, Person2D, SkeletonFrame
from uplift_ros.sources.synthetic.motion import pose
from uplift_ros.sources.synthetic.synthetic_source import viewpoint_at
from uplift_ros.stages import build

STRIDE, KEYFRAMES = 10, 40
"""Frames between scheduled key-frames at 50 Hz, and how many there are: 8 s, with fast and slow motion."""

ROUNDING = 1e-5
"""Metres: messages carry joints as float32."""


class Estimator:
    """Pose estimator that answers requests for older images while `answers` is true."""

    def __init__(self, observer) -> None:
        self.observer, self.answers, self.requested = observer, True, 0
        self.sent: list[Keyframe] = []
        self.keyframes = observer.node.create_publisher(Keyframe2D, "keyframes", qos.poses())
        self.infos = observer.node.create_publisher(CameraInfo, "camera_info", qos.latched())
        observer.node.create_subscription(KeyframeRequest, "keyframe_requests", self.take_request, qos.poses())
        self.live = observer.collect(Skeletons, "skeletons/live")
        self.raw = observer.collect(Skeletons, "skeletons/raw")

    def wait(self) -> None:
        publishers = (self.keyframes, self.infos)
        self.observer.wait_for(lambda: all(publisher.get_subscription_count() for publisher in publishers))
        node = self.observer.node
        self.observer.wait_for(lambda: all(map(node.count_publishers, ("skeletons/live", "skeletons/raw"))))
        self.observer.wait_for_connection("uplift", ("observer", "keyframe_requests"))

    def take_request(self, request: KeyframeRequest) -> None:
        self.requested += len(request.stamps)
        if self.answers:
            for stamp in request.stamps:
                self.send(stamp_from_msg(stamp), Origin.LOOK_BACK)

    def send(self, stamp: int, origin: Origin = Origin.SCHEDULED) -> None:
        seconds = (stamp - START) / SECOND
        keypoints = CAMERA.project(viewpoint_at(CAMERA, seconds).to_optical(pose(seconds)))
        person = Person2D("p1", 1.0, np.zeros(4), keypoints, np.ones(17))
        keyframe = Keyframe(stamp, "camera", 320, 240, len(self.sent), STRIDE, (person,), origin=origin)
        self.sent.append(keyframe)
        self.infos.publish(ros_messages().camera_info(CAMERA, stamp, "camera"))
        self.keyframes.publish(ros_messages().keyframe(keyframe))

    def run(self, numbers: range) -> None:
        """Send scheduled key-frames, each after the node has taken the one before."""
        for number in numbers:
            taken = len(self.live)
            self.send(START + number * STRIDE * FRAME)
            self.observer.wait_for(lambda taken=taken: len(self.live) > taken)


@pytest.fixture
def estimator(start, observer) -> Estimator:
    start("uplift", use_sim_time=True)  # without a clock, a slow machine is no pause of the camera
    estimator = Estimator(observer)
    estimator.wait()
    return estimator


def frames(messages: list[Skeletons]) -> dict[int, SkeletonFrame]:
    return {frame.stamp: frame for frame in map(skeletons_from_msg, messages)}


def test_a_node_that_looks_back_gives_the_skeletons_of_the_stage_for_the_same_key_frames(estimator, observer):
    estimator.run(range(KEYFRAMES))
    observer.change_state("uplift", "deactivate")
    parameters = settings.NodeSettings("uplift", settings.load(None, {})["uplift"])
    stage = build.uplifting(parameters, build.uplift_network(parameters))
    calibration = calibration_from_msg(ros_messages().camera_info(CAMERA, START, "camera"))
    expected = [frame for keyframe in estimator.sent for frame in stage.push(keyframe, calibration).raw]
    expected += stage.flush()
    observer.wait_for(lambda: len(estimator.raw) >= len(expected))

    found = frames(estimator.raw)
    assert len(estimator.sent) > KEYFRAMES, "no older image was requested"
    assert list(found) == [frame.stamp for frame in expected]
    joints = [[frame.persons[0].joints for frame in each] for each in (found.values(), expected)]
    np.testing.assert_allclose(*joints, rtol=0, atol=ROUNDING)


def test_frames_do_not_wait_for_an_estimator_that_has_lost_its_images(estimator, observer):
    diagnostics = observer.collect(DiagnosticArray, "/diagnostics")
    estimator.answers = False  # as after a restart
    estimator.run(range(KEYFRAMES))
    latest = START + (KEYFRAMES - 3) * STRIDE * FRAME
    observer.wait_for(lambda: estimator.raw and stamp_from_msg(estimator.raw[-1].header.stamp) >= latest)
    observer.wait_for(lambda: "unanswered" in counted(diagnostics))
    missing = estimator.requested
    estimator.answers = True
    estimator.run(range(KEYFRAMES, 2 * KEYFRAMES))
    observer.change_state("uplift", "deactivate")
    end = START + (2 * KEYFRAMES - 1) * STRIDE * FRAME
    observer.wait_for(lambda: stamp_from_msg(estimator.raw[-1].header.stamp) >= end)

    stamps = list(frames(estimator.raw))
    assert missing > 0
    assert any(keyframe.origin is Origin.LOOK_BACK for keyframe in estimator.sent)
    assert len(stamps) == len(estimator.raw) == (2 * KEYFRAMES - 1) * STRIDE + 1
    assert stamps == sorted(stamps)


def counted(diagnostics: list[DiagnosticArray]) -> set[str]:
    """Names of what the node counted."""
    return {value.key for array in diagnostics for status in array.status for value in status.values}
