"""Real node processes over real DDS, on a domain of this test run's own."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")
pytest.importorskip("uplift_ros.msg", reason="needs the built messages")

import rclpy
import torch
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.srv import GetParameters, SetParameters
from rclpy.client import Client
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from support import tiny
from support.forked import ForkedNode
from support.people import STANDING

from uplift_ros.models.configs import SynSPConfig, compact
from uplift_ros.models.synsp import SynSP
from uplift_ros.models.uplift import UpliftUpsample
from uplift_ros.nodes import qos
from uplift_ros.nodes.graph.child_process import Process
from uplift_ros.nodes.graph.environment import node_environment
from uplift_ros.nodes.graph.monitor import Monitor
from uplift_ros.parameters import yaml_value
from uplift_ros.paths import node_script

TIMEOUT = 120.0
"""Timeout in seconds of an awaited condition, also on a busy machine."""


@pytest.fixture(scope="session", autouse=True)
def ros():
    """ROS on a domain that no other run on this machine uses at the same time."""
    domain = int(os.environ.get("ROS_DOMAIN_ID", os.getpid()))
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    os.environ["ROS_DOMAIN_ID"] = str((domain + 50 * worker) % 101 + 1)  # higher ones meet the ports of others
    os.environ.update(node_environment())
    rclpy.init(args=[])
    yield
    rclpy.try_shutdown()


class Observer:
    """A node of the test's own, spun only while a condition is awaited."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.executor = SingleThreadedExecutor()
        self.node = self.add_node("observer")
        self._clients: dict[str, Client] = {}

    def add_node(self, name: str) -> Node:
        """Another node, for a test that plays a part of the graph."""
        self.nodes.append(rclpy.create_node(name))
        self.executor.add_node(self.nodes[-1])
        return self.nodes[-1]

    def close(self) -> None:
        self.executor.shutdown()
        for node in self.nodes:
            node.destroy_node()

    def wait_for(self, condition: Callable[[], object], timeout: float = TIMEOUT) -> None:
        deadline = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < deadline, f"timed out after {timeout} s"
            self.executor.spin_once(timeout_sec=0.05)

    def collect(self, message_type: type, topic: str, profile=None) -> list:
        """A list that grows with every message."""
        messages: list = []
        self.node.create_subscription(message_type, topic, messages.append, profile or qos.poses())
        return messages

    def wait_for_connection(self, publisher: str, *subscribers: tuple[str, str]) -> None:
        """Wait until a node's publishers have found the given (node, topic) and all other subscriptions."""
        monitor = Monitor()

        def connected() -> bool:
            monitor.spin(0.1)
            return monitor.connected(publisher) and all(monitor.subscribes(*subscriber) for subscriber in subscribers)

        self.wait_for(connected)
        monitor.close()

    def call(self, service_type: type, name: str, request, patience: float = TIMEOUT):
        """Response of a service. A request that may be repeated is repeated after `patience` seconds without one."""
        known = self._clients.get(name)
        client = known or self._clients.setdefault(name, self.node.create_client(service_type, name))
        if not (known and known.service_is_ready()):
            self.wait_for(client.service_is_ready)
            self._settle()
        for _ in range(round(TIMEOUT / patience)):
            answer = client.call_async(request)
            self.executor.spin_until_future_complete(answer, timeout_sec=patience)
            if answer.done():
                return answer.result()
        pytest.fail(f"no answer from {name}")

    def _settle(self) -> None:
        """Let the service find the reader of its answers; this cannot be seen from here, and an answer may get lost."""
        deadline = time.monotonic() + 0.5
        while (left := deadline - time.monotonic()) > 0:
            self.executor.spin_once(timeout_sec=left)

    def state(self, node: str) -> str:
        return self.call(GetState, f"{node}/get_state", GetState.Request(), patience=10.0).current_state.label

    def change_state(self, node: str, transition: str) -> bool:
        request = ChangeState.Request(transition=Transition(label=transition))
        return self.call(ChangeState, f"{node}/change_state", request).success

    def set_parameter(self, node: str, name: str, value):
        """The SetParametersResult."""
        request = SetParameters.Request(parameters=[rclpy.Parameter(name, value=value).to_parameter_msg()])
        return self.call(SetParameters, f"{node}/set_parameters", request).results[0]

    def integer_parameter(self, node: str, name: str) -> int:
        answer = self.call(GetParameters, f"{node}/get_parameters", GetParameters.Request(names=[name]))
        return answer.values[0].integer_value


