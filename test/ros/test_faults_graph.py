"""Processes of a running graph that die, freeze or starve: `uplift run` restarts dead processes, and markers for RViz,
to which every node contributes, are published again within the promised time."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from soak.faults import BUSY_LOOPS, NICENESS
from support.footprint import Footprint
from support.running import running_nodes
from uplift_ros.msg import SkeletonInfo, Skeletons
from visualization_msgs.msg import MarkerArray

from uplift_ros.messages.conversion import stamp_from_msg
from uplift_ros.nodes import qos
from uplift_ros.parameters import TABLES
from uplift_ros.paths import command_script

pytestmark = pytest.mark.usefixtures("blazepose_files")


NODES = TABLES.keys() - {"humans"}

RESPAWN = 30.0
"""Seconds for a process to start, load its network and be found; the imports take most of it."""

AT_ONCE = 10.0
"""Seconds for a recovery without a new process."""

FREEZE = STARVATION = 4.0
MAX_GROWTH = 64.0
"""Mebibytes between a process at the start and the one in its place at the end."""


class Graph:
    """`uplift run` and the markers that it publishes.

    Attributes:
        output: file with the command's output.
    """

    def __init__(self, observer, params: Path, output: Path) -> None:
        self.observer, self.output = observer, output
        self._newest = 0
        observer.node.create_subscription(MarkerArray, "markers", self._take, qos.poses())
        command = [sys.executable, str(command_script()), "run", "--params", str(params), "--stride", "10"]
        with output.open("w") as file:
            self.process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
        self.recover()
        self.footprints = {node: Footprint.of(pid) for node, pid in running_nodes().items()}

    def _take(self, message: MarkerArray) -> None:
        refined = [marker for marker in message.markers if marker.points and not marker.ns.startswith("raw/")]
        if refined:
            self._newest = stamp_from_msg(refined[0].header.stamp)

    def recover(self) -> float:
        """Seconds until a person whom the camera sees from now on is shown."""
        now, begin = time.time_ns(), time.monotonic()
        self.observer.wait_for(lambda: self._newest > now)
        return time.monotonic() - begin

    def wait(self, seconds: float) -> None:
        begin = time.monotonic()
        self.observer.wait_for(lambda: time.monotonic() - begin > seconds)

    def wait_for_age(self, seconds: float) -> None:
        """Wait until every process is old enough to be killed."""
        for pid in running_nodes().values():
            started = Path(f"/proc/{pid}").stat().st_mtime
            self.wait(max(0.0, started + seconds - time.time()))


@pytest.fixture(scope="module")
def graph(shared_observer, random_weights, tmp_path_factory) -> Iterator[Graph]:
    parameters = {
        "/**/camera": {"width": 320, "height": 240},
        "/**/uplift": {"model": random_weights["uplift"]},
        "/**/refiner": {"model": random_weights["refiner"], "method": "synsp"},
    }
    folder = tmp_path_factory.mktemp("graph")
    params = folder / "params.yaml"
    params.write_text(json.dumps({node: {"ros__parameters": values} for node, values in parameters.items()}))
    graph = Graph(shared_observer, params, folder / "output.txt")
    yield graph
    graph.process.send_signal(signal.SIGINT)
    try:
        graph.process.wait(120)
    finally:
        graph.process.kill()
    print(graph.output.read_text())  # shown where the test failed
    assert graph.process.returncode == 0
    assert running_nodes() == {}


@pytest.mark.parametrize(
    "node", ["uplift", *(pytest.param(node, marks=pytest.mark.reliability) for node in sorted(NODES - {"uplift"}))]
)
def test_a_killed_node_is_started_again(graph, recovered, node):
    graph.wait_for_age(10.0)
    before = running_nodes()
    os.kill(before[node], signal.SIGKILL)
    recovered(f"{node} killed (SIGKILL) at 50 images a second", graph.recover(), RESPAWN)
    after = running_nodes()
    assert after.keys() == NODES
    assert {name for name in NODES if after[name] != before[name]} == {node}
    assert re.search(rf"\b{node} .*-9 .*started again", graph.output.read_text())


@pytest.mark.parametrize("node", ["pose_estimator", "uplift", "refiner"])
def test_a_node_that_was_frozen_continues(graph, recovered, node):
    pid = running_nodes()[node]
    os.kill(pid, signal.SIGSTOP)
    graph.wait(FREEZE)
    os.kill(pid, signal.SIGCONT)
    recovered(f"{node} frozen (SIGSTOP) for {FREEZE:.0f} s", graph.recover(), AT_ONCE)
    assert running_nodes()[node] == pid


def test_a_starved_graph_recovers(graph, recovered):
    before = running_nodes()
    busy = [sys.executable, "-c", f"import os, time; os.nice({NICENESS}); end = time.time() + {STARVATION}\n"]
    busy[-1] += "while time.time() < end: pass"
    loops = [subprocess.Popen(busy) for _ in range(BUSY_LOOPS)]
    graph.observer.wait_for(lambda: all(loop.poll() is not None for loop in loops))
    recovered(f"CPU starved by {BUSY_LOOPS} busy loops for {STARVATION:.0f} s", graph.recover(), AT_ONCE)
    assert running_nodes() == before


def test_a_late_subscriber_receives_the_joint_set_and_then_skeletons(graph, recovered):
    begin = time.monotonic()
    infos = graph.observer.collect(SkeletonInfo, "skeleton_info", qos.latched())
    skeletons = graph.observer.collect(Skeletons, "skeletons")
    graph.observer.wait_for(lambda: infos and skeletons)
    recovered("a subscriber that joins late", time.monotonic() - begin, AT_ONCE)


def test_after_all_this_no_process_is_larger_and_no_exception_was_logged(graph):
    for node, pid in running_nodes().items():
        before, now = graph.footprints[node], Footprint.of(pid)
        assert now.mebibytes - before.mebibytes < MAX_GROWTH, node
        assert now.files <= before.files + 8, node  # of DDS, for subscribers that came meanwhile
    assert "[ERROR]" not in graph.output.read_text()
