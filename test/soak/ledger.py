"""Check of the counts of every stage: its input, its output and its known losses, by stamps alone.

Everything is in order of arrival. Nothing here needs ROS.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from support.clocks import FRAME, SECOND

from uplift_ros.models.configs import compact
from uplift_ros.streaming.clock import MAX_DISORDER_NS

CONFIG = compact()
TOKEN = FRAME * CONFIG.token_stride
WINDOW = FRAME * CONFIG.frames
IN_HAND = 1.0
"""Maximum seconds between a node's input and its output."""


@dataclass(frozen=True)
class Entry:
    """Message that was received.

    Attributes:
        stamp: nanoseconds, its own.
        at: seconds, time of arrival.
        stride: of a key-frame, frames to the next one.
    """

    stamp: int
    at: float
    stride: int = 0


@dataclass(frozen=True)
class Death:
    """A process was killed at `begin` and its successor was connected at `end`, both seconds."""

    begin: float
    end: float

    def covers(self, at: float) -> bool:
        """Whether a message of that time may be lost with it: the node had taken it, or no process took it."""
        return self.begin - IN_HAND <= at <= self.end


@dataclass(frozen=True)
class Balance:
    """One line of the ledger.

    Attributes:
        what: description.
        expected: number of expected messages.
        came: how many of them arrived.
        counted: how many a node reports as lost or refused.
        died: how many were lost with a process that was killed.
        strange: how many have no input. Messages that a process sent before it was killed do not count: they may have
            reached the next node, but not the ledger.
    """

    what: str
    expected: int
    came: int
    counted: int = 0
    died: int = 0
    strange: int = 0

    @property
    def unexplained(self) -> int:
        return self.expected - self.came - self.counted - self.died

    @property
    def is_kept(self) -> bool:
        return self.unexplained == self.strange == 0


