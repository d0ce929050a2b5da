"""Playout buffer: a key-frame brings many frames at once; they are released one by one at an even rate."""

from collections import deque
from collections.abc import Sequence

from uplift_ros.poses import SkeletonFrame

MEMORY_PERIODS = 250
"""If the buffer has not run low for this many periods (5 s at 50 Hz), the delay is reduced."""

SPARE_FRAMES = 2
"""Frames that may always wait in the buffer: key-frames have jitter."""


class Playout:
    """Buffer that holds frames and releases one per period.

    When the buffer runs empty, the output pauses, and later frames wait that much longer: the delay adapts to the
    longest distance between key-frames. If more than SPARE_FRAMES have waited for all of MEMORY_PERIODS, because the
    stride shrank, two frames are released per period until the delay fits again.
    """

    def __init__(self) -> None:
        self._waiting: deque[SkeletonFrame] = deque()
        self._levels: deque[int] = deque(maxlen=MEMORY_PERIODS)

    def push(self, frames: Sequence[SkeletonFrame]) -> None:
        """Take frames that arrived together, in order of time."""
        self._waiting.extend(frames)

    def take(self) -> list[SkeletonFrame]:
        """Release the frames of one period: one, none if the buffer is empty, two if too many wait.

        All that do not fit into MEMORY_PERIODS leave at once: stamps may run faster than the clock that calls.
        """
        self._levels.append(len(self._waiting))
        too_many = len(self._levels) == MEMORY_PERIODS and min(self._levels) > SPARE_FRAMES
        if too_many:  # levels as they would have been with the shorter delay
            self._levels = deque((level - 1 for level in self._levels), MEMORY_PERIODS)
        count = max(1 + too_many, len(self._waiting) - MEMORY_PERIODS)
        return [self._waiting.popleft() for _ in range(min(count, len(self._waiting)))]

    def flush(self) -> list[SkeletonFrame]:
        """Release all frames that wait."""
        waiting = list(self._waiting)
        self._waiting.clear()
        self._levels.clear()
        return waiting
