"""Do the counts add up? What went into every stage, what came out, and what is known to be lost; by stamps alone.

Everything is in the order in which it came. Nothing here needs ROS.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field

from uplift_ros.models.uplift import compact
from uplift_ros.online.keyframes import MAX_DISORDER

SECOND = 1_000_000_000
FRAME = SECOND // 50
CONFIG = compact()
TOKEN = FRAME * CONFIG.token_stride
WINDOW = FRAME * CONFIG.frames
IN_HAND = 1.0
"""Seconds that a node may have what it has taken, before it gives it out."""


@dataclass(frozen=True)
class Entry:
    """Something that came by.

    Attributes:
        stamp: nanoseconds, its own.
        at: seconds, when it was seen.
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
        """Whether what came then may be lost with it: what the node had taken, and what nobody took."""
        return self.begin - IN_HAND <= at <= self.end


@dataclass(frozen=True)
class Balance:
    """One line of the ledger.

    Attributes:
        what: in words.
        expected: how many should have come.
        came: how many did.
        counted: how many a node says it lost or refused.
        died: how many were lost with a process that was killed.
    """

    what: str
    expected: int
    came: int
    counted: int = 0
    died: int = 0

    @property
    def unexplained(self) -> int:
        return self.expected - self.came - self.counted - self.died


@dataclass
class Ledger:
    """Collects a run.

    Attributes:
        images: published by the camera.
        keyframes, states, raw, refined: what came of them; a state is the uplifter's answer to a key-frame.
        deaths: of nodes, by name.
        counted: by node and counter, what diagnostics say.
    """

    images: list[Entry] = field(default_factory=list)
    keyframes: list[Entry] = field(default_factory=list)
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
        """Every key-frame has the stamp of an image."""
        stamps = {image.stamp for image in self.images}
        own = [keyframe for keyframe in self.keyframes if keyframe.stamp in stamps]
        return Balance("key-frames with the stamp of an image", len(self.keyframes), len(own))

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
        """Every key-frame is answered, or refused in so many words."""
        unanswered = _missing(self.keyframes, self.states)
        died = self._died(unanswered, "uplift")
        counted = self._lost("uplift", "repeated", "lost key-frames")
        return Balance("key-frames that were uplifted", len(self.keyframes), len(self.states), counted, died)

    def _raw_frames(self) -> Balance:
        """From the first to the last key-frame of a stream, a skeleton for every frame."""
        deaths = [death.begin for death in self.deaths.get("uplift", [])]
        streams = _streams(self.states, deaths)
        expected = sum(_frames(stream) for stream, _ in streams)
        died = sum(max(0, _frames(stream) - self._came_of(stream)) for stream, killed in streams if killed)
        return Balance("frames with raw skeletons", expected, len(self.raw), died=died)

    def _came_of(self, stream: Sequence[Entry]) -> int:
        """Raw skeletons of a stream; another one with the same stamps came at another time."""
        return sum(
            stream[0].stamp <= frame.stamp <= stream[-1].stamp and stream[0].at - 1 < frame.at < stream[-1].at + 5
            for frame in self.raw
        )

    def _refined_frames(self) -> Balance:
        """Every raw frame comes out refined."""
        missing = _missing(self.raw, self.refined)
        died = self._died(missing, "refiner", "uplift")
        counted = self._lost("refiner", "lost skeletons")
        return Balance("frames with refined skeletons", len(self.raw), len(self.refined), counted, died)


def _frames(stream: Sequence[Entry]) -> int:
    """From the first to the last key-frame of a stream."""
    return round((stream[-1].stamp - stream[0].stamp) / TOKEN) * CONFIG.token_stride + 1


def _any_between(stamps: Sequence[int], begin: int, end: int) -> bool:
    at = bisect_left(stamps, begin)
    return at < len(stamps) and stamps[at] < end


def _missing(entries: Sequence[Entry], came: Sequence[Entry]) -> list[Entry]:
    """Those entries of which nothing came; what came is in their order."""
    stamps = iter([*(entry.stamp for entry in came), None])
    following = next(stamps)
    missing = []
    for entry in entries:
        if entry.stamp == following:
            following = next(stamps)
        else:
            missing.append(entry)
    return missing


def _streams(keyframes: Sequence[Entry], deaths: Sequence[float]) -> list[tuple[list[Entry], bool]]:
    """Key-frames that were uplifted, cut where time jumps or the uplifter died; whether a stream ended by death."""
    streams: list[tuple[list[Entry], bool]] = []
    for keyframe in keyframes:
        if streams:
            newest = streams[-1][0][-1]
            gap = keyframe.stamp - newest.stamp
            killed = any(newest.at - IN_HAND < death < keyframe.at for death in deaths)
            if not killed and -MAX_DISORDER * SECOND <= gap < WINDOW:
                streams[-1][0].append(keyframe)
                continue
            streams[-1] = (streams[-1][0], killed)
        streams.append(([keyframe], False))
    return streams
