"""Sliding-window averaging (SWAA, streaming/swaa.py) of whole sequences."""

import numpy as np


def sliding_windows(frames: np.ndarray, length: int) -> np.ndarray:
    """All windows of one sequence, one frame apart.

    Args:
        frames: (N, ...), N at least 1. Fewer than `length` frames are preceded by copies of the first.
        length: T, frames in a window.

    Returns:
        (max(N, T) - T + 1, T, ...).

    Raises:
        ValueError: no frames.
    """
    if len(frames) == 0:
        raise ValueError(f"frames must be at least 1, got shape {frames.shape}")
    frames = pad_front(frames, max(0, length - len(frames)))
    return np.moveaxis(np.lib.stride_tricks.sliding_window_view(frames, length, axis=0), -1, 1)


def pad_front(frames: np.ndarray, count: int) -> np.ndarray:
    """(N, ...) to (count + N, ...): `count` copies of the first frame before it."""
    return np.concatenate([np.repeat(frames[:1], count, axis=0), frames])


def average_windows(windows: np.ndarray) -> np.ndarray:
    """Average the windows of one sequence (SWAA) without a loop over windows or frames.

    Every T-th window begins at the end of the one before; concatenated, these windows are one contiguous block of the
    sequence. The sum is that of T such blocks, each added at the frame at which its first window starts. This reads
    every number once, in long rows; a view of the diagonals, or a convolution, would read it in rows of one pose.

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
