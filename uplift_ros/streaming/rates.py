"""Rates by stamps: what a recording shows, however fast it is replayed."""

from collections import deque
from dataclasses import dataclass

from uplift_ros.poses import NANOSECONDS
from uplift_ros.streaming.stride import Reason

PERIOD_NS = 2 * NANOSECONDS
"""Rates are means over this time, or over the last two events where these are farther apart."""

ENOUGH = 0.8
"""Share of the asked rate from which on it counts as reached: images come at a rate of their own."""


@dataclass(frozen=True)
class Rates:
    """The state of a chain at a key-frame; the message RateState has the same fields.

    Attributes:
        stamp, frame_id: of the key-frame.
        stride, reason: from here on, and why.
        velocity: m/s, of the fastest person.
        camera_hz, keyframe_hz, output_hz: of images, key-frames and raw skeletons.
        estimate_ms, uplift_ms, refine_ms: what a frame takes in each stage.
        age_ms: of the newest raw skeletons when they left.
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
        """Count an event at `stamp`, nanoseconds; a step back in time starts anew."""
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
    """Whether events come as often as asked, judged over the last two seconds that the same rate was asked."""

    def __init__(self) -> None:
        self.asked = 0.0
        self._rate = StampRate()
        self._since = self._last = 0

    def add(self, stamp: int, asked: float) -> None:
        """Count an event at `stamp`, nanoseconds, while `asked` events per second are wanted."""
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
        settled = self._last - self._since >= PERIOD_NS
        return settled and 0 < self.reached < ENOUGH * self.asked
