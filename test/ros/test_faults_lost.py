"""No message is lost silently: messages that a node could not take in time are all counted in its diagnostics."""

import itertools
import signal

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from support.clocks import FRAME
from support.people import person3d
from uplift_ros.msg import Skeletons

from uplift_ros.messages.conversion import ros_messages, stamp_from_msg
from uplift_ros.nodes import qos
from uplift_ros.poses import SkeletonFrame

QUEUE = 20
"""Queue size of the publisher for slow subscribers, a short one."""

FROZEN = 600
"""Messages meanwhile: more than the transport holds by itself."""


def test_skeletons_that_a_frozen_refiner_missed_are_counted(start, observer):
    process = start("refiner", method="none", delay=0)
    profile = qos.poses()
    profile.depth = QUEUE
    publisher = observer.node.create_publisher(Skeletons, "skeletons/raw", profile)
    refined = observer.collect(Skeletons, "skeletons", qos.poses())
    diagnostics = observer.collect(DiagnosticArray, "/diagnostics")
    observer.wait_for(publisher.get_subscription_count)
    observer.wait_for_connection("refiner")
    stamps = itertools.count(FRAME, FRAME)

    def publish(frames: int) -> None:
        for _ in range(frames):
            publisher.publish(ros_messages().skeletons(SkeletonFrame(next(stamps), "camera", ())))
            observer.executor.spin_once(timeout_sec=0.005)

    def lost() -> int:
        values = [pair for array in diagnostics for status in array.status for pair in status.values]
        return max((int(pair.value) for pair in values if pair.key == "lost skeletons"), default=0)

    publish(20)
    observer.wait_for(lambda: len(refined) == 20)
    process.send(signal.SIGSTOP)
    publish(FROZEN)
    process.send(signal.SIGCONT)
    observer.wait_for(lambda: len(refined) + lost() == 20 + FROZEN)
    assert lost() > QUEUE
    received = [stamp_from_msg(message.header.stamp) for message in refined]
    assert np.all(np.diff(received) > 0)


def test_a_malformed_skeleton_costs_no_other_of_its_burst(start, observer):
    start("refiner", method="none", delay=0)
    publisher = observer.node.create_publisher(Skeletons, "skeletons/raw", qos.poses())
    refined = observer.collect(Skeletons, "skeletons", qos.poses())
    observer.wait_for(publisher.get_subscription_count)
    observer.wait_for_connection("refiner")
    headless = person3d(np.zeros((3, 3)), scores=np.ones(3))
    for number in range(1, 11):
        persons = (headless,) if number == 5 else ()
        publisher.publish(ros_messages().skeletons(SkeletonFrame(number * FRAME, "camera", persons)))
    observer.wait_for(lambda: len(refined) == 9)
    stamps = [stamp_from_msg(message.header.stamp) // FRAME for message in refined]
    assert stamps == [1, 2, 3, 4, 6, 7, 8, 9, 10]
