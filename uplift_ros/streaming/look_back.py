"""Look back: which older images should become key-frames too, because people moved much between two key-frames.

An interval between key-frames is halved at its middle, and each half again, like the intervals of an adaptive
quadrature: what the middle changes in the pose that was upsampled there shows how much its halves may hide.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from uplift_ros.streaming.track import Motion

MOVED = 0.024
"""Mean speed of the joints, relative to the pelvis, times the squared length of an interval that is halved, in metre
seconds: the error of upsampling grows with the square of the length. 0.15 m/s at a stride of 20, 0.6 m/s at 10."""

SURPRISE = 0.05
"""Mean change, metres, of the upsampled joints that a key-frame in the middle causes; above it both halves are halved
again."""

ONSET, QUIET_TOKENS = 0.3, 10
"""Metres per second above which an interval is the onset of fast motion, if the QUIET_TOKENS before it were slower."""


class LookBackRule:
    """Rule that halves intervals between key-frames. Tuned on validation data (`uplift study adaptive`).

    Args:
        shortest: tokens, the shortest interval that halving may leave.
        tokens_per_second: of the network.
    """

    def __init__(self, shortest: int, tokens_per_second: float) -> None:
        self._shortest, self._tokens_per_second = shortest, tokens_per_second

    def middle(self, left: int, right: int, motions: Sequence[tuple[Motion, Motion | None]]) -> int | None:
        """Token of the image that is wanted between the key-frames at two tokens; None if none is.

        Args:
            motions: of each person, from the newest forward pass and from the one before.
        """
        if (right - left) // 2 < self._shortest:
            return None
        wanted = any(self._hides_motion(left, right, motion, before) for motion, before in motions)
        return (left + right) // 2 if wanted else None

    def _hides_motion(self, left: int, right: int, motion: Motion, before: Motion | None) -> bool:
        if motion.first > left or motion.last < right:
            return False
        first, end = left - motion.first + 1, right - motion.first + 1
        speed = float(motion.velocity[first:end].mean())
        # 1. Is the motion fast for the length of the interval?
        if speed * ((right - left) / self._tokens_per_second) ** 2 > MOVED:
            return True
        # 2. Did the key-frame that ended here reveal an error of upsampling, which both halves share?
        if before and max(_surprise(token, motion, before) for token in (left, right)) > SURPRISE:
            return True
        # 3. Does fast motion begin here?
        quiet = float(motion.velocity[max(first - QUIET_TOKENS, 0) : first].mean())
        return speed > max(ONSET, quiet)


def _surprise(token: int, motion: Motion, before: Motion) -> float:
    """Mean distance of the joints from those that were upsampled at a token; 0 if it is no new key-frame."""
    if token in before.observed or token not in motion.observed or not before.covers(token):
        return 0.0
    moved = motion.joints[token - motion.first] - before.joints[token - before.first]
    return float(np.linalg.norm(moved, axis=-1).mean())


@dataclass
class _Interval:
    asked: set[int] = field(default_factory=set)
    filled: list[int] = field(default_factory=list)
    deadline: int | None = None


class OpenRequests:
    """Tokens of older images that were requested and have not arrived, by interval between scheduled key-frames.

    Args:
        patience: tokens after the next scheduled key-frame until an interval no longer waits.
    """

    def __init__(self, patience: int) -> None:
        self._patience = patience
        self._intervals: dict[int, _Interval] = {}

    @property
    def held(self) -> int | None:
        """Token at the begin of the oldest interval that waits; None if none does."""
        return min(self._intervals, default=None)

    def ask(self, begin: int, tokens: set[int]) -> None:
        """Wait for images of the interval that begins at a token, until its deadline; no tokens end the wait."""
        if tokens:
            self._intervals.setdefault(begin, _Interval()).asked = tokens
        else:
            self._intervals.pop(begin, None)

    def answer(self, token: int) -> int | None:
        """Note an image, which need not lie at the token that was requested; return the begin of its interval."""
        nearest = min(
            ((abs(asked - token), asked, begin) for begin, each in self._intervals.items() for asked in each.asked),
            default=None,
        )
        if nearest is None or nearest[0] > 1:
            return None
        _, asked, begin = nearest
        self._intervals[begin].asked.remove(asked)
        return begin

    def fill(self, begin: int, token: int) -> None:
        """Note a new key-frame in an interval."""
        self._intervals[begin].filled.append(token)

    def complete(self, begin: int) -> list[int] | None:
        """Return the new key-frames of an interval, or None while images are missing; `ask` then ends or extends it."""
        interval = self._intervals[begin]
        if interval.asked:
            return None
        filled, interval.filled = sorted(interval.filled), []
        return filled

    def expire(self, newest: int) -> int:
        """End the wait of intervals whose time is over at a scheduled key-frame; return how many images are missing."""
        for interval in self._intervals.values():
            interval.deadline = newest + self._patience if interval.deadline is None else interval.deadline
        late = [begin for begin, interval in self._intervals.items() if newest >= (interval.deadline or 0)]
        return sum(len(self._intervals.pop(begin).asked) for begin in late)

    def clear(self) -> int:
        """End every wait; return how many images are missing."""
        missing = sum(len(interval.asked) for interval in self._intervals.values())
        self._intervals.clear()
        return missing
