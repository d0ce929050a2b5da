"""Matches predicted people with the ground truth of the same time."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from uplift_ros import metrics
from uplift_ros.poses import NANOSECONDS, Person3D, SkeletonFrame
from uplift_ros.streaming.assignment import best_pairs

FRAME_PERIOD_S = 0.02
"""Seconds: acceleration errors are per frame^2 at 50 Hz, whatever the recorded rate."""

MAX_TRUTH_GAP_S = 0.1
"""Maximum seconds between two true poses to interpolate between them."""


class MatchedTrack:
    """Predicted person and the true person that it was matched with, frame by frame.

    Attributes:
        stamps: (T,) nanoseconds, increasing.
        predicted, true: (T, 17, 3) metres.
    """

    def __init__(self, frames: Sequence[tuple[int, np.ndarray, np.ndarray]]) -> None:
        stamps, predicted, true = zip(*sorted(frames, key=lambda frame: frame[0]), strict=True)
        self.stamps, self.predicted, self.true = np.array(stamps), np.array(predicted), np.array(true)

    def acceleration_errors(self) -> np.ndarray:
        """Acceleration errors (N,), mm/frame^2 at 50 Hz, over all runs of at least three frames without a gap."""
        steps = np.diff(self.stamps) / NANOSECONDS
        if len(steps) < 2:
            return np.empty(0)
        period = np.median(steps)
        runs = np.split(np.arange(len(self.stamps)), np.flatnonzero(steps > 1.5 * period) + 1)
        per_frame = [metrics.accel_error(self.predicted[run], self.true[run]) for run in runs if len(run) >= 3]
        return np.concatenate([np.empty(0), *per_frame]) * (FRAME_PERIOD_S / period) ** 2


def matched_tracks(frames: Sequence[SkeletonFrame], truth: Sequence[SkeletonFrame]) -> list[MatchedTrack]:
    """Pair predicted people with true poses of the same time; the distance of the roots decides the identity."""
    true_people = TrueMotion(truth)
    matches: dict[tuple[str, str], list[tuple[int, np.ndarray, np.ndarray]]] = defaultdict(list)
    for frame in {frame.stamp: frame for frame in frames}.values():  # of two frames with the same stamp, the later one
        present = true_people.at(frame.stamp)
        for person, name in match(frame.persons, present):
            matches[person.id, name].append((frame.stamp, person.joints, present[name]))
    return [MatchedTrack(match) for match in matches.values()]


def match(people: Sequence[Person3D], truth: dict[str, np.ndarray]) -> list[tuple[Person3D, str]]:
    """Assign names of true people to predicted people, so that the sum of root distances is minimal."""
    if not people or not truth:
        return []
    roots = np.array([person.joints[0] for person in people])
    true_roots = np.array([joints[0] for joints in truth.values()])
    distances = np.linalg.norm(roots[:, None] - true_roots, axis=-1)
    names = list(truth)
    return [(people[i], names[j]) for i, j in best_pairs(distances)]


class TrueMotion:
    """Ground truth at any time, interpolated linearly between recorded frames."""

    def __init__(self, frames: Sequence[SkeletonFrame]) -> None:
        poses: dict[str, dict[int, np.ndarray]] = defaultdict(dict)
        for frame in frames:
            for person in frame.persons:
                poses[person.id][frame.stamp] = person.joints
        self._people = {
            name: (np.array(sorted(motion)), np.array([motion[stamp] for stamp in sorted(motion)]))
            for name, motion in poses.items()
        }

    def at(self, stamp: int) -> dict[str, np.ndarray]:
        """Joints (17, 3) by name of all people present at `stamp`."""
        present = {}
        for name, (stamps, joints) in self._people.items():
            after = int(np.searchsorted(stamps, stamp))
            if after < len(stamps) and stamps[after] == stamp:
                present[name] = joints[after]
            elif 0 < after < len(stamps) and stamps[after] - stamps[after - 1] <= MAX_TRUTH_GAP_S * NANOSECONDS:
                share = (stamp - stamps[after - 1]) / (stamps[after] - stamps[after - 1])
                present[name] = (1 - share) * joints[after - 1] + share * joints[after]
        return present
