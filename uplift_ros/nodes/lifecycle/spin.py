"""Runs a node in its own process until it finishes or a signal arrives."""

import signal
import sys
import threading
import time
from collections.abc import Callable

import rclpy
from rclpy.executors import Executor, SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions

from uplift_ros import fastdds
from uplift_ros.nodes.lifecycle.base import ManagedNode
from uplift_ros.nodes.lifecycle.memory import share_freed_memory
from uplift_ros.nodes.lifecycle.reporting import EXPECTED_ERRORS

QUIET_END_S = 0.1
"""Seconds to process messages that arrived before the signal to end."""

UPSTREAM_S = 3.0
"""Seconds to wait for the last messages of the nodes before this one, which launch ends at the same time."""


def spin(node_type: Callable[[], ManagedNode], sends_images: bool = False) -> int:
    """Run a node until it finishes or a signal ends it.

    The executor spins in a thread of its own, so that signals reach Python at once and the node can still publish while
    it shuts down; rclpy's own signal handlers would shut the context down first.

    Returns:
        The node's exit code, 0 after a signal, or 1 if it could not start; the reason is one line on stderr.
    """
    share_freed_memory()
    if not sends_images:
        fastdds.save_memory()
    try:
        rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
        node = node_type()
    except (*EXPECTED_ERRORS, RuntimeError) as error:  # rclpy's own errors are RuntimeErrors
        print(f"{error}", file=sys.stderr)
        rclpy.try_shutdown()
        return 1
    for interruption in (signal.SIGINT, signal.SIGTERM):
        signal.signal(interruption, lambda *_: node.finish())
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    if node.parameter("autostart") and not node.start():
        node.finish(exit_code=1)
    spinning = threading.Thread(target=executor.spin_until_future_complete, args=(node.finished,), name="spin")
    spinning.start()
    spinning.join()
    _work_off(executor, node)
    node.stop()
    executor.shutdown()
    node.destroy_node()
    rclpy.try_shutdown()
    return node.exit_code


def _work_off(executor: Executor, node: ManagedNode) -> None:
    """Process messages that arrived before the signal to end, and those that the nodes before this one still send."""
    now = time.monotonic()
    end, limit = now + QUIET_END_S, now + UPSTREAM_S
    while now < end:
        executor.spin_once(timeout_sec=0.01)
        now = time.monotonic()
        if node.has_upstream and now < limit:
            end = now + QUIET_END_S
