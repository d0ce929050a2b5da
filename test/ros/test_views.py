"""A refiner that fuses the skeletons of two cameras, over real topics and transforms."""

import importlib.util

import numpy as np
import pytest
from geometry_msgs.msg import Quaternion, TransformStamped, Vector3
from support.clocks import FRAME, START
from support.people import STANDING, person3d
from uplift_ros.msg import Skeletons

from uplift_ros.lab.data.virtual_camera import look_at_world
from uplift_ros.messages.conversion import ros_messages, stamp_from_msg
from uplift_ros.nodes import qos
from uplift_ros.poses import SkeletonFrame
from uplift_ros.transforms import RigidTransform

needs_tf2 = pytest.mark.skipif(importlib.util.find_spec("tf2_ros") is None, reason="needs tf2_ros")

CAMERAS = {"left": np.array([-4.0, 0.0, 1.2]), "right": np.array([0.0, -4.0, 1.2])}
TRUTH = (STANDING - STANDING[0]) @ np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]]) + np.array((0, 0, 1.0))


def placed(camera: str) -> RigidTransform:
    """From the camera's frame to the map."""
    position = CAMERAS[camera]
    return RigidTransform(look_at_world(position, np.array([0.0, 0.0, 1.0])).T, position)


def seen(camera: str, stamp: int, depth_error: float) -> Skeletons:
    transform = placed(camera)
    joints = (TRUTH - transform.translation) @ transform.rotation
    joints = joints + np.array((0.0, 0.0, depth_error))
    person = person3d(joints, "p3")
    return ros_messages().skeletons(SkeletonFrame(stamp, f"{camera}_optical_frame", (person,)))


def test_views_without_a_target_frame_are_refused(start, observer):
    process = start("refiner", method="none", views="/right/skeletons/raw")
    observer.wait_for(lambda: process.exit_code is not None)
    assert process.exit_code == 1
    assert "parameter views needs target_frame" in process.last_lines


@pytest.fixture
def graph(start, observer):
    """A refiner with two cameras around a person, a function that publishes their skeletons, and its output."""
    from tf2_msgs.msg import TFMessage

    start("refiner", method="none", delay=0, target_frame="map", views="/right/skeletons/raw")
    topics = {"left": "skeletons/raw", "right": "/right/skeletons/raw"}
    publishers = {name: observer.node.create_publisher(Skeletons, topic, qos.poses()) for name, topic in topics.items()}
    static = observer.node.create_publisher(TFMessage, "/tf_static", qos.static_transforms())
    refined = observer.collect(Skeletons, "skeletons")
    everyone = (*publishers.values(), static)
    observer.wait_for(lambda: all(publisher.get_subscription_count() for publisher in everyone))
    observer.wait_for(lambda: observer.node.count_publishers("skeletons"))
    transforms = []
    for name in CAMERAS:
        found = TransformStamped(header=ros_messages().header(0, "map"), child_frame_id=f"{name}_optical_frame")
        found.transform.rotation = Quaternion(**dict(zip("xyzw", placed(name).quaternion.tolist(), strict=True)))
        found.transform.translation = Vector3(**dict(zip("xyz", placed(name).translation.tolist(), strict=True)))
        transforms.append(found)
    static.publish(TFMessage(transforms=transforms))

    def publish(camera: str, stamp: int, depth_error: float = 0.0) -> None:
        publishers[camera].publish(seen(camera, stamp, depth_error))

    return publish, refined


def joints(message: Skeletons) -> np.ndarray:
    (person,) = message.persons
    return np.array([(joint.x, joint.y, joint.z) for joint in person.joints])


@needs_tf2
def test_two_cameras_give_one_skeleton_better_than_each(graph, observer):
    publish, refined = graph
    for number in range(20):
        publish("left", START + number * FRAME, depth_error=0.2)
    for number in range(20):  # the other camera is 4 ms late, and errs the other way
        publish("right", START + number * FRAME + 4_000_000, depth_error=-0.2)
    observer.wait_for(lambda: len(refined) == 20)
    assert [stamp_from_msg(each.header.stamp) for each in refined] == [START + n * FRAME for n in range(20)]
    assert {each.header.frame_id for each in refined} == {"map"}
    assert {each.persons[0].id for each in refined} == {"p1"}
    for message in refined:
        assert np.linalg.norm(joints(message) - TRUTH, axis=-1).max() < 0.02


@needs_tf2
def test_a_recording_that_starts_again_is_followed(graph, observer):
    publish, refined = graph
    for camera in CAMERAS:
        publish(camera, START + 50 * FRAME)
    observer.wait_for(lambda: len(refined) == 1)
    for camera in CAMERAS:
        publish(camera, START)
        publish(camera, START + FRAME)
    observer.wait_for(lambda: len(refined) == 3)
    assert [stamp_from_msg(each.header.stamp) for each in refined[1:]] == [START, START + FRAME]
