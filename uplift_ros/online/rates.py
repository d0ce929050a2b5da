"""Rates by stamps: what a recording shows, however fast it is replayed."""

from collections import deque

NANOSECONDS = 1_000_000_000
PERIOD = 2 * NANOSECONDS
"""Rates are means over this time."""


class StampRate:
    """Events per second, by their stamps."""

    def __init__(self) -> None:
        self._stamps: deque[int] = deque()

    def add(self, stamp: int) -> None:
        """Count an event at `stamp`, nanoseconds; a step back in time starts anew."""
        if self._stamps and stamp < self._stamps[-1]:
            self._stamps.clear()
        self._stamps.append(stamp)
        while stamp - self._stamps[0] > PERIOD:
            self._stamps.popleft()

    @property
    def per_second(self) -> float:
        if len(self._stamps) < 2 or self._stamps[-1] == self._stamps[0]:
            return 0.0
        return (len(self._stamps) - 1) * NANOSECONDS / (self._stamps[-1] - self._stamps[0])
