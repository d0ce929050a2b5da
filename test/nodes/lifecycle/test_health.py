"""Contents of diagnostics."""

import sys
import threading

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")

from uplift_ros.nodes.lifecycle.health import Health


@pytest.fixture
def impatient_threads():
    """Threads take turns as often as they can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def test_what_another_thread_counts_for_the_first_time_is_not_in_the_way(impatient_threads):
    """A worker counts while the executor's thread asks for the status."""
    health = Health()
    numbers = range(30_000)

    def work() -> None:
        for number in numbers:
            health.tick(f"event {number}")
            health.count(f"counter {number}")

    worker = threading.Thread(target=work)
    worker.start()
    while worker.is_alive():
        health.status("node", "active", {})
    worker.join()
    shown = {pair.key for pair in health.status("node", "active", {}).values}
    assert shown > {f"event {number}" for number in numbers} | {f"counter {number}" for number in numbers}
