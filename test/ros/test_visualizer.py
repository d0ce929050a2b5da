import importlib.util
import itertools
import re
import signal

import cv2
import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.duration import Duration
from sensor_msgs.msg import Image
from support.clocks import SECOND
from support.people import AHEAD, STANDING, person3d
from support.recordings import CAMERA
from uplift_ros.msg import RateState, Skeletons
from visualization_msgs.msg import Marker, MarkerArray

from uplift_ros.messages.conversion import ros_messages, stamp_from_msg
from uplift_ros.nodes import qos
from uplift_ros.nodes.links.marker_messages import body_transforms
from uplift_ros.poses import SkeletonFrame
from uplift_ros.skeleton import H36M17


def frame(stamp: int, *names: str) -> Skeletons:
    people = [person3d(AHEAD, name) for name in names]
    return ros_messages().skeletons(SkeletonFrame(stamp, "camera_optical_frame", tuple(people)))


@pytest.fixture
def show(start, observer):
    """Start the visualizer; return a function that sends it a frame and waits for the markers."""
    start("visualizer", publish_tf=False, marker_lifetime=1.5)
    publisher = observer.node.create_publisher(Skeletons, "skeletons", qos.poses())
    arrays = observer.collect(MarkerArray, "markers")
    observer.wait_for(lambda: publisher.get_subscription_count() and observer.node.count_publishers("markers"))

    def show(stamp: int, *names: str) -> list[Marker]:
        publisher.publish(frame(stamp, *names))
        observer.wait_for(lambda: arrays)
        return arrays.pop().markers

    return show


def test_a_person_is_four_markers_with_stable_ids(show):
    for stamp in (1, 2):
        markers = show(stamp * SECOND, "p1")
        assert [(marker.ns, marker.id, marker.type, marker.action) for marker in markers] == [
            ("p1", 0, Marker.LINE_LIST, Marker.ADD),
            ("p1", 1, Marker.SPHERE_LIST, Marker.ADD),
            ("p1", 2, Marker.TEXT_VIEW_FACING, Marker.ADD),
            ("p1", 3, Marker.LINE_LIST, Marker.ADD),
        ]


def test_markers_carry_stamp_frame_lifetime_and_one_colour_per_point(show):
    bones, joints, label, bar = show(7 * SECOND + 5, "p1")
    assert stamp_from_msg(bones.header.stamp) == 7 * SECOND + 5
    assert bones.header.frame_id == "camera_optical_frame"
    assert (bones.lifetime.sec, bones.lifetime.nanosec) == (2, 300_000_000)  # and two intervals of stride 20
    assert (len(bones.points), len(bones.colors), len(joints.points), len(joints.colors)) == (32, 32, 17, 17)
    assert label.text == "p1"
    assert len(bar.points) == 2


@pytest.mark.parametrize(("stride", "seconds"), [(4, 1.66), (100, 5.5)])
def test_markers_outlive_two_intervals_of_key_frames(show, observer, stride, seconds):
    publisher = observer.node.create_publisher(RateState, "rate_state", qos.poses())
    observer.wait_for(publisher.get_subscription_count)
    publisher.publish(RateState(stride=stride))
    stamps = itertools.count(1)
    observer.wait_for(
        lambda: show(next(stamps), "p1")[0].lifetime == Duration(seconds=seconds).to_msg()  # once it has arrived
    )


def test_a_person_who_leaves_is_deleted_once(show):
    show(1, "p1", "p2")
    gone = [(marker.ns, marker.id) for marker in show(2, "p1") if marker.action == Marker.DELETE]
    assert gone == [("p2", 0), ("p2", 1), ("p2", 2), ("p2", 3)]
    assert all(marker.action == Marker.ADD for marker in show(3, "p1"))


def test_skeletons_of_another_form_are_refused_and_the_next_are_shown(show, observer):
    publishers = [
        observer.node.create_publisher(Skeletons, name, qos.poses()) for name in ("skeletons", "skeletons/raw")
    ]
    diagnostics = observer.collect(DiagnosticArray, "/diagnostics")
    observer.wait_for(lambda: all(publisher.get_subscription_count() for publisher in publishers))
    observer.wait_for(lambda: diagnostics and show(1, "p1"))  # the visualizer has found who looks
    odd = frame(2, "p1")
    odd.persons[0].joints = odd.persons[0].joints[:3]
    for publisher in publishers:
        publisher.publish(odd)

    def refused() -> bool:
        values = {pair.key: pair.value for status in diagnostics[-1].status for pair in status.values}
        return values.get("rejected") == "2" and "person 'p1'" in values["last_error"]

    observer.wait_for(refused)
    assert all(marker.action == Marker.ADD for marker in show(3, "p1"))


def test_raw_skeletons_are_faint_bones_that_go_with_the_person(show, observer):
    raw = observer.node.create_publisher(Skeletons, "skeletons/raw", qos.poses())
    arrays = observer.collect(MarkerArray, "markers")
    observer.wait_for(raw.get_subscription_count)
    observer.wait_for(lambda: show(1, "p1") and arrays)  # the visualizer has found who looks
    for stamp, names in ((2, ("p1",)), (3, ())):
        raw.publish(frame(stamp, *names))

    def of_the_raw_person() -> list[Marker]:
        return [marker for array in arrays for marker in array.markers if marker.ns == "raw/p1"]

    observer.wait_for(lambda: len(of_the_raw_person()) == 2)
    bones, gone = of_the_raw_person()
    assert (bones.id, bones.type) == (0, Marker.LINE_LIST)
    assert {colour.a for colour in bones.colors} == {0.25}
    assert (gone.id, gone.action) == (0, Marker.DELETE)


