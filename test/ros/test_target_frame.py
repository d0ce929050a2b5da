"""The refiner in a static frame, with transforms over /tf."""

import importlib.util
import re
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import Quaternion, TransformStamped, Vector3
from support.clocks import FRAME, START
from support.people import AHEAD, STANDING, person3d
from uplift_ros.msg import Skeletons

from uplift_ros.messages.conversion import ros_messages, stamp_from_msg
from uplift_ros.nodes import qos
from uplift_ros.nodes.links.transform_buffer import TransformBuffer
from uplift_ros.poses import SkeletonFrame

HAS_TF2 = importlib.util.find_spec("tf2_ros") is not None
needs_tf2 = pytest.mark.skipif(not HAS_TF2, reason="needs tf2_ros")

CAMERA_ON_ROBOT = Quaternion(x=-0.5, y=0.5, z=-0.5, w=0.5)
"""Of an optical frame that looks along x."""


def raw_skeletons(number: int) -> Skeletons:
    person = person3d(AHEAD)
    return ros_messages().skeletons(SkeletonFrame(START + number * FRAME, "camera", (person,)))


@pytest.mark.skipif(HAS_TF2, reason="tf2_ros is installed")
def test_a_target_frame_without_tf2_ros_is_refused_with_the_reason(start, observer):
    process = start("refiner", method="none", target_frame="odom")
    observer.wait_for(lambda: process.exit_code is not None)
    assert process.exit_code == 1
    assert re.search("target_frame .*tf2_ros", process.last_lines)
    assert len(process.last_lines.splitlines()) == 1


@pytest.fixture
def graph(start, observer):
    """A refiner in odom, and functions that publish skeletons and where the robot is: one metre further every frame."""
    from tf2_msgs.msg import TFMessage

    start("refiner", method="none", delay=0, target_frame="odom")
    raw = observer.node.create_publisher(Skeletons, "skeletons/raw", qos.poses())
    moving = observer.node.create_publisher(TFMessage, "/tf", qos.poses())
    static = observer.node.create_publisher(TFMessage, "/tf_static", qos.static_transforms())
    refined = observer.collect(Skeletons, "skeletons")
    observer.wait_for(lambda: raw.get_subscription_count() and moving.get_subscription_count())
    observer.wait_for(lambda: observer.node.count_publishers("skeletons"))
    mounted = TransformStamped(header=ros_messages().header(0, "base_link"), child_frame_id="camera")
    mounted.transform.rotation = CAMERA_ON_ROBOT
    static.publish(TFMessage(transforms=[mounted]))

    def place(number: int) -> None:
        robot = TransformStamped(
            header=ros_messages().header(START + number * FRAME, "odom"), child_frame_id="base_link"
        )
        robot.transform.translation = Vector3(x=float(number))
        moving.publish(TFMessage(transforms=[robot]))

    return raw, place, refined


@needs_tf2
def test_skeletons_come_in_the_target_frame_each_moved_at_its_own_stamp(graph, observer):
    raw, place, refined = graph
    for number in range(0, 21, 4):  # in between, tf2 interpolates
        place(number)
    for number in range(1, 20):
        raw.publish(raw_skeletons(number))
    observer.wait_for(lambda: len(refined) == 19)
    assert {message.header.frame_id for message in refined} == {"odom"}
    for number, message in enumerate(refined, 1):
        assert stamp_from_msg(message.header.stamp) == START + number * FRAME
        x, y, z = STANDING[0]
        pelvis = message.persons[0].joints[0]
        np.testing.assert_allclose((pelvis.x, pelvis.y, pelvis.z), (number + 3.0 + z, -x, -y), atol=1e-6)


@pytest.mark.parametrize("stamp", [0, -1])
def test_a_stamp_that_tf2_does_not_look_up_is_a_transform_that_is_not_known(monkeypatch, stamp):
    """Any other error would block all skeletons behind those of this stamp for ever."""
    monkeypatch.setitem(sys.modules, "tf2_ros", SimpleNamespace(BufferCore=SimpleNamespace))
    monkeypatch.setitem(sys.modules, "tf2_msgs.msg", SimpleNamespace(TFMessage=None))
    with pytest.raises(LookupError, match="stamp"):
        TransformBuffer().lookup("odom", "camera", stamp)


@needs_tf2
def test_skeletons_wait_for_transforms_that_come_later(graph, observer):
    raw, place, refined = graph
    place(0)
    raw.publish(raw_skeletons(0))
    raw.publish(raw_skeletons(5))
    observer.wait_for(lambda: len(refined) == 1)
    place(10)
    observer.wait_for(lambda: len(refined) == 2)
    assert refined[1].persons[0].joints[0].x == pytest.approx(5 + 3.0 + STANDING[0, 2])


@needs_tf2
def test_skeletons_without_a_transform_are_dropped_and_reported(graph, observer):
    raw, _, refined = graph
    diagnostics = observer.collect(DiagnosticArray, "/diagnostics")
    for number in (0, 40):
        raw.publish(raw_skeletons(number))
    observer.wait_for(lambda: diagnostics and "frames given up" in diagnostics[-1].status[0].message)
    assert diagnostics[-1].status[0].level == b"\x01"
    assert "odom" in diagnostics[-1].status[0].message
    assert not refined
