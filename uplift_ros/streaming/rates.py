"""Rates measured by stamps, independent of how fast a recording is replayed."""

from collections import deque
from dataclasses import dataclass

from uplift_ros.poses import NANOSECONDS
from uplift_ros.streaming.stride import Reason

PERIOD_NS = 2 * NANOSECONDS
"""Rates are means over this time, or over the last two events if these are farther apart."""

ENOUGH = 0.8
"""Fraction of the requested rate that counts as reached: images have a rate of their own."""


@dataclass(frozen=True)
class Rates:
    """State of the pipeline at a key-frame; the message RateState has the same fields.

    Attributes:
        stamp, frame_id: of the key-frame.
        stride, reason: from this key-frame on, and why.
        velocity: m/s, of the fastest person.
        camera_hz, keyframe_hz, output_hz: of images, key-frames and raw skeletons.
        estimate_ms, uplift_ms, refine_ms: processing time of a frame in each stage.
        age_ms: of the newest raw skeletons when they were published.
        dropped: key-frames that were lost or had to wait.
    """

    stamp: int
    frame_id: str
    stride: int
    reason: Reason
    velocity: float
    keyframe_hz: float
    output_hz: float
    dropped: int
    camera_hz: float = 0.0
    estimate_ms: float = 0.0
    uplift_ms: float = 0.0
    refine_ms: float = 0.0
    age_ms: float = 0.0


class StampRate:
    """Events per second, by their stamps."""

    def __init__(self) -> None:
        self._stamps: deque[int] = deque()

    def add(self, stamp: int) -> None:
        """Count an event at `stamp`, nanoseconds; a step back in time starts again."""
        if self._stamps and stamp < self._stamps[-1]:
            self._stamps.clear()
        self._stamps.append(stamp)
        while len(self._stamps) > 2 and stamp - self._stamps[0] > PERIOD_NS:
            self._stamps.popleft()

    @property
    def per_second(self) -> float:
        if len(self._stamps) < 2 or self._stamps[-1] == self._stamps[0]:
            return 0.0
        return (len(self._stamps) - 1) * NANOSECONDS / (self._stamps[-1] - self._stamps[0])


class AskedRate:
    """Comparison of the rate of events with the requested one, over the last two seconds of an unchanged request."""

    def __init__(self) -> None:
        self.asked = 0.0
        self._rate = StampRate()
        self._since = self._last = 0

    def add(self, stamp: int, asked: float) -> None:
        """Count an event at `stamp`, nanoseconds, while `asked` events per second are requested."""
        if asked != self.asked or stamp < self._last:
            self.asked, self._since, self._rate = asked, stamp, StampRate()
        self._last = stamp
        self._rate.add(stamp)

    @property
    def reached(self) -> float:
        """Events per second."""
        return self._rate.per_second

    @property
    def falls_short(self) -> bool:
        measured = self._last - self._since >= PERIOD_NS
        return measured and 0 < self.reached < ENOUGH * self.asked
