"""The pose estimator as the uplift node sees it: its stride, set by parameter service, and its diagnostics."""

import time
from dataclasses import replace

from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.srv import SetParameters
from rclpy.client import Client
from rclpy.parameter import Parameter
from rclpy.task import Future

from uplift_ros.nodes import qos
from uplift_ros.nodes.lifecycle.base import ManagedNode
from uplift_ros.streaming.rates import Rates

RESPONSE_TIMEOUT_S = 1.0
"""Seconds to wait for a response before repeating the request: the estimator was restarted or is overloaded. The limit
is not counted in key-frames, which may be seconds apart at the stride that is to be changed."""


LEASE_S = 20.0
"""Seconds for which DDS still counts the publisher of a process that was killed."""


class EstimatorStride:
    """Sets the stride of the estimator without blocking.

    Args:
        node: node that sends the requests and reports problems.
        estimator: name of the estimator's node, relative to the namespace of `node`.
    """

    def __init__(self, node: ManagedNode, estimator: str) -> None:
        self._node = node
        self._client: Client = node.create_client(SetParameters, f"{estimator}/set_parameters")
        self._answer: Future | None = None
        self._asked_at = 0.0

    def ask(self, stride: int) -> None:
        """Request a stride, unless a response is pending. Call again until key-frames have the stride."""
        if self._answer is not None and time.monotonic() - self._asked_at < RESPONSE_TIMEOUT_S:
            return
        if not self._client.service_is_ready():
            self._node.report("no_estimator", f"cannot set the stride: no service {self._client.srv_name}")
            return
        self._asked_at = time.monotonic()
        change = Parameter("stride", Parameter.Type.INTEGER, stride).to_parameter_msg()
        self._answer = self._client.call_async(SetParameters.Request(parameters=[change]))
        self._answer.add_done_callback(self._check)

    def close(self) -> None:
        self._node.destroy_client(self._client)

    def _check(self, answer: Future) -> None:
        self._answer = None
        response = answer.result()
        for result in response.results if response else []:
            if not result.successful:
                self._node.report("stride_refused", f"the estimator refuses the stride: {result.reason}")


class Neighbours:
    """The estimator and the refiner as they report themselves, until the node is deactivated; their rates and times.

    Args:
        node: node that subscribes, and reports a second estimator.
        estimator: name of the estimator's node, relative to the namespace of `node`.
    """

    def __init__(self, node: ManagedNode, estimator: str) -> None:
        self._node = node
        self._estimator, self._refiner = node.full_name(estimator), node.full_name("refiner")
        self._values: dict[str, dict[str, float]] = {self._estimator: {}, self._refiner: {}}
        self._dropped = self._dropped_before = 0
        self._crowded_since: float | None = None
        node.subscribe(DiagnosticArray, "/diagnostics", self._take, qos.poses())
        node.every(1.0, self._count_estimators)

    @property
    def estimate_ms(self) -> float:
        return self._values[self._estimator].get("processing_ms", 0.0)

    def complete(self, rates: Rates) -> Rates:
        """Add to the rates of the node what its neighbours measure; 0 before the first report."""
        estimator = self._values[self._estimator]
        return replace(
            rates,
            camera_hz=estimator.get("camera_hz", 0.0),
            estimate_ms=self.estimate_ms,
            refine_ms=self._values[self._refiner].get("processing_ms", 0.0),
            dropped=rates.dropped + self._dropped_before + self._dropped,
        )

    def _count_estimators(self) -> None:
        topic = self._node.resolve_topic_name("keyframes")
        if (count := self._node.count_publishers(topic)) <= 1:
            self._crowded_since = None
        elif self._crowded_since is None:
            self._crowded_since = time.monotonic()
        elif time.monotonic() - self._crowded_since > LEASE_S:
            self._node.report("several_estimators", f"{count} nodes publish key-frames on {topic}, one is allowed")

    def _take(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name in self._values:
                numbers = {pair.key: pair.value for pair in status.values if pair.value.replace(".", "", 1).isdigit()}
                self._values[status.name] |= {key: float(value) for key, value in numbers.items()}
                if status.name == self._estimator:
                    self._count_dropped(int(float(numbers.get("dropped", 0))))

    def _count_dropped(self, dropped: int) -> None:
        """Add up the count of every run of the estimator: one that restarted counts from 0."""
        if dropped < self._dropped:
            self._dropped_before += self._dropped
        self._dropped = dropped
