"""The uplift node with depth images; the test plays the camera and the pose estimator."""

import importlib.util
import re

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from sensor_msgs.msg import CameraInfo, Image
from support.cameras import SYNTHETIC_CAMERA as CAMERA
from support.clocks import FRAME, START
from support.people import person2d
from uplift_ros.msg import Keyframe2D, Person3D, Skeletons

from uplift_ros.messages.conversion import ros_messages
from uplift_ros.nodes import qos
from uplift_ros.poses import Keyframe
from uplift_ros.sources.synthetic.motion import pose
from uplift_ros.sources.synthetic.synthetic_source import viewpoint_at

STEP = 10 * FRAME
FLAT = 3.0
"""Metres: depth of everything in the depth images, the person's front included."""

HAS_FILTERS = importlib.util.find_spec("message_filters") is not None
needs_filters = pytest.mark.skipif(not HAS_FILTERS, reason="needs message_filters")


@pytest.mark.skipif(HAS_FILTERS, reason="message_filters is installed")
def test_depth_without_message_filters_is_refused_with_the_reason(start, observer):
    process = start("uplift", use_depth=True)
    observer.wait_for(lambda: process.exit_code is not None)
    assert process.exit_code == 1
    assert re.search("use_depth .*message_filters", process.last_lines)


class Robot:
    """A person who stands still before the camera, in key-frames and, where given, depth images of the same stamps."""

    def __init__(self, observer) -> None:
        self.observer = observer
        self.keyframes = observer.node.create_publisher(Keyframe2D, "keyframes", qos.poses())
        self.infos = observer.node.create_publisher(CameraInfo, "camera_info", qos.poses())
        self.images = observer.node.create_publisher(Image, "depth", qos.images(5))
        self.live = observer.collect(Skeletons, "skeletons/live")
        self.number = 0

    def wait(self) -> None:
        subscribed = (self.keyframes, self.infos, self.images)
        self.observer.wait_for(lambda: all(publisher.get_subscription_count() for publisher in subscribed))
        self.observer.wait_for(lambda: self.observer.node.count_publishers("skeletons/live"))

    def send(self, depth: np.ndarray | None, encoding: str = "16UC1") -> Person3D:
        """The person as the node sees it in the next key-frame."""
        stamp = START + self.number * STEP
        keypoints = CAMERA.project(viewpoint_at(CAMERA, 0.0).to_optical(pose(0.0)))
        person = person2d(keypoints)
        if depth is not None:
            height, width = depth.shape
            self.images.publish(
                Image(
                    header=ros_messages().header(stamp, "camera"),
                    height=height,
                    width=width,
                    encoding=encoding,
                    step=width * depth.itemsize,
                    data=depth.tobytes(),
                )
            )
        self.infos.publish(ros_messages().camera_info(CAMERA, stamp, "camera"))
        keyframe = Keyframe(stamp, "camera", CAMERA.width, CAMERA.height, self.number, 10, (person,))
        answered = len(self.live)
        self.keyframes.publish(ros_messages().keyframe(keyframe))
        self.observer.wait_for(lambda: len(self.live) > answered)
        self.number += 1
        return self.live[-1].persons[0]

    def send_until_measured(self, depth: np.ndarray, encoding: str) -> Person3D:
        for _ in range(20):  # depth may arrive after the key-frame that it belongs to
            if (person := self.send(depth, encoding)).scale_source == Person3D.SCALE_DEPTH:
                return person
        pytest.fail("never measured")


@pytest.fixture
def robot(start, observer):
    start("uplift", use_depth=True, stride_mode="fixed")
    robot = Robot(observer)
    robot.wait()
    return robot


@needs_filters
@pytest.mark.parametrize(("encoding", "kind", "unit"), [("16UC1", np.uint16, 0.001), ("32FC1", np.float32, 1.0)])
def test_people_come_in_the_size_that_depth_measures(robot, encoding, kind, unit):
    while (before := robot.send(None)).scale_source != Person3D.SCALE_PRIOR:
        pass  # the intrinsics are still on their way
    depth = np.full((CAMERA.height, CAMERA.width), FLAT / unit).astype(kind)
    after = robot.send_until_measured(depth, encoding)
    assert before.joints[0].z > 1.1 * FLAT
    assert FLAT < after.joints[0].z < FLAT + 0.2  # the joint lies behind the skin
    assert len(after.covariance) == 17 * 6


@needs_filters
def test_missing_and_odd_depth_is_reported_and_skeletons_continue(robot, observer):
    diagnostics = observer.collect(DiagnosticArray, "/diagnostics")

    def is_reported(depth: np.ndarray | None, encoding: str, text: str) -> bool:
        robot.send(depth, encoding)
        observer.executor.spin_once(timeout_sec=0.1)
        return any(text in status.message for array in diagnostics for status in array.status)

    observer.wait_for(lambda: is_reported(None, "", "no depth image"))
    small = np.zeros((8, 8), np.uint16)
    observer.wait_for(lambda: is_reported(small, "16UC1", "depth must be aligned"))
    observer.wait_for(lambda: is_reported(small, "mono16", "depth encoding"))
