"""Sliding-window averaging (SWAA): every frame is the mean of its predictions by all windows that cover it.

Source: SynSP, CVPR 2024. With o_i the window over frames i..i+T-1 of N frames,

    y_t = 1/n_t sum_i o_i[t - i],   i from max(0, t-T+1) to min(t, N-T),   n_t = min(t+1, T, N-t, N-T+1).

The paper averages offline (lab/whole_sequence.py). Online, after a delay of d frames, frame t is the mean over the
windows that end at t..t+d: the same average of windows cut to their last d + 1 frames. The full average needs
d = T - 1.
"""

import numpy as np


class StreamingAverage:
    """SWAA of windows that arrive one per frame, each ending at the newest frame; a `Smoother`.

    Args:
        delay: d, frames between a frame and its result; below the length of a window. Raising it smooths more.
    """

    def __init__(self, delay: int) -> None:
        if delay < 0:
            raise ValueError(f"delay must be at least 0 frames, got {delay}")
        self.delay = delay
        self._sums: np.ndarray | None = None  # (d + 1, ...) of the newest frames, oldest first
        self._seen = 0

    def push(self, window: np.ndarray, stamp: int | None = None) -> list[np.ndarray]:
        """Take the window (T, ...) that ends at the newest frame; return the frame `delay` before it, if any.

        Args:
            stamp: unused, part of the `Smoother` interface: windows are one frame apart.
        """
        if len(window) <= self.delay:
            raise ValueError(f"a delay of {self.delay} frames needs longer windows, got {len(window)} frames")
        recent = window[len(window) - 1 - self.delay :]
        if self._sums is None:
            self._sums = np.zeros_like(recent)
        self._sums[:-1] = self._sums[1:]
        self._sums[-1] = 0.0
        self._sums += recent
        self._seen += 1
        return [self._sums[0] / (self.delay + 1)] if self._seen > self.delay else []

    def flush(self) -> list[np.ndarray]:
        """Return the remaining frames, oldest first; those near the end are the mean of fewer windows."""
        if self._sums is None:
            return []
        waiting = range(min(self.delay, self._seen), 0, -1)
        return [self._sums[-n] / n for n in waiting]
