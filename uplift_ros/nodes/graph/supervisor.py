"""Starts the whole graph without launch_ros, one process per node, restarts nodes that die, and stops the graph."""

import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from lifecycle_msgs.msg import Transition
from rich.console import Console
from rich.live import Live
from rich.table import Table

from uplift_ros.bags.topics import GRAPH_TOPICS
from uplift_ros.nodes.graph.child_process import Process, stop
from uplift_ros.nodes.graph.monitor import Monitor
from uplift_ros.nodes.graph.usage import Usage
from uplift_ros.parameters import Value, yaml_value
from uplift_ros.paths import command_script, node_script, share_folder
from uplift_ros.streaming.stride import Reason

PROCESSING_NODES = ("pose_estimator", "uplift", "refiner", "visualizer")
EDGES = (
    ("pose_estimator", "image_raw"),
    ("uplift", "camera_info"),
    ("uplift", "keyframes"),
    ("refiner", "skeletons/raw"),
    ("visualizer", "skeletons"),
)
"""(node, topic) subscriptions that must exist before the camera may start."""

RECORDER = "recorder"
START_TIMEOUT_S = 90.0
"""Seconds for all nodes to load their networks and discover each other; most of it is for a cold disk."""

MIN_LIFE_S = 10.0
"""Seconds that a node must have run to be restarted when it dies; one that dies sooner would die again."""

POLL_S = 0.1
LOGGED_LEVELS = ("[WARN]", "[ERROR]", "[FATAL]")


class RunError(Exception):
    """Error that ends the run; the message is for the user."""


class Interrupted(Exception):  # noqa: N818 (no error: requested by the user)
    """Ctrl-C or SIGTERM."""


