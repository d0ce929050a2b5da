"""Stable ids for the people of successive key-frames, which may be 0.4 s apart.

Boxes overlap too little at such gaps, so people are matched by their joints: by the position that a decaying
velocity predicts, and by the similarity of the pose. Both become less certain with the time since the person was last
seen. The likeliest pairs of tracks and detections are an assignment problem.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from uplift_ros.poses import NANOSECONDS, Person2D
from uplift_ros.similarity import person_size
from uplift_ros.streaming.assignment import IMPOSSIBLE, best_pairs
from uplift_ros.streaming.clock import PERSON_MEMORY_NS


@dataclass
class _Track:
    id: str
    stamp: int
    keypoints: np.ndarray  # (17, 2) pixels
    size: float  # pixels
    velocity: np.ndarray | None = None  # (2,) pixels/s
    before: tuple[int, np.ndarray] | None = None  # stamp and keypoints of the detection before


class PersonTracker:
    """Person tracker: ids 'p1', 'p2', ... that stay while a person is in view and are never used again.

    Lengths are in units of the person's size. The defaults were tuned on simulated crowds (test/support/crowds.py).
    Raising a deviation makes such errors or motions cost less: tracks survive more of them, and people who are close
    to each other are confused more often.

    Args:
        tolerance: standard deviation of body and joints after no time: the detector's jitter.
        place_per_s: growth of the position's standard deviation in a second.
        new_place_per_s: the same while a person's velocity is not known yet.
        pose_change: standard deviation of the change of a pose in the long run.
        pose_s: time constant of that change.
        max_deviation: standard deviations from the predicted position beyond which it is another person.
        max_joint_deviation: standard deviations at which the cost of a joint saturates. Raising it gives the
            detector's outliers more weight.
        velocity_s: time constant of the velocity's running mean. Raising it smooths more and follows turns later.
        coast_s: time constant of the velocity's decay while a person is not seen.
    """

    def __init__(
        self,
        *,
        tolerance: float = 0.1,
        place_per_s: float = 0.5,
        new_place_per_s: float = 0.7,
        pose_change: float = 0.2,
        pose_s: float = 0.3,
        max_deviation: float = 2.5,
        max_joint_deviation: float = 3.0,
        velocity_s: float = 0.5,
        coast_s: float = 1.0,
    ) -> None:
        self._tolerance = tolerance
        self._place_per_s, self._new_place_per_s = place_per_s, new_place_per_s
        self._pose_change, self._pose_s = pose_change, pose_s
        self._max_deviation, self._max_joint_deviation = max_deviation, max_joint_deviation
        self._velocity_s, self._coast_s = velocity_s, coast_s
        self._next_id = 0
        self.reset()

    def reset(self) -> None:
        """Forget all people; ids are not used again."""
        self._tracks: list[_Track] = []

    def update(self, stamp: int, persons: Sequence[Person2D]) -> tuple[Person2D, ...]:
        """Return the same people, in the same order, with ids.

        Args:
            stamp: of the image, nanoseconds. A step back in time forgets all people.
            persons: the people found in it.
        """
        oldest = stamp - PERSON_MEMORY_NS
        self._tracks = [track for track in self._tracks if oldest <= track.stamp <= stamp]
        tracks = self._assigned(stamp, persons)
        for track, person in zip(tracks, persons, strict=True):
            self._follow(track, person, stamp)
        return _named(persons, tracks)

    def update_between(self, stamp: int, persons: Sequence[Person2D]) -> tuple[Person2D, ...]:
        """Return the same people, in the same order, with ids, in an image older than the newest one.

        They are those expected there, between the newest detections and the ones before, which stay as they are.
        """
        return _named(persons, self._assigned(stamp, persons))

    def _assigned(self, stamp: int, persons: Sequence[Person2D]) -> list[_Track]:
        """Track of each person: the likeliest one, or a new one."""
        costs = np.empty((len(self._tracks), len(persons)))
        for row, track in enumerate(self._tracks):
            costs[row] = [self._cost(track, person, stamp) for person in persons]
        matched = {person: self._tracks[track] for track, person in best_pairs(costs)}
        return [matched.get(index) or self._start(stamp, person) for index, person in enumerate(persons)]

    def _start(self, stamp: int, person: Person2D) -> _Track:
        self._next_id += 1
        track = _Track(f"p{self._next_id}", stamp, person.keypoints, person_size(person.bbox))
        self._tracks.append(track)
        return track

    def _cost(self, track: _Track, person: Person2D, stamp: int) -> float:
        """-2 log of the likelihood that a track's person is this one, up to a constant."""
        # 1. Displacement of each joint from its prediction, relative to the size.
        keypoints, elapsed_s = self._predicted(track, stamp)
        moved = person.keypoints - keypoints
        moved = moved[np.isfinite(moved).all(-1)] / max(track.size, person_size(person.bbox))
        if not len(moved):
            return IMPOSSIBLE
        # 2. Standard deviations grow with the elapsed time.
        growth = self._new_place_per_s if track.velocity is None else self._place_per_s
        place_deviation = self._tolerance + growth * elapsed_s
        pose_deviation = self._tolerance + self._pose_change * (1 - np.exp(-elapsed_s / self._pose_s))
        # 3. Squared Mahalanobis distances of the body and of the joints against it; outlier joints saturate.
        body = np.median(moved, axis=0)
        place = np.square(body).sum() / place_deviation**2
        if place > self._max_deviation**2:
            return IMPOSSIBLE
        joints = np.square(moved - body).sum(-1) / pose_deviation**2
        pose = np.minimum(joints, self._max_joint_deviation**2).mean()
        cost = float(place + 4 * np.log(place_deviation) + pose)
        return cost if np.isfinite(cost) else IMPOSSIBLE

    def _predicted(self, track: _Track, stamp: int) -> tuple[np.ndarray, float]:
        """Keypoints (17, 2) at a stamp, and seconds to the nearest detection.

        After the newest detection they move with the velocity, which decays; before it they are linear between it and
        the one before.
        """
        elapsed_s = abs(stamp - track.stamp) / NANOSECONDS
        if stamp < track.stamp and track.before and track.before[0] <= stamp:
            since_s = (stamp - track.before[0]) / NANOSECONDS
            part = since_s / (since_s + elapsed_s)
            return track.before[1] * (1 - part) + track.keypoints * part, min(since_s, elapsed_s)
        if stamp < track.stamp or track.velocity is None:
            return track.keypoints, elapsed_s
        coasting_s = self._coast_s * (1 - np.exp(-elapsed_s / self._coast_s))
        return track.keypoints + track.velocity * coasting_s, elapsed_s

    def _follow(self, track: _Track, person: Person2D, stamp: int) -> None:
        """Update position, size and velocity of a track with its detection."""
        moved = person.keypoints - track.keypoints
        seen = np.isfinite(moved).all(-1)
        if stamp > track.stamp and seen.any():
            elapsed_s = (stamp - track.stamp) / NANOSECONDS
            velocity = np.median(moved[seen], axis=0) / elapsed_s
            if track.velocity is None:
                track.velocity = velocity
            part = 1 - np.exp(-elapsed_s / self._velocity_s)
            track.velocity = track.velocity + part * (velocity - track.velocity)
        if stamp > track.stamp:
            track.before = track.stamp, track.keypoints
        track.keypoints, track.size, track.stamp = person.keypoints, person_size(person.bbox), stamp


def _named(persons: Sequence[Person2D], tracks: Sequence[_Track]) -> tuple[Person2D, ...]:
    return tuple(replace(person, id=track.id) for person, track in zip(persons, tracks, strict=True))