@pytest.fixture
def observer():
    observer = Observer()
    yield observer
    observer.close()


@pytest.fixture(scope="module")
def shared_observer():
    """The observer of nodes that all tests of a file share."""
    observer = Observer()
    yield observer
    observer.close()


class Nodes:
    """Node processes, stopped cleanly at the end; no callback may have raised an exception.

    Attributes:
        log: their output, line by line; only of scripts.

    Args:
        outputs: folder for their output; without it the nodes' scripts are run, which takes longer.
    """

    def __init__(self, outputs: Path | None = None) -> None:
        self.processes: list[Process | ForkedNode] = []
        self.log: list[str] = []
        self._outputs = outputs

    def start(self, node: str, **parameters) -> Process | ForkedNode:
        """Start a node with parameters: start("camera", source="synthetic")."""
        arguments = ["--ros-args"]
        for name, value in parameters.items():
            arguments += ["-p", f"{name}:={yaml_value(value)}"]
        if self._outputs:
            output = self._outputs / f"{len(self.processes)}_{node}.txt"
            self.processes.append(ForkedNode(node, arguments, os.environ, output))
        else:
            self.processes.append(Process(node, [str(node_script(node)), *arguments], os.environ, self._note))
        return self.processes[-1]

    @property
    def tracebacks(self) -> list[str]:
        """The log from the first traceback on; empty where there is none."""
        forked = [line for process in self.processes if isinstance(process, ForkedNode) for line in process.lines]
        log = self.log + forked
        return log[next((at for at, line in enumerate(log) if "Traceback" in line), len(log)) :]

    def stop(self) -> None:
        running = [process for process in self.processes if process.exit_code is None]
        for process in running:
            process.send(signal.SIGINT)
        deadline = time.monotonic() + TIMEOUT
        while any(process.exit_code is None for process in running) and time.monotonic() < deadline:
            time.sleep(0.02)
        for process in self.processes:  # shown where the test failed
            print(f"{process.name} ended with {process.exit_code}: {process.last_lines}")
            process.send(signal.SIGKILL)
        for process in running:
            assert process.exit_code == 0, f"{process.name}: {process.last_lines}"
        assert not self.tracebacks, "\n".join(self.tracebacks)

    def _note(self, process: str, line: str) -> None:
        self.log.append(f"{process}: {line}")


@pytest.fixture
def start(tmp_path) -> Iterator[Callable[..., Process | ForkedNode]]:
    """`Nodes.start` of one test."""
    nodes = Nodes(tmp_path)
    yield nodes.start
    nodes.stop()


@pytest.fixture
def start_script() -> Iterator[Callable[..., Process]]:
    """`Nodes.start` of one test, of the nodes' scripts."""
    nodes = Nodes()
    yield nodes.start
    nodes.stop()


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    """Nodes that all tests of a file share."""
    nodes = Nodes()
    yield nodes
    nodes.stop()


@pytest.fixture(scope="session")
def random_weights(tmp_path_factory) -> dict[str, str]:
    """Paths of untrained networks by node: what flows through the graph does not depend on how good they are."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("weights")
    uplift = UpliftUpsample(compact())
    with torch.no_grad():  # all people stand, more or less, so that they have a size and a place
        for head in (uplift.sequence_head, uplift.central_head):
            head.weight *= 0.005
            head.bias.copy_(torch.from_numpy(STANDING.ravel()))
    tiny.write_networks(folder, uplift, SynSP(SynSPConfig()))
    return {"uplift": str(folder / "uplift.onnx"), "refiner": str(folder / "synsp.onnx")}


@pytest.fixture
def recovered(record_property) -> Callable[[str, float, float], None]:
    """recovered(fault, seconds, promise): note a recovery and its promise, both in seconds, in the JUnit report.

    `make reliability` holds the one to the other, on a quiet machine.
    """

    def note(fault: str, seconds: float, promise: float) -> None:
        for name, value in (("fault", fault), ("promise_s", f"{promise:g}"), ("recovery_s", f"{seconds:.2f}")):
            record_property(name, value)

    return note
