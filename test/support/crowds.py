"""Simulated streets: captured people who walk past each other and behind a pillar, as a 2D detector sees them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from uplift_ros.lab.data.detector_noise import DetectorNoise
from uplift_ros.lab.data.virtual_camera import look_at_world
from uplift_ros.poses import Person2D
from uplift_ros.streaming.tracker import PersonTracker

RATE = 50.0
FOCAL, WIDTH, HEIGHT = 700.0, 960, 540
CAMERA_POSITION = np.array([0.0, -7.0, 1.3])
PILLAR = np.array([[-0.45, -1.2, 0.0], [0.45, -1.2, 0.0]])
"""Left and right edge, metres: a person who walks behind it is hidden for about a second."""

HIDDEN_SHARE = 0.6
"""Share of the joints: detectors do not find a person of whom as much is hidden."""

MISSED = 0.03
"""Share of the people in view whom the detector misses at random."""

MAX_LINK = 1.6
"""Seconds between two observations of one person that should have one id: a second's occlusion between key-frames."""


@dataclass(frozen=True)
class Crowd:
    """All people on the street, frame by frame.

    Attributes:
        keypoints: (N, T, 17, 2) pixels, with a detector's errors.
        seen: (N, T) whether the detector finds the person.
    """

    keypoints: np.ndarray
    seen: np.ndarray

    def people(self, frame: int, rng: np.random.Generator) -> tuple[list[int], list[Person2D]]:
        """People who are found, in any order."""
        names = [name for name in rng.permutation(len(self.seen)) if self.seen[name, frame]]
        return names, [detected(self.keypoints[name, frame]) for name in names]


def detected(keypoints: np.ndarray) -> Person2D:
    corner, opposite = np.nanmin(keypoints, 0), np.nanmax(keypoints, 0)
    return Person2D("", 0.9, np.concatenate([corner, opposite - corner]), keypoints, np.ones(17))


def simulate_crowd(rng: np.random.Generator, motions: Sequence[np.ndarray], people: int, seconds: float) -> Crowd:
    """People who come at any time from anywhere around the pillar, move once and vanish.

    Args:
        motions: (T, 17, 3) metres, z up, around the origin.
    """
    frames = round(seconds * RATE)
    rotation = look_at_world(CAMERA_POSITION, np.array([0.0, 0.0, 1.0]))
    keypoints = np.full((people, frames, 17, 2), np.nan)
    depth = np.full((people, frames), np.inf)
    for name in range(people):
        joints = _placed(rng, motions[rng.integers(len(motions))])
        start = rng.integers(max(frames - len(joints), 1))
        joints = joints[: frames - start]
        points = (joints - CAMERA_POSITION) @ rotation.T
        (plane,), _ = DetectorNoise().apply(rng, points[None], 1 / RATE, np.ones(1))
        shown = slice(start, start + len(joints))
        keypoints[name, shown] = plane * FOCAL + (WIDTH / 2, HEIGHT / 2)
        depth[name, shown] = points[:, 0, 2]
    pillar = (PILLAR - CAMERA_POSITION) @ rotation.T
    edges = pillar[:, 0] / pillar[:, 2] * FOCAL + WIDTH / 2
    seen = np.isfinite(depth) & (rng.random(depth.shape) >= MISSED)
    for frame in range(frames):
        for name in np.flatnonzero(seen[:, frame]):
            hidden = _hidden(keypoints[:, frame], depth[:, frame], name, edges, pillar[0, 2])
            seen[name, frame] = hidden.mean() < HIDDEN_SHARE
    return Crowd(keypoints, seen)


def _placed(rng: np.random.Generator, joints: np.ndarray) -> np.ndarray:
    """Turn a motion by any angle and move it by up to two metres."""
    angle = rng.uniform(0, 2 * np.pi)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    return joints @ turn.T + (*rng.uniform((-2.0, -1.0), (2.0, 2.0)), 0.0)


def _hidden(keypoints: np.ndarray, depth: np.ndarray, name: int, edges: np.ndarray, pillar: float) -> np.ndarray:
    """(17,) which joints of a person are out of the image, behind the pillar or behind a nearer person."""
    x, y = keypoints[name].T
    hidden = (x < 0) | (x > WIDTH) | (y < 0) | (y > HEIGHT)
    if depth[name] > pillar:
        hidden |= (edges[0] < x) & (x < edges[1])
    for other in np.flatnonzero(depth < depth[name]):
        body = keypoints[other, [1, 4, 8, 11, 14, 3, 6]]  # hips, thorax, shoulders, ankles
        left, right = body[:, 0].min(), body[:, 0].max()
        hidden |= (left < x) & (x < right) & (keypoints[other, :, 1].min() < y)
    return hidden


@dataclass
class Links:
    """Result of a tracker on crowds.

    Attributes:
        true: successive observations of one person not farther apart than MAX_LINK.
        kept: those of them that have one id.
        stolen: observations under an id that another person had before.
    """

    true: int = 0
    kept: int = 0
    stolen: int = 0

    @property
    def share(self) -> float:
        return self.kept / self.true

    def follow(self, crowd: Crowd, stride: int, rng: np.random.Generator) -> None:
        """Send a crowd's key-frames through a tracker."""
        tracker = PersonTracker()
        last: dict[int, tuple[int, str]] = {}
        owner: dict[str, int] = {}
        for frame in range(rng.integers(stride), crowd.seen.shape[1], stride):
            names, found = crowd.people(frame, rng)
            for name, person in zip(names, tracker.update(round(frame / RATE * 1e9), found), strict=True):
                if name in last and frame - last[name][0] <= MAX_LINK * RATE:
                    self.true += 1
                    self.kept += person.id == last[name][1]
                self.stolen += int(owner.get(person.id, name) != name)
                last[name], owner[person.id] = (frame, person.id), name
