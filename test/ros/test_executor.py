"""The nodes' executor, with a node and its peer in this process."""

import threading
import time

import pytest
import rclpy
from rcl_interfaces.srv import GetParameters
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.task import Future
from std_msgs.msg import Header

from uplift_ros.nodes import qos
from uplift_ros.nodes.lifecycle.executor import Direct, DirectExecutor

TIMEOUT = 20.0


@pytest.fixture
def node():
    node = rclpy.create_node("served")
    yield node
    node.destroy_node()


@pytest.fixture
def executor(node):
    executor = DirectExecutor()
    executor.add_node(node)
    yield executor
    executor.shutdown()


def work_until(executor: DirectExecutor, condition) -> None:
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline, f"waited {TIMEOUT} s in vain"
        executor.work(0.05)


def subscribe(node: Node, callback, group=None):
    return node.create_subscription(Header, "direct", callback, qos.poses(), callback_group=group or Direct())


def test_all_messages_of_a_direct_subscription_are_taken_in_order(node, executor, observer):
    taken: list[str] = []
    subscribe(node, lambda message: taken.append(message.frame_id))
    publisher = observer.node.create_publisher(Header, "direct", qos.poses())
    work_until(executor, publisher.get_subscription_count)
    sent = [str(number) for number in range(50)]
    for name in sent:
        publisher.publish(Header(frame_id=name))
    work_until(executor, lambda: len(taken) == len(sent))
    assert taken == sent


def test_other_subscriptions_are_served_beside_direct_ones(node, executor, observer):
    direct: list[Header] = []
    other: list[Header] = []
    subscribe(node, direct.append)
    subscribe(node, other.append, node.default_callback_group)
    publisher = observer.node.create_publisher(Header, "direct", qos.poses())
    work_until(executor, lambda: publisher.get_subscription_count() == 2)
    for _ in range(10):
        publisher.publish(Header())
    work_until(executor, lambda: len(direct) == len(other) == 10)


def test_services_are_answered(node, executor, observer):
    stop = Future()
    spinning = threading.Thread(target=executor.spin_until, args=(stop,))
    spinning.start()
    node.declare_parameter("width", 640)
    answer = observer.call(GetParameters, "served/get_parameters", GetParameters.Request(names=["width"]))
    stop.set_result(None)
    spinning.join(TIMEOUT)
    assert answer.values[0].integer_value == 640


def test_its_own_requests_are_answered_and_the_callbacks_of_all_answers_run(node, executor):
    """Of a service of the same node."""
    node.declare_parameter("width", 640)
    client = node.create_client(GetParameters, "served/get_parameters")
    work_until(executor, client.service_is_ready)
    widths: list[int] = []
    for _ in range(3):
        answer = client.call_async(GetParameters.Request(names=["width"]))
        answer.add_done_callback(lambda done: widths.append(done.result().values[0].integer_value))
    work_until(executor, lambda: widths == [640] * 3)


@pytest.mark.parametrize("group", [Direct(), None], ids=["direct", "other"])
def test_timers_fire_in_their_period(node, executor, group):
    fired: list[float] = []
    start = time.monotonic()
    node.create_timer(0.02, lambda: fired.append(time.monotonic()), callback_group=group)
    work_until(executor, lambda: len(fired) == 6)
    assert fired[-1] - start >= 5 * 0.02  # late ones are made up for


def test_a_timer_that_a_message_puts_off_does_not_fire_with_it(node, executor, observer):
    """Both are ready at once: nobody worked while they came."""
    events: list[str] = []
    timer = node.create_timer(0.2, lambda: events.append("timer"), callback_group=Direct())

    def take(_message: Header) -> None:
        events.append("message")
        timer.reset()

    subscribe(node, take)
    publisher = observer.node.create_publisher(Header, "direct", qos.poses())
    work_until(executor, publisher.get_subscription_count)
    arrived = observer.collect(Header, "direct")
    observer.wait_for(lambda: publisher.get_subscription_count() == 2)
    timer.reset()
    events.clear()
    publisher.publish(Header())
    observer.wait_for(lambda: arrived and timer.is_ready())
    executor.work(0.0)
    assert events == ["message"]


def test_a_callback_may_destroy_a_subscription_that_is_ready_too(node, executor, observer):
    taken: list[str] = []
    subscriptions = [subscribe(node, lambda _message: take()) for _ in range(2)]

    def take() -> None:
        taken.append("message")
        while subscriptions:
            node.destroy_subscription(subscriptions.pop())

    publisher = observer.node.create_publisher(Header, "direct", qos.poses())
    work_until(executor, lambda: publisher.get_subscription_count() == 2)
    publisher.publish(Header())
    work_until(executor, lambda: taken)
    work_until(executor, lambda: not publisher.get_subscription_count())
    assert taken == ["message"]


def test_events_of_direct_subscriptions_are_served(node, executor, observer):
    """A publisher that is best effort does not suit a reliable subscription."""
    unsuited: list = []
    events = SubscriptionEventCallbacks(incompatible_qos=unsuited.append)
    node.create_subscription(
        Header, "direct", lambda _message: None, qos.poses(), callback_group=Direct(), event_callbacks=events
    )
    observer.node.create_publisher(Header, "direct", qos.images())
    work_until(executor, lambda: unsuited)


def test_it_sleeps_while_nothing_happens(node, executor):
    subscribe(node, lambda _message: None)
    node.create_timer(60.0, lambda: None)
    executor.work(0.0)
    rounds = 0
    end = time.monotonic() + 0.5
    while time.monotonic() < end:
        executor.work(0.5)
        rounds += 1
    assert rounds < 20


def test_it_ends_when_another_thread_says_so(executor):
    finished = Future()
    threading.Timer(0.1, finished.set_result, [None]).start()
    spinning = threading.Thread(target=executor.spin_until, args=(finished,), daemon=True)
    spinning.start()
    spinning.join(TIMEOUT)
    assert not spinning.is_alive()
