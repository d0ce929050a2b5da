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

# Lengths below are in units of the person's size, times in seconds; tuned on simulated crowds (test/support/crowds.py).

TOLERANCE = 0.1
"""Standard deviation of body and joints at zero elapsed time: jitter of the detector."""

PLACE_PER_SECOND, PLACE_PER_SECOND_OF_NEW = 0.5, 0.7
"""Growth of the position's standard deviation, if the velocity is known and if it is not."""

POSE_CHANGE, POSE_SECONDS = 0.2, 0.3
"""Standard deviation of the change of a pose in the long run, and its time constant."""

MAX_DEVIATION = 2.5
"""Standard deviations from the predicted position beyond which it is another person."""

MAX_JOINT_DEVIATION = 3.0
"""Standard deviations at which the cost of a joint saturates: an outlier of the detector."""

VELOCITY_SECONDS, COAST_SECONDS = 0.5, 1.0
"""Time constants of the velocity's running mean, and of its decay while the person is not seen."""


@dataclass
class _Track:
    id: str
    stamp: int
    keypoints: np.ndarray  # (17, 2) pixels
    size: float  # pixels
    velocity: np.ndarray | None = None  # (2,) pixels/s
    before: tuple[int, np.ndarray] | None = None  # stamp and keypoints of the detection before

    def cost(self, person: Person2D, stamp: int) -> float:
        """-2 log of the likelihood that this is the person, up to a constant."""
        # 1. Displacement of each joint from its prediction, relative to the size.
        keypoints, elapsed = self._predicted(stamp)
        moved = person.keypoints - keypoints
        moved = moved[np.isfinite(moved).all(-1)] / max(self.size, person_size(person.bbox))
        if not len(moved):
            return IMPOSSIBLE
        # 2. Standard deviations grow with the elapsed time.
        spread = PLACE_PER_SECOND_OF_NEW if self.velocity is None else PLACE_PER_SECOND
        place_tolerance = TOLERANCE + spread * elapsed
        pose_tolerance = TOLERANCE + POSE_CHANGE * (1 - np.exp(-elapsed / POSE_SECONDS))
        # 3. Mahalanobis distances of the body and of the joints against it; outlier joints saturate.
        body = np.median(moved, axis=0)
        place = np.square(body).sum() / place_tolerance**2
        if place > MAX_DEVIATION**2:
            return IMPOSSIBLE
        joints = np.square(moved - body).sum(-1) / pose_tolerance**2
        pose = np.minimum(joints, MAX_JOINT_DEVIATION**2).mean()
        cost = float(place + 4 * np.log(place_tolerance) + pose)
        return cost if np.isfinite(cost) else IMPOSSIBLE

    def _predicted(self, stamp: int) -> tuple[np.ndarray, float]:
        """Keypoints (17, 2) at a stamp, and seconds to the nearest detection.

        After the newest detection they move with the velocity, which decays; before it they are linear between it and
        the one before.
        """
        elapsed = abs(stamp - self.stamp) / NANOSECONDS
        if stamp < self.stamp and self.before and self.before[0] <= stamp:
            since = (stamp - self.before[0]) / NANOSECONDS
            part = since / (since + elapsed)
            return self.before[1] * (1 - part) + self.keypoints * part, min(since, elapsed)
        if stamp < self.stamp or self.velocity is None:
            return self.keypoints, elapsed
        return self.keypoints + self.velocity * COAST_SECONDS * (1 - np.exp(-elapsed / COAST_SECONDS)), elapsed

    def follow(self, person: Person2D, stamp: int) -> None:
        """Update position, size and velocity with a matched detection."""
        moved = person.keypoints - self.keypoints
        seen = np.isfinite(moved).all(-1)
        if stamp > self.stamp and seen.any():
            elapsed = (stamp - self.stamp) / NANOSECONDS
            velocity = np.median(moved[seen], axis=0) / elapsed
            if self.velocity is None:
                self.velocity = velocity
            self.velocity = self.velocity + (1 - np.exp(-elapsed / VELOCITY_SECONDS)) * (velocity - self.velocity)
        if stamp > self.stamp:
            self.before = self.stamp, self.keypoints
        self.keypoints, self.size, self.stamp = person.keypoints, person_size(person.bbox), stamp


class PersonTracker:
    """Person tracker: ids 'p1', 'p2', ... that stay while a person is in view and are never used again."""

    def __init__(self) -> None:
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
            track.follow(person, stamp)
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
            costs[row] = [track.cost(person, stamp) for person in persons]
        matched = {person: self._tracks[track] for track, person in best_pairs(costs)}
        return [matched.get(index) or self._start(stamp, person) for index, person in enumerate(persons)]

    def _start(self, stamp: int, person: Person2D) -> _Track:
        self._next_id += 1
        track = _Track(f"p{self._next_id}", stamp, person.keypoints, person_size(person.bbox))
        self._tracks.append(track)
        return track


def _named(persons: Sequence[Person2D], tracks: Sequence[_Track]) -> tuple[Person2D, ...]:
    return tuple(replace(person, id=track.id) for person, track in zip(persons, tracks, strict=True))
