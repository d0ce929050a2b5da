"""Monitors a running graph from outside: lifecycle states, discovery, rates, and whether skeletons arrive."""

import contextlib
import time
from collections.abc import Callable, Iterator

from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.client import Client
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSCompatibility, qos_check_compatible
from rclpy.task import Future

from uplift_ros.messages.conversion import serialized_header, stamp_from_msg
from uplift_ros.msg import RateState, Skeletons
from uplift_ros.nodes import qos
from uplift_ros.nodes.lifecycle.health import SUBSCRIBERS
from uplift_ros.poses import NANOSECONDS

DRAINED_S, STALLED_S = 1.0, 10.0
"""Seconds without a new skeleton after which the pipeline is empty; and after which it is stuck with some inside."""


class Monitor:
    """Monitor of the graph; it receives only while `spin` runs."""

    def __init__(self) -> None:
        self._node = Node("monitor", start_parameter_services=False)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)
        self._diagnosed: dict[str, dict[str, str]] = {}
        self.rate_state: RateState | None = None
        self.skeletons = 0
        """Number of skeleton messages received so far."""
        self._last_skeletons = time.monotonic()
        self._newest_stamp: int | None = None
        self._node.create_subscription(DiagnosticArray, "/diagnostics", self._take_diagnostics, qos.poses())
        self._node.create_subscription(RateState, "rate_state", self._take_rate_state, qos.poses())
        self._node.create_subscription(Skeletons, "skeletons", self._take_skeletons, qos.poses(), raw=True)

    def close(self) -> None:
        self._executor.shutdown()
        self._node.destroy_node()

    def spin(self, seconds: float) -> None:
        """Process incoming messages for this time."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._executor.spin_once(left)

    @property
    def is_drained(self) -> bool:
        """Whether no more skeletons are to be expected: those of the newest key-frame are there, or nothing comes."""
        idle_s = time.monotonic() - self._last_skeletons
        newest = self._newest_stamp if self.rate_state is None else stamp_from_msg(self.rate_state.header.stamp)
        has_all = newest is None or (self._newest_stamp or 0) >= newest - NANOSECONDS
        return idle_s >= (DRAINED_S if has_all else STALLED_S)

    def state(self, node: str) -> str:
        """Lifecycle state of a node, empty before its first diagnostics."""
        return self._diagnosed.get(self._full_name(node), {}).get("state", "")

    def connected(self, node: str) -> bool:
        """Whether every publisher of the node has discovered all compatible subscriptions that the monitor knows."""
        found = {
            key.removeprefix(SUBSCRIBERS): int(value)
            for key, value in self._diagnosed.get(self._full_name(node), {}).items()
            if key.startswith(SUBSCRIBERS)
        }
        return bool(found) and all(count >= self._matching(node, topic) for topic, count in found.items())

    def _matching(self, node: str, topic: str) -> int:
        """Count the subscriptions whose requested QoS the node offers; incompatible ones would never be matched."""
        offers = [info.qos_profile for info in self._node.get_publishers_info_by_topic(topic) if info.node_name == node]
        requests = [info.qos_profile for info in self._node.get_subscriptions_info_by_topic(topic)]
        return sum(
            all(qos_check_compatible(offer, request)[0] != QoSCompatibility.ERROR for offer in offers)
            for request in requests
        )

    def publishes(self, topic: str) -> bool:
        """Whether a publisher of the topic is known."""
        return self._node.count_publishers(topic) > 0

    def subscribes(self, node: str, topic: str) -> bool:
        """Whether the node is known to subscribe to the topic."""
        infos = self._node.get_subscriptions_info_by_topic(self._node.resolve_topic_name(topic))
        return any(info.node_name == node for info in infos)

    @contextlib.contextmanager
    def change_state(self, node: str, transition: int) -> Iterator[Callable[[], bool | None]]:
        """Request a lifecycle transition, `Transition.TRANSITION_...`, which proceeds while the monitor spins.

        Yields:
            A function that returns whether it succeeded; None until the node has answered.
        """
        client: Client = self._node.create_client(ChangeState, f"{node}/change_state")
        answer: Future | None = None

        def succeeded() -> bool | None:
            nonlocal answer
            if answer is None and client.service_is_ready():
                answer = client.call_async(ChangeState.Request(transition=Transition(id=transition)))
            response = answer.result() if answer and answer.done() else None
            return response.success if response else None

        try:
            yield succeeded
        finally:
            self._node.destroy_client(client)

    def _full_name(self, node: str) -> str:
        return f"{self._node.get_namespace().rstrip('/')}/{node}"

    def _take_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            self._diagnosed[status.name] = {pair.key: pair.value for pair in status.values}

    def _take_rate_state(self, message: RateState) -> None:
        self.rate_state = message

    def _take_skeletons(self, message: bytes) -> None:
        self.skeletons += 1
        self._newest_stamp, _ = serialized_header(message)
        self._last_skeletons = time.monotonic()
