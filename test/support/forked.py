"""Node processes forked from one that has imported all modules: they start in a tenth of the time of a script."""

import multiprocessing
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path

from uplift_ros.parameters import TABLES

MODULES = {node: f"uplift_ros.nodes.{node}_node" for node in TABLES}
"""Where each node's `main` is."""

FORKSERVER = multiprocessing.get_context("forkserver")
FORKSERVER.set_forkserver_preload([*MODULES.values(), "uplift_ros.msg"])


class ForkedNode:
    """A node's process; like `Process`, which runs a script.

    Args:
        name: of the node.
        arguments: of the command line, without the script.
        environment: of the process.
        output: file for its output.
    """

    def __init__(self, name: str, arguments: Sequence[str], environment: Mapping[str, str], output: Path) -> None:
        self.name, self._output = name, output
        output.touch()
        self._process = FORKSERVER.Process(
            target=_run, args=(name, list(arguments), dict(environment), str(output)), name=name
        )
        self._process.start()

    @property
    def pid(self) -> int:
        return self._process.pid or 0

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.exitcode

    @property
    def lines(self) -> list[str]:
        """All output so far."""
        return self._output.read_text(errors="replace").splitlines()

    @property
    def last_lines(self) -> str:
        return "\n".join(self.lines[-12:])

    def send(self, interruption: signal.Signals) -> None:
        if self.exit_code is None:
            os.kill(self.pid, interruption)


def _run(node: str, arguments: list[str], environment: dict[str, str], output: str) -> None:
    os.setsid()
    file = os.open(output, os.O_WRONLY | os.O_APPEND)
    os.dup2(file, sys.__stdout__.fileno())
    os.dup2(file, sys.__stderr__.fileno())
    os.environ.update(environment)
    sys.argv = [node, *arguments]
    sys.exit(import_module(MODULES[node]).main())
