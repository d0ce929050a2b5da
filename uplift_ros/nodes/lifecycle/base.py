"""Base class of all nodes: lifecycle, parameters from a table, publishers and subscriptions, diagnostics."""

import contextlib
import time
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.duration import Duration
from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.subscription import Subscription
from rclpy.task import Future
from rclpy.timer import Timer

from uplift_ros.nodes.lifecycle.descriptor import descriptor
from uplift_ros.nodes.lifecycle.health import SUBSCRIBERS
from uplift_ros.nodes.lifecycle.reporting import ReportingNode, explain
from uplift_ros.parameters import TABLES, Value, is_builtin

try:
    from rclpy.event_handler import PublisherEventCallbacks, SubscriptionEventCallbacks
except ImportError:  # their place up to Humble
    from rclpy.qos_event import PublisherEventCallbacks, SubscriptionEventCallbacks

SHOWN_PARAMETERS = ("backend", "model", "method", "device", "delay", "latency")
"""Parameters that diagnostics show, if the node has them."""


def _ignore(_event: object) -> None:
    """Take an event without rclpy's warning."""


class ManagedNode(ReportingNode):
    """Managed (lifecycle) node with a parameter table.

    A node overrides the four hooks `configure`, `activate`, `deactivate` and `cleanup`, and `on_parameters` if it has
    dynamic parameters. If a hook raises, the message is logged, and `configure` and `activate` fail; the others have
    already freed inputs and complete. Publishers of `advertise` live until cleanup; subscriptions and timers of
    `subscribe` and `every` until deactivation.

    Args:
        name: key of the node's table in `parameters.TABLES`, and its default ROS name.
    """

    def __init__(self, name: str):
        super().__init__(name)
        self.finished: Future = Future()
        self.exit_code = 1
        self._table = {parameter.name: parameter for parameter in TABLES[name]}
        self._settings: dict[str, Value] = {}
        self._advertised: list[Publisher] = []
        self._resources = contextlib.ExitStack()
        self._subscribed: list[Subscription] = []
        self._upstream: set[str] = set()
        self._repeated: list[Timer] = []
        self._state = "unconfigured"
        self._steady_clock = Clock(clock_type=ClockType.STEADY_TIME)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self.add_on_set_parameters_callback(self._set_parameters)
        if hasattr(self, "add_pre_set_parameters_callback"):  # not in Humble
            self.add_pre_set_parameters_callback(self._as_declared)
        for parameter in self._table.values():
            self.declare_parameter(parameter.name, parameter.default, descriptor(parameter))
        self.create_timer(1.0, self.guarded(self._diagnose), clock=self._steady_clock)
        known = {parameter.name for table in TABLES.values() for parameter in table}  # /** sets those of all nodes
        if unknown := [name for name in self._parameter_overrides if name not in known and not is_builtin(name)]:
            self.report("unknown_parameter", f"no node of uplift_ros has these parameters: {', '.join(unknown)}")

    # Hooks

    def configure(self) -> None:
        """Check parameters, load networks and other resources, advertise."""

    def activate(self) -> None:
        """Subscribe and start."""

    def deactivate(self) -> None:
        """Stop what `activate` started beyond subscriptions and timers."""

    def cleanup(self) -> None:
        """Free what `configure` loaded."""

    def diagnostic_values(self) -> dict[str, object]:
        """Values that diagnostics show while the node is active, beside counters and rates."""
        return {}

    def diagnostic_warnings(self) -> list[str]:
        """Warnings that hold at this moment; diagnostics show them while the node is active."""
        return []

    def on_parameters(self, changes: dict[str, Value]) -> None:
        """Check dynamic parameters before they change, all of one request together; raise ValueError to reject."""

    # For the hooks and callbacks of a node

    @property
    def parameters(self) -> Mapping[str, Any]:
        """All current values by name."""
        return MappingProxyType(self._settings)

    def parameter(self, name: str) -> Any:
        """Current value of a parameter, in the type of its table."""
        return self._settings[name]

    def advertise(self, message_type: type, topic: str, qos: QoSProfile, lenient: bool = False) -> Publisher:
        """Publish on a topic until cleanup.

        Args:
            lenient: do not warn about subscriptions whose QoS does not fit.
        """
        publisher: Publisher = self.create_publisher(
            message_type,
            topic,
            qos,
            qos_overriding_options=QoSOverridingOptions.with_default_policies(),
            event_callbacks=PublisherEventCallbacks(incompatible_qos=_ignore if lenient else None),
        )
        self._advertised.append(publisher)
        return publisher

    def at_cleanup(self, close: Callable[[], None]) -> None:
        """Close a resource at cleanup, or at once if `configure` fails."""
        self._resources.callback(close)

    def subscribe(
        self,
        message_type: type,
        topic: str,
        callback: Callable,
        qos: QoSProfile,
        raw: bool = False,
        expected: str = "",
        upstream: bool = False,
        lenient: bool = False,
    ) -> None:
        """Subscribe to a topic until deactivation; diagnostics count messages that the middleware has lost.

        Args:
            raw: pass serialised bytes to the callback.
            expected: name of the input; diagnostics warn while it is missing. Empty for an optional input.
            upstream: nodes of this graph publish the topic; at its end the node waits for their last messages.
            lenient: do not warn about publishers whose QoS does not fit, because another subscription does.
        """
        # A second, latched subscription to the same topic must keep its own QoS overrides.
        latched = "latched" if qos.durability is DurabilityPolicy.TRANSIENT_LOCAL else None
        options = QoSOverridingOptions.with_default_policies(entity_id=latched)
        guarded = self.guarded(callback)
        if expected:
            self.health.arrived(expected)
            guarded = self._noting_arrival(guarded, expected)
        subscription = self.create_subscription(
            message_type,
            topic,
            guarded,
            qos,
            qos_overriding_options=options,
            raw=raw,
            event_callbacks=SubscriptionEventCallbacks(
                message_lost=partial(self._note_lost, expected or topic, qos),
                incompatible_qos=_ignore if lenient else None,
            ),
        )
        self._subscribed.append(subscription)
        if upstream:
            self._upstream.add(subscription.topic_name)

    def _noting_arrival(self, callback: Callable, name: str) -> Callable:
        def noting(message: Any) -> None:
            self.health.arrived(name)
            callback(message)

        return noting

    def _note_lost(self, name: str, qos: QoSProfile, event: Any) -> None:
        lost = event.total_count_change
        self.health.count(f"lost {name}", lost)
        if qos.reliability is ReliabilityPolicy.RELIABLE:
            self.report("overrun", f"{lost} messages lost: {name} arrived faster than they could be processed")

    def every(self, seconds: float, callback: Callable[[], None], clock: Clock | None = None) -> Timer:
        """Call back periodically, by the steady clock even if ROS time is simulated, unless a clock is given."""
        guarded = self.guarded(callback)
        timer = self.create_timer(seconds, guarded, clock=clock or self._steady_clock)
        self._repeated.append(timer)
        return timer

    @property
    def has_upstream(self) -> bool:
        """Whether a node before this one in the graph still runs, and may send its last messages."""
        return self.is_active and any(self.count_publishers(topic) for topic in self._upstream)

    @property
    def is_active(self) -> bool:
        return self._state == "active"

    def full_name(self, node: str) -> str:
        """Fully qualified name of a node, as in diagnostics; a relative name is resolved in this node's namespace."""
        return self.resolve_service_name(f"{node}/set_parameters").removesuffix("/set_parameters")

    def finish(self, exit_code: int = 0) -> None:
        """End the process; may be called from any thread."""
        if not self.finished.done():
            self.exit_code = exit_code
            self.finished.set_result(None)

    # Lifecycle

    def on_configure(self, _state: LifecycleState) -> TransitionCallbackReturn:
        done = self._transition(self.configure, "inactive")
        if done is not TransitionCallbackReturn.SUCCESS:
            self._destroy_outputs()
        return done

    def on_activate(self, _state: LifecycleState) -> TransitionCallbackReturn:
        done = self._transition(self.activate, "active")
        if done is not TransitionCallbackReturn.SUCCESS:
            self._destroy_inputs()
        return done

    def on_deactivate(self, _state: LifecycleState) -> TransitionCallbackReturn:
        self._deactivate()
        return TransitionCallbackReturn.SUCCESS

    def on_cleanup(self, _state: LifecycleState) -> TransitionCallbackReturn:
        self._cleanup()
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, _state: LifecycleState) -> TransitionCallbackReturn:
        self.stop()
        self._state = "finalized"
        return TransitionCallbackReturn.SUCCESS

    def start(self) -> bool:
        """Configure and activate; False if one of them failed (the reason is logged)."""
        return all(
            trigger() == TransitionCallbackReturn.SUCCESS for trigger in (self.trigger_configure, self.trigger_activate)
        )

    def stop(self) -> None:
        """Deactivate and clean up, and wait until the last messages are acknowledged."""
        if self._state == "active":
            self._deactivate()
            self._wait_until_sent()
        if self._state == "inactive":
            self._cleanup()

    def _deactivate(self) -> None:
        self._destroy_inputs()
        self.guarded(self.deactivate)()
        self._state = "inactive"

    def _cleanup(self) -> None:
        self.guarded(self.cleanup)()
        self._destroy_outputs()
        self._state = "unconfigured"

    def _transition(self, hook: Callable[[], None], state: str) -> TransitionCallbackReturn:
        try:
            hook()
        except Exception as error:
            self.report(hook.__name__, f"cannot {hook.__name__}: {explain(error)}", error=True)
            return TransitionCallbackReturn.FAILURE
        self._state = state
        return TransitionCallbackReturn.SUCCESS

    def _wait_until_sent(self) -> None:
        """Wait one second in total: a subscriber that shuts down at the same time never acknowledges."""
        deadline = time.monotonic() + 1.0
        for publisher in self._advertised:
            publisher.wait_for_all_acked(Duration(seconds=max(0.0, deadline - time.monotonic())))

    def _destroy_inputs(self) -> None:
        self.health.expect_nothing()
        while self._subscribed:
            self.destroy_subscription(self._subscribed.pop())
        while self._repeated:
            self.destroy_timer(self._repeated.pop())

    def _destroy_outputs(self) -> None:
        self.guarded(self._resources.close)()
        while self._advertised:
            self.destroy_publisher(self._advertised.pop())

    def _as_declared(self, changes: list[rclpy.Parameter]) -> list[rclpy.Parameter]:
        """The same changes, with integers as doubles where the table has a double."""
        doubles = {name for name, parameter in self._table.items() if isinstance(parameter.default, float)}
        return [
            rclpy.Parameter(change.name, value=float(change.value))
            if change.name in doubles and type(change.value) is int
            else change
            for change in changes
        ]

    def _set_parameters(self, changes: list[rclpy.Parameter]) -> SetParametersResult:
        try:
            checked = {
                change.name: self._table[change.name].check(change.value)
                for change in changes
                if change.name in self._table
            }
            if changed := {name: value for name, value in checked.items() if name in self._settings}:
                self.on_parameters(changed)
        except ValueError as error:
            return SetParametersResult(successful=False, reason=str(error))
        self._settings |= checked
        return SetParametersResult(successful=True)

    def _diagnose(self) -> None:
        subscribers = {
            f"{SUBSCRIBERS}{publisher.topic_name}": publisher.get_subscription_count() for publisher in self._advertised
        }
        shown = {name: self._settings[name] for name in SHOWN_PARAMETERS if name in self._settings}
        values = self.diagnostic_values() if self.is_active else {}
        diagnostic_warnings = self.diagnostic_warnings() if self.is_active else []
        name = self.get_fully_qualified_name()
        array = DiagnosticArray(
            status=[self.health.status(name, self._state, shown | values | subscribers, diagnostic_warnings)]
        )
        array.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(array)
