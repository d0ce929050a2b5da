"""Time as stamps count it."""

from collections.abc import Iterable

from uplift_ros.poses import SkeletonFrame

SECOND = 1_000_000_000
"""Nanoseconds."""

MILLISECOND = SECOND // 1000

FRAME = SECOND // 50
"""Nanoseconds from one frame to the next at the rate of the networks."""

TOKENS_PER_SECOND = 25.0
"""Of the network compact."""

START = 1_700_000_000 * SECOND
"""Stamp of the first image, as large as those of real cameras."""


def at(frame: float) -> int:
    """Stamp of a frame."""
    return START + round(frame * FRAME)


def frame_numbers(frames: Iterable[SkeletonFrame]) -> list[int]:
    """Numbers of frames, from that of START."""
    return [(frame.stamp - START) // FRAME for frame in frames]