@dataclass
class Ledger:
    """Collects a run.

    Attributes:
        images: published by the camera.
        keyframes, states, raw, refined: results; a state is the uplifter's answer to a scheduled key-frame.
        older: key-frames of older images, which were requested.
        deaths: of nodes, by name.
        counted: counts in diagnostics, by node and counter.
    """

    images: list[Entry] = field(default_factory=list)
    keyframes: list[Entry] = field(default_factory=list)
    older: list[Entry] = field(default_factory=list)
    states: list[Entry] = field(default_factory=list)
    raw: list[Entry] = field(default_factory=list)
    refined: list[Entry] = field(default_factory=list)
    deaths: dict[str, list[Death]] = field(default_factory=dict)
    counted: dict[str, dict[str, int]] = field(default_factory=dict)

    def balances(self) -> list[Balance]:
        """All lines."""
        return [self._due_images(), self._strangers(), self._answers(), self._raw_frames(), self._refined_frames()]

    def _lost(self, node: str, *names: str) -> int:
        return sum(self.counted.get(node, {}).get(name, 0) for name in names)

    def _died(self, entries: Sequence[Entry], *nodes: str) -> int:
        """How many of these came while one of the nodes was dead, or its successor not yet known to all."""
        deaths = [death for node in nodes for death in self.deaths.get(node, [])]
        return sum(any(death.covers(entry.at) for death in deaths) for entry in entries)

    def _strangers(self) -> Balance:
        """Every key-frame has the stamp of an image, which becomes a key-frame once."""
        keyframes = self.keyframes + self.older
        strange = len(_without(keyframes, self.images))
        known = len(keyframes) - strange
        return Balance("key-frames with the stamp of an image", known, known, strange=strange)

    def _due_images(self) -> Balance:
        """A whole stride without a key-frame, although there were images, is one that the estimator had to drop."""
        stamps = sorted(image.stamp for image in self.images)
        missed, due = [], 0
        for before, after in zip(self.keyframes, self.keyframes[1:], strict=False):
            stride = max(before.stride, after.stride) * FRAME
            if not 0 < after.stamp - before.stamp < 2 * SECOND:
                continue
            due += 1
            whole = range(before.stamp + stride, after.stamp - stride + FRAME // 2, stride)
            filled = [begin for begin in whole if _any_between(stamps, begin, begin + stride - FRAME // 2)]
            missed += [Entry(begin, after.at) for begin in filled]
        died = self._died(missed, "pose_estimator")
        counted = min(len(missed) - died, self._lost("pose_estimator", "dropped", "rejected"))
        return Balance("strides with a key-frame", due + len(missed), due, counted, died)

    def _answers(self) -> Balance:
        """Every key-frame is answered or explicitly refused."""
        counted = self._lost("uplift", "repeated", "lost key-frames")
        return self._each(
            "key-frames that were uplifted", self.keyframes, self.states, "pose_estimator", "uplift", counted
        )

    def _refined_frames(self) -> Balance:
        """Every raw frame is published refined."""
        counted = self._lost("refiner", "lost skeletons")
        return self._each("frames with refined skeletons", self.raw, self.refined, "uplift", "refiner", counted)

    def _each(
        self, what: str, given: Sequence[Entry], came: Sequence[Entry], giver: str, taker: str, counted: int
    ) -> Balance:
        """For each message of `giver`, `taker` publishes one."""
        missing, strange = _without(given, came), _without(came, given)
        died = self._died(missing, giver, taker)
        return Balance(
            what, len(given), len(given) - len(missing), counted, died, len(strange) - self._died(strange, giver, taker)
        )

    def _raw_frames(self) -> Balance:
        """From the first to the last key-frame of a stream, a skeleton for every frame."""
        deaths = [death.begin for death in self.deaths.get("uplift", [])]
        expected = came = died = 0
        left = list(self.raw)
        for stream, killed in _streams(self.states, deaths):
            of_stream = {}
            others = []
            for frame in left:
                if _is_of(stream, frame) and frame.stamp not in of_stream:
                    of_stream[frame.stamp] = frame
                else:
                    others.append(frame)
            left = others
            expected += _frames(stream)
            came += len(of_stream)
            died += _frames(stream) - len(of_stream) if killed else 0
        strange = len(left) - self._died(left, "uplift")
        return Balance("frames with raw skeletons", expected, came, died=died, strange=strange)


def _is_of(stream: Sequence[Entry], frame: Entry) -> bool:
    """Whether a raw skeleton is of a stream; another one with the same stamps came at another time."""
    return stream[0].stamp <= frame.stamp <= stream[-1].stamp and stream[0].at - 1 < frame.at < stream[-1].at + 5


def _frames(stream: Sequence[Entry]) -> int:
    """From the first to the last key-frame of a stream."""
    return round((stream[-1].stamp - stream[0].stamp) / TOKEN) * CONFIG.token_stride + 1


def _any_between(stamps: Sequence[int], begin: int, end: int) -> bool:
    at = bisect_left(stamps, begin)
    return at < len(stamps) and stamps[at] < end


def _without(entries: Sequence[Entry], others: Sequence[Entry]) -> list[Entry]:
    """Entries whose stamp none of the others has; each of the others matches one entry."""
    left = Counter(other.stamp for other in others)
    without = []
    for entry in entries:
        left[entry.stamp] -= 1
        if left[entry.stamp] < 0:
            without.append(entry)
    return without


def _streams(keyframes: Sequence[Entry], deaths: Sequence[float]) -> list[tuple[list[Entry], bool]]:
    """Key-frames that were uplifted, cut where time jumps or the uplifter died; whether a stream ended by death."""
    streams: list[tuple[list[Entry], bool]] = []
    for keyframe in keyframes:
        if streams:
            newest = streams[-1][0][-1]
            gap = keyframe.stamp - newest.stamp
            killed = any(newest.at - IN_HAND < death < keyframe.at for death in deaths)
            if not killed and -MAX_DISORDER_NS <= gap < WINDOW:
                streams[-1][0].append(keyframe)
                continue
            streams[-1] = (streams[-1][0], killed)
        streams.append(([keyframe], False))
    return streams
