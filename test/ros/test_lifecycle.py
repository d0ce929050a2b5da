import re
import signal
import time
from io import StringIO
from pathlib import Path

import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from support.clocks import FRAME
from uplift_ros.msg import Skeletons

from uplift_ros.messages.conversion import ros_messages
from uplift_ros.nodes import qos
from uplift_ros.nodes.graph.child_process import Process
from uplift_ros.nodes.lifecycle import base
from uplift_ros.nodes.lifecycle.spin import QUIET_END_S
from uplift_ros.parameters import TABLES, Value


@pytest.fixture
def refiner(start):
    """A node that needs no weights and no camera."""

    def start_refiner(**parameters) -> Process:
        return start("refiner", method="none", **parameters)

    return start_refiner


def wait_for_end(observer, process: Process) -> None:
    observer.wait_for(lambda: process.exit_code is not None)


def test_a_node_activates_itself(refiner, observer):
    refiner()
    observer.wait_for(lambda: observer.state("refiner") == "active")


def test_a_node_goes_up_and_down_by_services(refiner, observer):
    refiner(autostart=False)
    states = [observer.state("refiner")]
    for transition in ("configure", "activate", "deactivate", "activate", "deactivate", "cleanup", "configure"):
        assert observer.change_state("refiner", transition), transition
        states.append(observer.state("refiner"))
    assert states == [
        "unconfigured",
        "inactive",
        "active",
        "inactive",
        "active",
        "inactive",
        "unconfigured",
        "inactive",
    ]


@pytest.mark.parametrize("before", [(), ("configure",), ("configure", "activate")])
def test_a_node_shuts_down_from_every_state(refiner, observer, before):
    refiner(autostart=False)
    for transition in (*before, "shutdown"):
        assert observer.change_state("refiner", transition), transition
    assert observer.state("refiner") == "finalized"
    diagnostics = observer.collect(DiagnosticArray, "/diagnostics")
    observer.wait_for(lambda: diagnostics)
    assert [pair.value for pair in diagnostics[-1].status[0].values if pair.key == "state"] == ["finalized"]
    assert observer.node.count_subscribers("skeletons/raw") == 0


def test_a_transition_that_the_state_does_not_have_is_refused(refiner, observer):
    refiner(autostart=False)
    assert not observer.change_state("refiner", "activate")
    assert observer.state("refiner") == "unconfigured"


def test_a_node_subscribes_only_while_active(refiner, observer):
    refiner(autostart=False)
    observer.change_state("refiner", "configure")
    assert observer.node.count_subscribers("skeletons/raw") == 0
    observer.change_state("refiner", "activate")
    observer.wait_for(lambda: observer.node.count_subscribers("skeletons/raw") == 1)
    observer.change_state("refiner", "deactivate")
    observer.wait_for(lambda: observer.node.count_subscribers("skeletons/raw") == 0)


