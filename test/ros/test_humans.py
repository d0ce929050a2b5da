"""The adapter to REP-155, with the messages and, where installed, the transforms of the real packages."""

import importlib.util
import re
from xml.etree import ElementTree as Xml

import numpy as np
import pytest
from rcl_interfaces.srv import GetParameters
from sensor_msgs.msg import JointState
from support.people import STANDING, person3d
from uplift_ros.msg import Keyframe2D, Skeletons

from uplift_ros.human_model import HumanPose
from uplift_ros.messages.conversion import ros_messages
from uplift_ros.nodes import qos
from uplift_ros.poses import Keyframe, Person2D, SkeletonFrame

HAS_HRI = importlib.util.find_spec("hri_msgs") is not None
HAS_TF = importlib.util.find_spec("tf2_msgs") is not None
needs_hri = pytest.mark.skipif(not HAS_HRI, reason="needs hri_msgs")
needs_tf = pytest.mark.skipif(not HAS_TF, reason="needs tf2_msgs")

BOX = np.array((8.0, 16.0, 32.0, 32.0))
STANDING_THERE = STANDING + np.array((0.5, 0.0, 3.0))


def keyframe(sequence: int, *names: str) -> Keyframe2D:
    people = tuple(Person2D(name, 0.75, BOX, np.full((17, 2), 32.0), np.full(17, 0.5)) for name in names)
    return ros_messages().keyframe(Keyframe(1 + sequence, "camera", 64, 64, sequence, 10, people))


def skeletons(stamp: int, *names: str) -> Skeletons:
    people = [person3d(STANDING_THERE, name) for name in names]
    return ros_messages().skeletons(SkeletonFrame(stamp, "camera", tuple(people)))


@pytest.fixture
def humans(start, observer):
    """The node, and publishers of its inputs."""

    class Humans:
        process = start("humans", publish_tf=HAS_TF)
        keyframes = observer.node.create_publisher(Keyframe2D, "keyframes", qos.poses())
        skeletons = observer.node.create_publisher(Skeletons, "skeletons", qos.poses())

        def show(self, topic: str, message_type: type, *names: str) -> list:
            """Messages of a body's topic, from when the bodies are tracked on."""
            messages = observer.collect(message_type, topic)
            self.keyframes.publish(keyframe(0, *names))
            observer.wait_for(lambda: observer.node.count_publishers(topic))
            return messages

    observer.wait_for(lambda: Humans.keyframes.get_subscription_count() and Humans.skeletons.get_subscription_count())
    return Humans()


@pytest.mark.skipif(HAS_HRI, reason="hri_msgs is installed")
def test_without_hri_msgs_the_node_ends_with_one_line(start, observer):
    process = start("humans")
    observer.wait_for(lambda: process.exit_code is not None)
    assert process.exit_code == 1
    assert re.search("humans .*hri_msgs", process.last_lines)
    assert len(process.last_lines.splitlines()) == 1


@needs_hri
@pytest.mark.skipif(HAS_TF, reason="tf2_msgs is installed")
def test_without_tf2_msgs_publish_tf_is_refused_with_the_reason(start, observer):
    process = start("humans")
    observer.wait_for(lambda: process.exit_code is not None)
    assert re.search("publish_tf .*tf2_msgs", process.last_lines)


@needs_hri
def test_bodies_are_tracked_and_have_topics_while_they_are_in_view(humans, observer):
    from hri_msgs.msg import IdsList, Skeleton2D

    tracked = observer.collect(IdsList, "/humans/bodies/tracked")
    observer.wait_for(lambda: observer.node.count_publishers("/humans/bodies/tracked"))
    seen = humans.show("/humans/bodies/p2/skeleton2d", Skeleton2D, "p1", "p2")
    observer.wait_for(lambda: tracked)
    assert list(tracked[0].ids) == ["p1", "p2"]
    humans.keyframes.publish(keyframe(1, "p1", "p2"))
    observer.wait_for(lambda: seen)
    nose = seen[-1].skeleton[Skeleton2D.NOSE]
    assert (nose.x, nose.y, nose.c) == (0.5, 0.5, 0.5)
    humans.keyframes.publish(keyframe(2, "p1"))
    observer.wait_for(lambda: list(tracked[-1].ids) == ["p1"])
    observer.wait_for(lambda: not observer.node.count_publishers("/humans/bodies/p2/skeleton2d"))


