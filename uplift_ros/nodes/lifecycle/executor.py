"""An executor for many small messages on few cores.

rclpy's SingleThreadedExecutor builds a wait set from all of a node's entities for every message, and once or twice more
because each callback wakes it again. This one keeps its wait set, and serves subscriptions and timers in a `Direct`
group itself. Everything else, which is rare (services, parameters, events), it leaves to rclpy's machinery.
"""

import contextlib
from collections.abc import Callable
from functools import partial
from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.exceptions import InvalidHandle
from rclpy.executors import ShutdownException, SingleThreadedExecutor, TimeoutException
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.subscription import Subscription
from rclpy.task import Future
from rclpy.timer import Timer

from uplift_ros.poses import NANOSECONDS

FOREVER = -1
KINDS = ("subscription", "guard_condition", "timer", "client", "service")
"""Of entities, in the order in which a wait set is told how many there are."""


class Direct(CallbackGroup):
    """Of subscriptions and timers that only a DirectExecutor serves: rclpy's machinery never finds them ready.

    It does find the events of such subscriptions.
    """

    def can_execute(self, entity: Any) -> bool:
        return not isinstance(entity, Subscription | Timer)

    def beginning_execution(self, _entity: Any) -> bool:
        return True

    def ending_execution(self, _entity: Any) -> None:
        pass


class DirectExecutor(SingleThreadedExecutor):
    """Spins in one thread."""

    def __init__(self) -> None:
        self._changed = True
        super().__init__()

    def wake(self) -> None:
        """Called by rclpy when a node, or something of a node, came or went, and at the end."""
        self._changed = True
        super().wake()

    def spin_until(self, finished: Future) -> None:
        """Work until the future is done."""
        finished.add_done_callback(lambda _: self.wake())
        while not finished.done():
            self.work()

    def work(self, seconds: float | None = None) -> None:
        """Wait, at most so long, until something is there, and work it off."""
        if self._changed:
            self._changed = False
            self._gather()
        self._fill()
        self._wait_set.wait(FOREVER if seconds is None else int(seconds * NANOSECONDS))
        ready = {pointer for kind in KINDS for pointer in self._wait_set.get_ready_entities(kind)}
        direct = [serve for pointer, serve in self._direct.items() if pointer in ready]
        for serve in direct:
            serve()
        if len(direct) < len(ready) or not ready:  # events are ready without being among the kinds
            self._work_off_others()

    def _gather(self) -> None:
        nodes = self.get_nodes()
        subscriptions = [subscription for node in nodes for subscription in node.subscriptions]
        timers = [timer for node in nodes for timer in node.timers]
        guards: list[Any] = [self._guard, *(guard for node in nodes for guard in node.guards)]
        self._direct: dict[int, Callable[[], None]] = {
            entity.handle.pointer: partial(serve, entity)
            for entities, serve in ((subscriptions, _take), (timers, _fire))
            for entity in entities
            if isinstance(entity.callback_group, Direct)
        }
        self._handles: dict[str, list[Any]] = {
            "subscription": [subscription.handle for subscription in subscriptions],
            "guard_condition": [guard.handle for guard in guards],
            "timer": [timer.handle for timer in timers],
            "client": [client.handle for node in nodes for client in node.clients],
            "service": [service.handle for node in nodes for service in node.services],
        }
        self._waitables = [waitable for node in nodes for waitable in node.waitables]
        waited = [waitable.get_num_entities() for waitable in self._waitables]
        counts = [len(self._handles[kind]) + sum(getattr(count, f"num_{kind}s") for count in waited) for kind in KINDS]
        events = sum(count.num_events for count in waited)
        make_wait_set: Any = rclpy_implementation.WaitSet  # its stub is wrong
        self._wait_set = make_wait_set(*counts, events, self.context.handle)

    def _fill(self) -> None:
        """Waiting takes out what is not ready."""
        self._wait_set.clear_entities()
        for kind, handles in self._handles.items():
            add = getattr(self._wait_set, f"add_{kind}")
            for handle in handles:
                add(handle)
        for waitable in self._waitables:
            waitable.add_to_wait_set(self._wait_set)

    def _work_off_others(self) -> None:
        while True:
            try:
                handler, _, _ = self.wait_for_ready_callbacks(timeout_sec=0)
            except (TimeoutException, ShutdownException):
                return
            handler()
            handler.result()


def _take(subscription: Any) -> None:
    taken = None
    with contextlib.suppress(InvalidHandle), subscription.handle:  # a callback just now may have destroyed it
        taken = subscription.handle.take_message(subscription.msg_type, subscription.raw)
    if taken is not None:
        subscription.callback(taken[0])


def _fire(timer: Any) -> None:
    is_due = False
    with contextlib.suppress(InvalidHandle), timer.handle:
        is_due = timer.handle.is_timer_ready()  # a callback just now may have put it off
        if is_due:
            timer.handle.call_timer()
    if is_due:
        timer.callback()
