"""A node's health in diagnostics: counters, rates, time per frame, and its last problem."""

import contextlib
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

PROBLEM_MEMORY_S = 5.0
"""Seconds for which a problem sets the level, and minimum time between two log lines of the same kind."""

INPUT_TIMEOUT_S = 2.5
"""Seconds without an expected input after which it is missing; key-frames may be 2 s apart."""

TIMED_BLOCKS = 50

SUBSCRIBERS = "subscribers of "
"""Prefix of the key, followed by the topic, of the number of subscriptions that a publisher has matched."""


class Health:
    """Collects counters, rates and problems, also from other threads, and makes a DiagnosticStatus of them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.last_error = ""
        self.age_ms: float | None = None
        """Age of what the node published last; None if it published nothing that has one."""
        self._counters: Counter[str] = Counter()
        self._events: Counter[str] = Counter()
        self._since = time.monotonic()
        self._arrived_at: dict[str, float] = {}
        self._milliseconds: deque[float] = deque(maxlen=TIMED_BLOCKS)
        self._level = DiagnosticStatus.OK
        self._problem_at = -PROBLEM_MEMORY_S
        self._logged_at: dict[str, float] = {}

    def count(self, name: str, amount: int = 1) -> None:
        """Add to a counter that is shown."""
        with self._lock:
            self._counters[name] += amount

    def tick(self, name: str) -> None:
        """Count an event whose rate per second is shown."""
        with self._lock:
            self._events[name] += 1

    def arrived(self, name: str) -> None:
        """Note that an expected input has arrived, or is expected from now on."""
        self._arrived_at[name] = time.monotonic()

    def expect_nothing(self) -> None:
        """Expect no input from now on, and no output."""
        self._arrived_at.clear()
        self.age_ms = None

    @contextlib.contextmanager
    def timed(self, frames: int = 1) -> Iterator[None]:
        """Time the work on a number of frames; the mean per frame is shown as processing_ms."""
        start = time.perf_counter()
        yield
        self._milliseconds.append((time.perf_counter() - start) * 1e3 / frames)

    @property
    def processing_ms(self) -> float:
        """Milliseconds per frame, mean of the last 50 `timed` blocks; 0 before the first."""
        return sum(self._milliseconds) / len(self._milliseconds) if self._milliseconds else 0.0

    def problem(self, kind: str, message: str, error: bool) -> bool:
        """Note a problem; returns whether to log it: each kind at most once per PROBLEM_MEMORY_S seconds."""
        now = time.monotonic()
        self.count(kind)
        self.last_error = message
        self._level = DiagnosticStatus.ERROR if error else DiagnosticStatus.WARN
        self._problem_at = now
        if now - self._logged_at.get(kind, -PROBLEM_MEMORY_S) < PROBLEM_MEMORY_S:
            return False
        self._logged_at[kind] = now
        return True

    def status(
        self, name: str, state: str, more: Mapping[str, object], diagnostic_warnings: Sequence[str] = ()
    ) -> DiagnosticStatus:
        """Current status; rates are averages since the last call."""
        now = time.monotonic()
        with self._lock:
            counters, events = dict(self._counters), dict(self._events)
            self._events = Counter(dict.fromkeys(events, 0))
        rates = {event: f"{count / (now - self._since):.1f}" for event, count in events.items()}
        self._since = now
        missing = [
            f"no {what} for {now - at:.0f} s" for what, at in self._arrived_at.items() if now - at > INPUT_TIMEOUT_S
        ]
        troubles = [*missing, *diagnostic_warnings]
        level = DiagnosticStatus.WARN if troubles else DiagnosticStatus.OK
        if now - self._problem_at < PROBLEM_MEMORY_S:
            troubles.insert(0, self.last_error)
            level = max(level, self._level)
        values = {
            "state": state,
            "processing_ms": f"{self.processing_ms:.2f}",
            **rates,
            **counters,
            **({} if self.age_ms is None else {"age_ms": f"{self.age_ms:.0f}"}),
            **more,
            "last_error": self.last_error,
        }
        return DiagnosticStatus(
            level=level,
            name=name,
            message="; ".join(troubles) or state,
            values=[KeyValue(key=key, value=str(value)) for key, value in values.items()],
        )