@pytest.mark.parametrize("interruption", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_node_with_exit_code_0(refiner, observer, interruption):
    process = refiner()
    observer.wait_for(lambda: observer.state("refiner") == "active")
    process.send(interruption)
    wait_for_end(observer, process)
    assert (process.exit_code, process.last_lines) == (0, "")


def test_a_node_that_ends_takes_the_last_messages_of_the_node_before_it(refiner, observer):
    """The publisher of raw skeletons still runs when the refiner gets its signal, as at the end of a replay."""
    refined = observer.collect(Skeletons, "skeletons")
    publisher = observer.node.create_publisher(Skeletons, "skeletons/raw", qos.poses())
    process = refiner()
    observer.wait_for(lambda: publisher.get_subscription_count() == 1)
    observer.wait_for_connection("refiner", (observer.node.get_name(), "skeletons"))

    def publish(numbers: range) -> None:
        for number in numbers:
            header = ros_messages().header(10**9 + number * FRAME, "camera")
            publisher.publish(Skeletons(header=header, skeleton="h36m17", is_final=True))

    publish(range(10))
    observer.wait_for(lambda: refined)
    process.send(signal.SIGINT)
    later = time.monotonic() + 2 * QUIET_END_S
    observer.wait_for(lambda: time.monotonic() > later)
    publish(range(10, 30))
    assert publisher.wait_for_all_acked()  # a publisher that is destroyed sooner takes its messages with it
    observer.node.destroy_publisher(publisher)
    wait_for_end(observer, process)
    observer.wait_for(lambda: len(refined) == 30)
    assert process.exit_code == 0


@pytest.mark.parametrize("interruption", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_the_imports_ends_a_node_quietly(start_script, observer, interruption):
    process = start_script("uplift")
    maps = Path(f"/proc/{process.pid}/maps")
    observer.wait_for(lambda: process.exit_code is not None or "_multiarray_umath" in maps.read_text())
    process.send(interruption)
    wait_for_end(observer, process)
    assert (process.exit_code, process.last_lines) == (0, "")


def test_a_node_that_cannot_configure_ends_with_one_line(start, observer):
    process = start("refiner", method="synsp", model="no_such_weights")
    wait_for_end(observer, process)
    assert process.exit_code == 1
    assert re.search("cannot configure: model: .*'no_such_weights'", process.last_lines)
    assert len(process.last_lines.splitlines()) == 1


def test_a_node_that_cannot_configure_by_service_stays_and_may_be_asked_again(start, observer):
    process = start("refiner", method="synsp", model="no_such_weights", autostart=False)
    for _ in range(2):
        assert not observer.change_state("refiner", "configure")
        assert observer.state("refiner") == "unconfigured"
    assert process.exit_code is None


@pytest.mark.parametrize(
    ("name", "value", "named"),
    [
        ("delay", 8, "Parameter delay "),
        ("delay", "long", "parameter delay .*'long'"),
        ("method", "kalman", "parameter method .*'kalman'"),
    ],
)
def test_a_node_with_a_wrong_parameter_ends_with_one_line(start, observer, name, value, named):
    process = start("refiner", **{name: value})
    wait_for_end(observer, process)
    assert process.exit_code == 1
    assert re.search(named, process.last_lines)
    assert len(process.last_lines.splitlines()) == 1


def test_a_static_parameter_is_not_changed_while_running(refiner, observer):
    refiner(delay=3)
    result = observer.set_parameter("refiner", "delay", 5)
    assert not result.successful
    assert "read-only parameter: delay" in result.reason
    assert observer.integer_parameter("refiner", "delay") == 3


def test_parameters_that_are_set_together_are_checked_together(monkeypatch):
    """Alone, each of them might be refused, or be reverted by the other one's previous value.

    The node has a name of its own: services of a lifecycle node outlive it, and would answer for other tests' nodes.
    """
    monkeypatch.setitem(TABLES, "checker", TABLES["uplift"])
    together = []

    class Node(base.ManagedNode):
        def on_parameters(self, changes: dict[str, Value]) -> None:
            together.append(changes)

    node = Node("checker")
    changes = {"stride_mode": "fixed", "stride": 30}
    try:
        result = node.set_parameters_atomically([rclpy.Parameter(name, value=value) for name, value in changes.items()])
        assert result.successful
        assert together == [changes]
        assert {name: node.parameter(name) for name in changes} == changes
    finally:
        node.destroy_node()


@pytest.mark.skipif(not hasattr(Node, "add_pre_set_parameters_callback"), reason="Humble's rclpy cannot convert them")
def test_an_integer_that_is_set_on_a_double_becomes_one(monkeypatch):
    monkeypatch.setitem(TABLES, "converter", TABLES["uplift"])
    node = base.ManagedNode("converter")
    try:
        (result,) = node.set_parameters([rclpy.Parameter("velocity_threshold", value=1)])
        assert result.successful
        assert node.get_parameter("velocity_threshold").type_ == rclpy.Parameter.Type.DOUBLE
        assert node.parameter("velocity_threshold") == 1.0
    finally:
        node.destroy_node()


@pytest.mark.parametrize("configures", [True, False])
def test_what_a_node_opened_is_closed_at_cleanup_or_if_it_cannot_configure(monkeypatch, configures):
    monkeypatch.setitem(TABLES, "opener", TABLES["uplift"])
    resource = StringIO()

    class Node(base.ManagedNode):
        def configure(self) -> None:
            self.at_cleanup(resource.close)
            if not configures:
                raise ValueError("something else is missing")

    node = Node("opener")
    try:
        node.trigger_configure()
        assert resource.closed == (not configures)
        node.stop()
        assert resource.closed
    finally:
        node.destroy_node()


def test_diagnostics_report_state_and_speed(refiner, observer):
    refiner()
    diagnostics = observer.collect(DiagnosticArray, "/diagnostics")
    observer.wait_for(lambda: diagnostics)
    [status] = diagnostics[-1].status
    values = {pair.key: pair.value for pair in status.values}
    assert (status.name, values["state"]) == ("/refiner", "active")
    assert "processing_ms" in values