def test_deactivation_clears_everything(show, observer):
    show(1, "p1")
    arrays = observer.collect(MarkerArray, "markers")
    assert observer.change_state("visualizer", "deactivate")
    observer.wait_for(lambda: arrays)
    assert [marker.action for marker in arrays[-1].markers] == [Marker.DELETEALL]


def test_images_are_received_only_while_the_overlay_has_subscribers(show, observer):
    assert observer.node.count_subscribers("image_raw") == 0
    subscription = observer.node.create_subscription(Image, "overlay", lambda _: None, qos.images())
    observer.wait_for(lambda: observer.node.count_subscribers("image_raw") == 1)
    observer.node.destroy_subscription(subscription)
    observer.wait_for(lambda: observer.node.count_subscribers("image_raw") == 0)


def test_the_overlay_is_the_image_of_the_skeletons_time_with_the_person_drawn(show, observer):
    overlays = observer.collect(Image, "overlay", qos.images())
    images = observer.node.create_publisher(Image, "image_raw", qos.poses())
    infos = observer.node.create_publisher(type(ros_messages().camera_info(CAMERA, 0, "")), "camera_info", qos.poses())
    observer.wait_for(lambda: images.get_subscription_count() and infos.get_subscription_count())
    black = np.zeros((CAMERA.height, CAMERA.width, 3), np.uint8)
    for stamp in (SECOND, 2 * SECOND):
        header = ros_messages().header(stamp, "camera_optical_frame")
        step = 3 * CAMERA.width
        images.publish(
            Image(
                header=header,
                height=CAMERA.height,
                width=CAMERA.width,
                encoding="bgr8",
                step=step,
                data=black.tobytes(),
            )
        )
    infos.publish(ros_messages().camera_info(CAMERA, SECOND, "camera_optical_frame"))
    observer.wait_for(lambda: show(SECOND, "p1") and overlays)  # again until image and intrinsics are there
    assert stamp_from_msg(overlays[0].header.stamp) == SECOND
    drawn = np.frombuffer(overlays[0].data, np.uint8).reshape(CAMERA.height, CAMERA.width, 3)
    x, y = CAMERA.project(AHEAD[16]).round().astype(int)
    assert drawn[y, x, 2] > drawn[y, x, 0] > 0, "the right wrist is blue"
    assert cv2.countNonZero(drawn[..., 0]) < 0.1 * CAMERA.width * CAMERA.height


@pytest.mark.skipif(importlib.util.find_spec("tf2_msgs") is None, reason="needs tf2_msgs")
def test_bodies_and_joints_are_published_as_transforms_if_asked_for(start, observer):
    from tf2_msgs.msg import TFMessage

    start("visualizer", publish_tf=True)
    publisher = observer.node.create_publisher(Skeletons, "skeletons", qos.poses())
    messages = observer.collect(TFMessage, "/tf")
    observer.wait_for(lambda: publisher.get_subscription_count() and observer.node.count_publishers("/tf"))
    publisher.publish(frame(SECOND, "p1"))
    observer.wait_for(lambda: messages)
    names = {transform.child_frame_id for transform in messages[0].transforms}
    assert names == {"body_p1", *(f"{joint}_p1" for joint in H36M17.joints)}


@pytest.mark.skipif(importlib.util.find_spec("tf2_msgs") is not None, reason="tf2_msgs is installed")
def test_publish_tf_without_tf2_msgs_is_refused_with_the_reason(start, observer):
    process = start("visualizer", publish_tf=True)
    observer.wait_for(lambda: process.exit_code is not None)
    assert process.exit_code == 1
    assert re.search("publish_tf .*tf2_msgs", process.last_lines)


def test_a_signal_ends_the_visualizer_cleanly(start, observer):
    process = start("visualizer")
    observer.wait_for(lambda: observer.state("visualizer") == "active")
    process.send(signal.SIGINT)
    observer.wait_for(lambda: process.exit_code is not None)
    assert process.exit_code == 0


def test_transforms_name_joint_and_person_and_leave_out_what_is_not_finite():
    joints = STANDING.copy()
    joints[5] = np.nan
    person = person3d(joints)
    body, *made = body_transforms(SkeletonFrame(SECOND, "camera_optical_frame", (person,)))
    assert body.child_frame_id == "body_p1"
    assert body.transform.translation.x == STANDING[0, 0]
    assert len(made) == 16
    wrist = made[13 - 1]
    assert (wrist.header.frame_id, wrist.child_frame_id) == ("body_p1", "left_wrist_p1")
    x, y, z = STANDING[13]  # seen from the front: x is the person's left, y down, z backward
    place = wrist.transform.translation
    assert (place.x, place.y, place.z) == pytest.approx((-z, x, -y))
    assert wrist.transform.rotation.w == 1.0
