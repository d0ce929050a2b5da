"""The adapter to REP-155."""

import importlib.util

import numpy as np
import pytest
from uplift_ros.msg import Keyframe2D

from uplift_ros.nodes import convert, qos
from uplift_ros.poses import Keyframe, Person2D

HAS_HRI = importlib.util.find_spec("hri_msgs") is not None


def keyframe(sequence: int, *names: str) -> Keyframe2D:
    people = tuple(Person2D(name, 0.9, np.zeros(4), np.full((17, 2), 32.0), np.full(17, 0.5)) for name in names)
    return convert.keyframe_to_msg(Keyframe(1 + sequence, "camera", 64, 64, sequence, 10, people))


@pytest.mark.skipif(HAS_HRI, reason="hri_msgs is installed")
def test_without_hri_msgs_the_node_ends_with_one_line(start, observer):
    process = start("humans")
    observer.wait_for(lambda: process.exit_code is not None)
    assert process.exit_code == 1
    assert "the node humans needs hri_msgs, which is not installed" in process.last_lines
    assert len(process.last_lines.splitlines()) == 1


@pytest.mark.skipif(not HAS_HRI, reason="needs hri_msgs")
def test_bodies_are_tracked_and_have_topics_while_they_are_in_view(start, observer):
    from hri_msgs.msg import IdsList, Skeleton2D

    start("humans")
    publisher = observer.node.create_publisher(Keyframe2D, "keyframes", qos.poses())
    tracked = observer.collect(IdsList, "/humans/bodies/tracked")
    skeletons = observer.collect(Skeleton2D, "/humans/bodies/p2/skeleton2d")
    observer.wait_for(lambda: publisher.get_subscription_count())
    observer.wait_for(lambda: observer.node.count_publishers("/humans/bodies/tracked"))
    publisher.publish(keyframe(0, "p1", "p2"))
    observer.wait_for(lambda: tracked and observer.node.count_publishers("/humans/bodies/p2/skeleton2d"))
    assert list(tracked[0].ids) == ["p1", "p2"]
    publisher.publish(keyframe(1, "p1", "p2"))
    observer.wait_for(lambda: skeletons)
    nose = skeletons[-1].skeleton[Skeleton2D.NOSE]
    assert (nose.x, nose.y, nose.c) == (0.5, 0.5, 0.5)
    publisher.publish(keyframe(2, "p1"))
    observer.wait_for(lambda: list(tracked[-1].ids) == ["p1"])
    observer.wait_for(lambda: not observer.node.count_publishers("/humans/bodies/p2/skeleton2d"))