class Supervisor:
    """Supervisor of the node processes: starts, monitors, restarts and stops them.

    Args:
        console: for the live table and messages.
        environment: variables of the processes.
    """

    def __init__(self, console: Console, environment: Mapping[str, str]) -> None:
        self._console, self._environment = console, environment
        self._monitor = Monitor()
        self.usage = Usage()
        """CPU time and memory of all processes while the camera runs."""
        self._processes: dict[str, Process] = {}
        self._commands: dict[str, list[str]] = {}
        self._interrupted = threading.Event()
        self._handlers = {
            interruption: signal.signal(interruption, lambda *_: self._interrupted.set())
            for interruption in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        }

    def run(self, parameters: dict[str, dict[str, Value]], params_file: Path | None, bag: Path | None) -> bool:
        """Run the graph from start to end.

        Returns:
            Whether there are results; False if the run was interrupted before the first skeletons.

        Raises:
            RunError: a node could not start, or died soon after; or the recorder died.
        """
        try:
            self._start(parameters, params_file, bag)
            with Live(get_renderable=self._table, console=self._console, refresh_per_second=4):
                self._wait(self._camera_finished, meanwhile=self._sample_usage)
                self._wait(lambda: self._monitor.is_drained)
            self._console.line()
        except Interrupted:
            self._stop()
            return self._monitor.skeletons > 0
        if unclean := self._stop():
            raise RunError("\n".join(_exit_report(process) for process in unclean))
        return True

    def _camera_finished(self) -> bool:
        return self._processes["camera"].exit_code == 0

    def _sample_usage(self) -> None:
        running = {name: process.pid for name, process in self._processes.items() if process.exit_code is None}
        self.usage.sample(running)

    def close(self) -> None:
        """Stop all processes and restore the signal handlers, however the run ended."""
        self._stop()
        self._monitor.close()
        for interruption, handler in self._handlers.items():
            signal.signal(interruption, handler)

    def _stop(self) -> list[Process]:
        """Stop all processes in the order of the data flow, so that a node's last messages still reach the next node.

        Returns:
            The processes that did not end cleanly.
        """
        order = ("camera", *PROCESSING_NODES, RECORDER)
        return [unclean for name in order if name in self._processes for unclean in stop([self._processes[name]])]

    def _start(self, parameters: dict[str, dict[str, Value]], params_file: Path | None, bag: Path | None) -> None:
        if bag:
            recorder = [str(command_script()), "record", str(bag), "--topics", *GRAPH_TOPICS]
            self._spawn(RECORDER, recorder)
        files = [share_folder() / "config" / "uplift.yaml", *([params_file] if params_file else [])]
        for node in (*PROCESSING_NODES, "camera"):
            arguments = [str(node_script(node)), "--ros-args"]
            for file in files:
                arguments += ["--params-file", str(file)]
            for name, value in parameters.get(node, {}).items():
                arguments += ["-p", f"{name}:={yaml_value(value)}"]
            self._spawn(node, arguments, ["-p", "autostart:=false"] if node == "camera" else [])
        with self._console.status("starting the nodes"):
            self._wait(lambda: self._monitor.state("camera") == "unconfigured", "the camera to start")
            self._change_camera(Transition.TRANSITION_CONFIGURE, "inactive")
            self._wait(self._all_active, "all nodes to become active")
            self._wait(lambda: self._all_connected(bag is not None), "all nodes to find each other")
            self._change_camera(Transition.TRANSITION_ACTIVATE, "active")

    def _spawn(self, name: str, command: list[str], at_first: Sequence[str] = ()) -> None:
        """Start a process; `at_first` are arguments of the first start only, not of a restart."""
        self._commands[name] = command
        self._processes[name] = Process(name, [*command, *at_first], self._environment, self._show_line)

    def _replace(self, died: Process) -> None:
        if died.name == RECORDER or died.age < MIN_LIFE_S:
            raise RunError(_exit_report(died))
        message = f"{died.name} ended with exit code {died.exit_code} and is started again"
        self._console.print(message, style="yellow", highlight=False)
        self._spawn(died.name, self._commands[died.name])

    def _show_line(self, process: str, line: str) -> None:
        if any(level in line for level in LOGGED_LEVELS):
            self._console.print(f"{process}: {line}", style="yellow", markup=False, highlight=False, soft_wrap=True)

    def _change_camera(self, transition: int, state: str) -> None:
        """Change the camera's state. A response can get lost just after discovery, so diagnostics count as well."""
        with self._monitor.change_state("camera", transition) as succeeded:
            self._wait(
                lambda: succeeded() is not None or self._monitor.state("camera") == state,
                f"the camera to become {state}",
            )
            if succeeded() is False:
                raise RunError(_exit_report(self._processes["camera"]))

    def _all_active(self) -> bool:
        return all(self._monitor.state(node) == "active" for node in PROCESSING_NODES)

    def _all_connected(self, recording: bool) -> bool:
        edges = list(EDGES)
        if recording:
            edges += [(RECORDER, topic) for topic in GRAPH_TOPICS if self._monitor.publishes(topic)]
        return all(self._monitor.subscribes(node, topic) for node, topic in edges) and all(
            self._monitor.connected(node) for node in ("camera", *PROCESSING_NODES)
        )

    def _wait(
        self, condition: Callable[[], bool], what: str = "", meanwhile: Callable[[], None] = lambda: None
    ) -> None:
        """Wait for a condition: without limit, or, if `what` is given, START_TIMEOUT_S at most."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while not condition():
            self._monitor.spin(POLL_S)
            meanwhile()
            if self._interrupted.is_set():
                raise Interrupted
            for process in list(self._processes.values()):
                if process.exit_code is not None and not (process.name == "camera" and process.exit_code == 0):
                    if what:
                        raise RunError(_exit_report(process))
                    self._replace(process)
            if what and time.monotonic() > deadline:
                raise RunError(f"timed out after {START_TIMEOUT_S:.0f} s while waiting for {what}")

    def _table(self) -> Table:
        table = Table(
            "camera\nHz", "key\nHz", "out\nHz", "stride", "m/s", "2D\nms", "3D\nms", "refine\nms", "age\nms", "lost"
        )
        if state := self._monitor.rate_state:
            rates = (state.camera_hz, state.keyframe_hz, state.output_hz)
            times = (state.estimate_ms, state.uplift_ms, state.refine_ms, state.age_ms)
            table.add_row(
                *(f"{rate:.1f}" for rate in rates),
                f"{state.stride} {Reason(state.reason).name.lower()}",
                f"{state.velocity:.2f}",
                *(f"{milliseconds:.1f}" for milliseconds in times),
                str(state.dropped),
            )
        return table


def _exit_report(process: Process) -> str:
    ended = "cannot start" if process.exit_code is None else f"ended with exit code {process.exit_code}"
    return f"{process.name} {ended}; its last output:\n{process.last_lines}"
