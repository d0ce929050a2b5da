"""Sliding-window averaging (SWAA): every frame is the mean of its predictions by all windows that cover it.

Source: SynSP, CVPR 2024. With o_i the window over frames i..i+T-1 of N frames,

    y_t = 1/n_t sum_i o_i[t - i],   i from max(0, t-T+1) to min(t, N-T),   n_t = min(t+1, T, N-t, N-T+1).

The paper averages offline. Online, after a delay of d frames, frame t is the mean over the windows that end at t..t+d:
the same average of windows cut to their last d + 1 frames. The full average needs d = T - 1.
"""

import numpy as np


def sliding_windows(frames: np.ndarray, length: int) -> np.ndarray:
    """All windows of one sequence, one frame apart.

    Args:
        frames: (N, ...), N at least 1. Fewer than `length` frames are preceded by copies of the first.
        length: T, frames in a window.

    Returns:
        (max(N, T) - T + 1, T, ...).
    """
    if len(frames) == 0:
        raise ValueError("frames must not be empty")
    frames = pad_front(frames, max(0, length - len(frames)))
    return np.moveaxis(np.lib.stride_tricks.sliding_window_view(frames, length, axis=0), -1, 1)


def pad_front(frames: np.ndarray, count: int) -> np.ndarray:
    """(N, ...) to (count + N, ...): `count` copies of the first frame before it."""
    return np.concatenate([np.repeat(frames[:1], count, axis=0), frames])


def average_windows(windows: np.ndarray) -> np.ndarray:
    """SWAA of one sequence at once, without a loop over windows or frames.

    Every T-th window follows the one before without overlap: concatenated they are one contiguous block of the
    sequence. The sum is that of T such blocks, each added where its first window starts. This reads every number once,
    in long rows; a view of the diagonals, or a convolution, would read it in rows of one pose.

    Args:
        windows: (W, T, ...) of floats, W at least 1; window i starts at frame i.

    Returns:
        (W + T - 1, ...) of the same precision. Frames at both ends are the mean of fewer windows.
    """
    count, length = windows.shape[:2]
    frames = np.ascontiguousarray(windows).reshape(count, -1)
    sums = np.zeros((count + length - 1, frames.shape[1] // length), windows.dtype)
    for first in range(min(length, count)):
        block = frames[first::length]
        sums[first : first + len(block) * length].reshape(block.shape)[:] += block
    t = np.arange(len(sums))
    covering = np.minimum(np.minimum(t + 1, t[::-1] + 1), min(length, count))
    sums /= covering.astype(sums.dtype)[:, None]
    return sums.reshape(-1, *windows.shape[2:])


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
