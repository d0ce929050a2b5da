"""Conditions that the monitor of a run waits for."""

import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from lifecycle_msgs.msg import Transition
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image
from support.clocks import FRAME, START
from uplift_ros.msg import RateState, Skeletons

from uplift_ros.messages.conversion import ros_messages
from uplift_ros.nodes import qos
from uplift_ros.nodes.graph.monitor import DRAINED_S, Monitor
from uplift_ros.nodes.lifecycle.health import SUBSCRIBERS


@pytest.fixture
def is_connected(observer):
    """Whether the monitor counts a node without peers that offers images with best effort as connected."""
    talker = observer.add_node("talker")
    images = talker.create_publisher(Image, "images", qos.images())
    diagnostics = talker.create_publisher(DiagnosticArray, "/diagnostics", 10)
    found = KeyValue(key=SUBSCRIBERS + images.topic_name, value="0")
    monitor = Monitor()

    def is_connected() -> bool:
        diagnostics.publish(DiagnosticArray(status=[DiagnosticStatus(name="/talker", values=[found])]))
        monitor.spin(0.1)
        return monitor.subscribes("observer", "images") and monitor.connected("talker")

    yield is_connected
    monitor.close()


def test_a_subscription_that_asks_for_more_than_is_offered_is_not_waited_for(observer, is_connected):
    """A run must start even if endpoints never match, as with displays that request reliable images."""
    observer.node.create_subscription(Image, "images", lambda _: None, QoSProfile(depth=1))
    observer.wait_for(is_connected)


def test_a_subscription_that_was_not_found_yet_is_waited_for(observer, is_connected):
    observer.node.create_subscription(Image, "images", lambda _: None, qos.images())
    observer.wait_for(lambda: observer.node.count_subscribers("images"))
    assert not any(is_connected() for _ in range(10))


@pytest.fixture
def monitor(observer):
    monitor = Monitor()
    yield monitor
    monitor.close()


def test_a_node_is_asked_for_a_change_of_state_as_soon_as_it_is_there(observer, monitor):
    with monitor.change_state("late", Transition.TRANSITION_CONFIGURE) as succeeded:
        monitor.spin(0.1)
        assert succeeded() is None  # the call does not block
        late = LifecycleNode("late")
        observer.executor.add_node(late)

        def answered() -> bool:
            monitor.spin(0.05)
            return succeeded() is not None

        observer.wait_for(answered)
        assert succeeded()
    observer.executor.remove_node(late)
    late.destroy_node()


def test_a_graph_is_not_drained_while_skeletons_of_the_newest_key_frame_are_missing(observer, monitor):
    skeletons = observer.node.create_publisher(Skeletons, "skeletons", qos.poses())
    rates = observer.node.create_publisher(RateState, "rate_state", qos.poses())
    observer.wait_for(lambda: skeletons.get_subscription_count() and rates.get_subscription_count())

    def receive(count: int, newest: int) -> None:
        skeletons.publish(Skeletons(header=ros_messages().header(newest, "camera")))
        while monitor.skeletons < count:
            monitor.spin(0.05)

    rates.publish(RateState(header=ros_messages().header(START + 100 * FRAME, "camera")))
    while monitor.rate_state is None:
        monitor.spin(0.05)
    receive(1, START)
    monitor.spin(1.5 * DRAINED_S)
    assert not monitor.is_drained
    receive(2, START + 90 * FRAME)
    assert not monitor.is_drained
    monitor.spin(1.5 * DRAINED_S)
    assert monitor.is_drained
