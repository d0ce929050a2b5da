"""Even pace: a key-frame brings many frames at once, a playout gives them out one by one."""

from collections import deque
from collections.abc import Sequence

from uplift_ros.poses import SkeletonFrame

MEMORY_PERIODS = 250
"""Periods, 5 s at 50 Hz, in which the frames that always waited tell that the delay is too long."""

SPARE_FRAMES = 2
"""Frames that may always wait: key-frames do not come quite evenly."""


class Playout:
    """Holds frames and gives one per period.

    Where none is left, there is a pause, and from then on frames wait that much longer: the delay finds the longest
    distance between key-frames by itself. When more than SPARE_FRAMES have waited through the whole memory, because
    the stride shrank, the delay is made up for at double pace.
    """

    def __init__(self) -> None:
        self._waiting: deque[SkeletonFrame] = deque()
        self._levels: deque[int] = deque(maxlen=MEMORY_PERIODS)

    def push(self, frames: Sequence[SkeletonFrame]) -> None:
        """Take frames that arrived together, in order of time."""
        self._waiting.extend(frames)

    def take(self) -> list[SkeletonFrame]:
        """The frames of one period: one, none where none is left, two where too many wait."""
        self._levels.append(len(self._waiting))
        too_many = len(self._levels) == MEMORY_PERIODS and min(self._levels) > SPARE_FRAMES
        if too_many:  # the memory is of the shorter delay from now on
            self._levels = deque((level - 1 for level in self._levels), MEMORY_PERIODS)
        return [self._waiting.popleft() for _ in range(min(1 + too_many, len(self._waiting)))]

    def flush(self) -> list[SkeletonFrame]:
        """All frames that wait."""
        waiting = list(self._waiting)
        self._waiting.clear()
        self._levels.clear()
        return waiting
