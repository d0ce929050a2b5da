"""Child processes: their output is read, and they are stopped by SIGINT before stronger signals."""

import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import IO, cast

LAST_LINES = 12
STOP_TIMEOUTS_S = {signal.SIGINT: 6.0, signal.SIGTERM: 3.0, signal.SIGKILL: 3.0}
"""Seconds to wait after each signal before the next, stronger one."""


class Process:
    """Python script as a child process in its own session, so that Ctrl-C reaches it only through `stop`.

    Args:
        name: process name, used in messages.
        command: script and arguments.
        environment: environment variables of the process.
        on_line: called with the name and every output line, from another thread.
    """

    def __init__(
        self, name: str, command: Sequence[str], environment: Mapping[str, str], on_line: Callable[[str, str], None]
    ) -> None:
        self.name = name
        self._started = time.monotonic()
        self._lines: deque[str] = deque(maxlen=LAST_LINES)
        self._on_line = on_line
        self._process = subprocess.Popen(  # noqa: S603 (our own scripts)
            [sys.executable, *command],
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, name=f"read {name}", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def age(self) -> float:
        """Seconds since the process was started."""
        return time.monotonic() - self._started

    @property
    def exit_code(self) -> int | None:
        """Exit code; None while the process runs."""
        return self._process.poll()

    @property
    def last_lines(self) -> str:
        """Last lines of output; complete once the process has ended."""
        if self.exit_code is not None:
            self._reader.join(timeout=1.0)
        return "\n".join(self._lines)

    def _read(self) -> None:
        for line in cast(IO[str], self._process.stdout):
            self._lines.append(line.rstrip())
            self._on_line(self.name, line.rstrip())

    def send(self, interruption: signal.Signals) -> None:
        if self.exit_code is None:
            self._process.send_signal(interruption)


def stop(processes: Sequence[Process]) -> list[Process]:
    """End all processes: SIGINT, then SIGTERM, then SIGKILL, waiting in between.

    Returns:
        The processes that did not end with exit code 0 after SIGINT.
    """
    unclean = []
    for interruption, patience in STOP_TIMEOUTS_S.items():
        running = [process for process in processes if process.exit_code is None]
        for process in running:
            process.send(interruption)
        deadline = time.monotonic() + patience
        while any(process.exit_code is None for process in running) and time.monotonic() < deadline:
            time.sleep(0.02)
        unclean += [process for process in running if process.exit_code != 0 and process not in unclean]
    return unclean
