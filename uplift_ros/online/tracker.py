"""Stable ids for the people of successive key-frames, which may be 0.4 s apart.

Boxes overlap too little at such gaps, so people are matched by their joints: the object keypoint similarity of COCO,
against joints moved on with constant velocity, solved as an assignment problem.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import linear_sum_assignment

from uplift_ros.poses import Person2D
from uplift_ros.similarity import keypoint_similarity, person_size

MAX_AGE = 1.0
"""Seconds that an unseen person is remembered."""

MIN_SIMILARITY = 0.1
"""Below it two poses are two people."""

BASE_TOLERANCE, TOLERANCE_PER_SECOND = 0.1, 0.8
"""Distance, in units of the person's size, at which a joint counts exp(-1/2): for jitter and swinging limbs, and for
what may change in the time between two key-frames. At 0.4 s somebody who starts to run is still followed."""

NANOSECONDS = 1_000_000_000


@dataclass
class _Track:
    id: str
    stamp: int
    keypoints: np.ndarray  # (17, 2) pixels
    velocity: np.ndarray  # (2,) pixels/s

    def similarity(self, person: Person2D, stamp: int) -> float:
        elapsed = (stamp - self.stamp) / NANOSECONDS
        predicted = self.keypoints + self.velocity * elapsed
        tolerance = BASE_TOLERANCE + TOLERANCE_PER_SECOND * elapsed
        return keypoint_similarity(person.keypoints, predicted, person_size(person.bbox), tolerance)

    def follow(self, person: Person2D, stamp: int) -> None:
        moved = person.keypoints - self.keypoints
        seen = np.isfinite(moved).all(-1)
        if stamp > self.stamp and seen.any():
            self.velocity = np.median(moved[seen], axis=0) / ((stamp - self.stamp) / NANOSECONDS)
        self.keypoints, self.stamp = person.keypoints, stamp


class PersonTracker:
    """Gives people ids 'p1', 'p2', ... that stay while they are in view. Ids are never used again."""

    def __init__(self) -> None:
        self._tracks: list[_Track] = []
        self._born = 0

    def update(self, stamp: int, persons: Sequence[Person2D]) -> tuple[Person2D, ...]:
        """The same people, in the same order, with ids.

        Args:
            stamp: of the image, nanoseconds. A step back in time forgets everybody.
            persons: the people found in it.
        """
        oldest = stamp - round(MAX_AGE * NANOSECONDS)
        self._tracks = [track for track in self._tracks if oldest <= track.stamp <= stamp]
        similarity = np.zeros((len(self._tracks), len(persons)))
        for row, track in enumerate(self._tracks):
            similarity[row] = [track.similarity(person, stamp) for person in persons]
        matched = {
            person: self._tracks[track]
            for track, person in np.transpose(linear_sum_assignment(similarity, maximize=True))
            if similarity[track, person] >= MIN_SIMILARITY
        }
        named = []
        for index, person in enumerate(persons):
            track = matched.get(index) or self._start(stamp, person)
            track.follow(person, stamp)
            named.append(replace(person, id=track.id))
        return tuple(named)

    def _start(self, stamp: int, person: Person2D) -> _Track:
        self._born += 1
        track = _Track(f"p{self._born}", stamp, person.keypoints, np.zeros(2))
        self._tracks.append(track)
        return track