@needs_hri
def test_key_frames_of_older_images_do_not_change_who_is_tracked(humans, observer):
    from hri_msgs.msg import IdsList, Skeleton2D

    tracked = observer.collect(IdsList, "/humans/bodies/tracked")
    observer.wait_for(lambda: observer.node.count_publishers("/humans/bodies/tracked"))
    humans.show("/humans/bodies/p1/skeleton2d", Skeleton2D, "p1")
    older = keyframe(1, "p2")
    older.origin = Keyframe2D.LOOK_BACK
    humans.keyframes.publish(older)
    humans.keyframes.publish(keyframe(2, "p1"))
    observer.wait_for(lambda: len(tracked) >= 2)
    assert [list(message.ids) for message in tracked] == [["p1"], ["p1"]]


@needs_hri
def test_the_region_of_interest_is_in_parts_of_the_image(humans, observer):
    from hri_msgs.msg import NormalizedRegionOfInterest2D

    regions = humans.show("/humans/bodies/p1/roi", NormalizedRegionOfInterest2D, "p1")
    observer.wait_for(lambda: regions or humans.keyframes.publish(keyframe(0, "p1")))
    region = regions[0]
    assert (region.xmin, region.ymin, region.xmax, region.ymax, region.c) == (0.125, 0.25, 0.625, 0.75, 0.75)
    assert region.header == keyframe(0).header


@needs_hri
def test_joint_states_are_the_angles_of_the_skeleton_at_its_own_stamp(humans, observer):
    states = humans.show("/humans/bodies/p1/joint_states", JointState, "p1")
    observer.wait_for(lambda: humans.skeletons.publish(skeletons(7, "p1")) or states)
    expected = {f"{joint}_p1": angle for joint, angle in HumanPose.of(STANDING_THERE).angles.items()}
    assert dict(zip(states[0].name, states[0].position, strict=True)) == pytest.approx(expected)
    assert states[0].header == skeletons(7).header


@needs_hri
def test_the_urdf_is_a_parameter_while_the_body_is_tracked(humans, observer):
    def description() -> str:
        names = GetParameters.Request(names=["human_description_p1"])
        values = observer.call(GetParameters, "humans/get_parameters", names).values
        return values[0].string_value if values else ""

    states = humans.show("/humans/bodies/p1/joint_states", JointState, "p1")
    observer.wait_for(lambda: humans.skeletons.publish(skeletons(7, "p1")) or states)
    links = {link.get("name") for link in Xml.fromstring(description()).iter("link")}  # noqa: S314 (our own)
    assert {"body_p1", "torso_p1", "head_p1", "l_wrist_p1", "r_ankle_p1"} <= links
    humans.keyframes.publish(keyframe(1))
    humans.skeletons.publish(skeletons(8))
    observer.wait_for(lambda: not description())


@needs_hri
def test_skeletons_that_come_after_the_body_has_left_the_image_are_still_published(humans, observer):
    from hri_msgs.msg import IdsList

    tracked = observer.collect(IdsList, "/humans/bodies/tracked")
    states = humans.show("/humans/bodies/p1/joint_states", JointState, "p1")
    observer.wait_for(lambda: humans.skeletons.publish(skeletons(7, "p1")) or states)
    humans.keyframes.publish(keyframe(1))
    observer.wait_for(lambda: tracked and not tracked[-1].ids)
    humans.skeletons.publish(skeletons(8, "p1"))
    observer.wait_for(lambda: states[-1].header == skeletons(8).header)


@needs_hri
@needs_tf
def test_links_are_transforms_within_the_body_which_is_within_the_sensors_frame(humans, observer):
    from tf2_msgs.msg import TFMessage

    messages = humans.show("/tf", TFMessage, "p1")
    observer.wait_for(
        lambda: humans.skeletons.publish(skeletons(7, "p1")) or any(message.transforms for message in messages)
    )
    [body, *links] = next(message.transforms for message in messages if message.transforms)
    assert (body.header.frame_id, body.child_frame_id) == ("camera", "body_p1")
    assert (body.transform.translation.x, body.transform.translation.z) == (0.5, 3.0)
    assert {link.header.frame_id for link in links} == {"body_p1"}
    assert {link.child_frame_id for link in links} == {f"{link}_p1" for link in HumanPose.of(STANDING).links}
    assert all(link.header.stamp == body.header.stamp == skeletons(7).header.stamp for link in links)
