"""The node processes of the graph: their footprint, counters and restarts."""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from diagnostic_msgs.msg import DiagnosticStatus
from support.footprint import GIVE_BACK, Footprint

from uplift_ros.nodes.graph.child_process import Process
from uplift_ros.paths import node_script

NODES = ("pose_estimator", "uplift", "refiner", "visualizer")
"""In the order of the data."""

COUNTED = ("dropped", "rejected", "errors", "repeated", "lost images", "lost key-frames", "lost skeletons")


@dataclass
class Life:
    """One process of a node.

    Attributes:
        footprints: with the time when they were taken, seconds.
    """

    node: str
    process: Process
    counters: Counter[str] = field(default_factory=Counter)
    footprints: list[tuple[float, Footprint]] = field(default_factory=list)


class Graph:
    """All nodes, each its own process, with default parameters."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.lives: list[Life] = []
        for node in NODES:
            self.start(node)

    def start(self, node: str) -> None:
        command = [str(node_script(node)), "--ros-args", "--log-level", "warn"]
        process = Process(node, command, os.environ | GIVE_BACK, lambda name, line: self.log.append(f"{name}: {line}"))
        self.lives.append(Life(node, process))

    def life(self, node: str) -> Life:
        """The current process."""
        return next(life for life in reversed(self.lives) if life.node == node)

    def send(self, node: str, interruption: signal.Signals) -> None:
        self.life(node).process.send(interruption)

    def kill(self, node: str) -> None:
        self.send(node, signal.SIGKILL)
        while self.life(node).process.exit_code is None:
            time.sleep(0.01)

    def measure(self) -> None:
        """Record the footprint of every process."""
        for node in NODES:
            life = self.life(node)
            if life.process.exit_code is None:
                life.footprints.append((time.monotonic(), Footprint.of(life.process.pid)))

    def note(self, statuses: Iterable[DiagnosticStatus]) -> None:
        """Read the counters that nodes report; they restart at 0 with every process."""
        for status in statuses:
            if (node := status.name.removeprefix("/")) in NODES:
                life = self.life(node)
                values = {pair.key: int(pair.value) for pair in status.values if pair.key in COUNTED}
                life.counters = Counter(values)

    def counted(self) -> dict[str, dict[str, int]]:
        """Sums over all lives, by node and counter."""
        return {
            node: dict(sum((life.counters for life in self.lives if life.node == node), Counter())) for node in NODES
        }

    def stop(self, spin: Callable[[float], None]) -> None:
        """End the nodes in the order of the data, and receive their last messages."""
        for node in NODES:
            self.send(node, signal.SIGINT)
            deadline = time.monotonic() + 20.0
            while self.life(node).process.exit_code is None and time.monotonic() < deadline:
                spin(0.1)
            self.send(node, signal.SIGKILL)
