"""One person in a stream: the observations at key-frames, and the 3D motion from the newest forward pass."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from uplift_ros.camera import Camera, camera_to_canonical_rotation, place_root
from uplift_ros.poses import Keyframe, Person2D, Person3D, ScaleSource, Source
from uplift_ros.streaming.uncertainty import ErrorModel, joint_speeds

UNKNOWN_CAMERA_FOV = math.radians(60)
"""Horizontal field of view that is assumed without intrinsics; the pose is hardly sensitive to it."""

FARTHEST_PIXEL = 1e6
"""A joint beyond it is treated as absent: it is a detector's error."""

FARTHEST_RAY = 1e3
"""On the plane z = 1; a farther ray is perpendicular to the optical axis, or the distortion cannot be inverted."""

UPSAMPLED_SCORE_FACTOR = 0.9
"""Scores of frames between key-frames, relative to those of the key-frames around them, for a network without an error
model."""


@dataclass
class Observation:
    """One person at one key-frame.

    Attributes:
        rays: (17, 2) on the plane z = 1, NaN where absent; the pelvis is always present.
        calibrated: the intrinsics were known.
        pose_token: (D,) of the network, independent of the window; None until the first forward pass.
        root: (3,) metres, camera optical frame; NaN where it cannot be placed.
        is_root_final: a final frame depends on the root, which must not change any more.
    """

    person: Person2D
    rays: np.ndarray
    calibrated: bool
    pose_token: np.ndarray | None = None
    root: np.ndarray = field(default_factory=lambda: np.full(3, np.nan))
    is_root_final: bool = False

    def place(self, joints: np.ndarray) -> None:
        """Estimate the root position for root-relative joints (17, 3), unless it is final."""
        if self.calibrated and not self.is_root_final:
            self.root = place_root(joints, self.rays, self.person.scores)


def observations(keyframe: Keyframe, camera: Camera | None) -> list[Observation]:
    """Observe the people of a key-frame, in their order, those without a pelvis left out.

    Scores are clipped to [0, 1], and NaN becomes 0.
    """
    if not keyframe.persons:
        return []
    view = camera or Camera.from_fov(UNKNOWN_CAMERA_FOV, keyframe.width, keyframe.height)
    keypoints = np.stack([person.keypoints for person in keyframe.persons])
    rays = view.rays(np.where(np.abs(keypoints) < FARTHEST_PIXEL, keypoints, np.nan))
    rays = np.where(np.abs(rays) < FARTHEST_RAY, rays, np.nan)
    seen = []
    for person, seen_at in zip(keyframe.persons, rays, strict=True):
        if np.isfinite(seen_at[0]).all():
            score, scores = (np.nan_to_num(np.clip(value, 0.0, 1.0)) for value in (person.score, person.scores))
            person = replace(person, score=float(score), scores=scores)
            seen.append(Observation(person, seen_at, calibrated=camera is not None))
    return seen


@dataclass(frozen=True)
class Motion:
    """3D of one person at every token from `first` to the newest observation.

    Attributes:
        first: token.
        joints: (K, 17, 3) root-relative, metres, camera optical frame.
        roots: (K, 3) metres; NaN where unknown.
        scores: (K, 17).
        velocity: (K,) m/s, from the token before (Uplift and Upsample, supplement, eq. 1).
        speeds: (K, 17) m/s, of each joint relative to the pelvis.
        observed: tokens of the key-frames that saw the person.
    """

    first: int
    joints: np.ndarray
    roots: np.ndarray
    scores: np.ndarray
    velocity: np.ndarray
    speeds: np.ndarray
    observed: frozenset[int]

    @property
    def last(self) -> int:
        return self.first + len(self.joints) - 1

    def covers(self, token: float) -> bool:
        return self.first <= token <= self.last

    def distance_to_observation(self, token: float) -> float:
        """Tokens to the nearest observation."""
        return min(abs(token - observed) for observed in self.observed)

    def at(self, values: np.ndarray, token: float) -> np.ndarray:
        """Linear interpolation of one of the arrays at a fractional token."""
        before, part = divmod(token - self.first, 1)
        row = int(before)
        return values[row] * (1 - part) + values[row + 1] * part if part else values[row]


@dataclass
class Track:
    """One person.

    Attributes:
        observations: by token: those inside the window and the one before it.
        finalised: (17, 3) poses by token that later forward passes do not change.
        motion: from the newest forward pass.
        is_new: there are observations since.
    """

    observations: dict[int, Observation] = field(default_factory=dict)
    finalised: dict[int, np.ndarray] = field(default_factory=dict)
    motion: Motion | None = None
    is_new: bool = False

    @property
    def oldest(self) -> int:
        return min(self.observations)

    @property
    def newest(self) -> int:
        return max(self.observations)

    def person(
        self, name: str, token: float, tokens_per_second: float, errors: ErrorModel | None, scale: float
    ) -> Person3D | None:
        """Compose the person at a token, fractional ones included; None if the motion does not cover it.

        Args:
            scale: size of the person relative to those of the error model.
        """
        motion = self.motion
        if motion is None or not motion.covers(token):
            return None
        if token in motion.observed:
            source = Source.KEYFRAME
        else:
            source = Source.UPSAMPLED if token == int(token) else Source.INTERPOLATED
        root, joints = motion.at(motion.roots, token), motion.at(motion.joints, token)
        scores, covariance = motion.at(motion.scores, token), np.empty((0, 6))
        if errors:
            seconds = motion.distance_to_observation(token) / tokens_per_second
            speeds = motion.at(motion.speeds, token)
            scores, covariance = errors.predict(joints, root, speeds, seconds, scores, scale)
        elif source is not Source.KEYFRAME:
            scores = scores * UPSAMPLED_SCORE_FACTOR
        placed = bool(np.isfinite(root).all())
        return Person3D(
            id=name,
            score=self.observations[self.newest].person.score,
            source=source,
            scale_source=ScaleSource.PRIOR if placed else ScaleSource.NONE,
            joints=joints + (root if placed else 0.0),
            scores=scores,
            velocity=float(motion.at(motion.velocity, token)),
            covariance=covariance,
        )

    def fix_roots(self, token: float) -> None:
        """Fix the roots of all observations that frames up to a token depend on."""
        for seen in sorted(self.observations):
            self.observations[seen].is_root_final = True
            if seen >= token:
                return

    def forget(self, oldest: int) -> None:
        """Drop all up to a token, except the last observation: later frames are interpolated from it."""
        for token in sorted(token for token in self.observations if token <= oldest)[:-1]:
            del self.observations[token]
        self.finalised = {token: pose for token, pose in self.finalised.items() if token > oldest}

    def move(self, poses: np.ndarray, tokens_per_second: float, normalisation: str) -> None:
        """Update `motion` with the poses (K, 17, 3) of the newest forward pass, for the K tokens up to the newest one.

        Poses are in metres, in the frames of the network's normalisation; they are rotated into the camera's frame.
        """
        self.is_new = False
        # 1. Keep the tokens since the first observation, and the poses that are finalised.
        first = max(self.oldest, self.newest - len(poses) + 1)
        every, known = np.arange(first, self.newest + 1), sorted(self.observations)
        poses = poses[-len(every) :].copy()
        for token in self.finalised.keys() & set(every.tolist()):
            poses[token - first] = self.finalised[token]
        # 2. Rotate into the camera's frame. Rows times R are R^T times columns.
        pelvis = interpolate(every, known, np.stack([self.observations[token].rays[0] for token in known]))
        joints = poses @ camera_to_canonical_rotation(pelvis, normalisation)
        joints -= joints[:, :1]  # the network's own pelvis is only nearly at the origin
        # 3. Place the observations that no final frame depends on: a root that changed afterwards would jump.
        for token in known:
            if token >= first:
                self.observations[token].place(joints[token - first])
        # 4. Interpolate roots and scores between observations.
        roots = [self.observations[token].root for token in known]
        scores = [self.observations[token].person.scores for token in known]
        steps = np.linalg.norm(np.diff(joints, axis=0), axis=-1).mean(-1)
        self.motion = Motion(
            first,
            joints,
            interpolate(every, known, np.stack(roots)),
            interpolate(every, known, np.stack(scores)),
            np.concatenate([steps[:1], steps]) * tokens_per_second if len(steps) else np.zeros(1),
            joint_speeds(joints, tokens_per_second),
            frozenset(known),
        )


def interpolate(at: np.ndarray, known: Sequence[int] | np.ndarray, values: np.ndarray) -> np.ndarray:
    """Linear interpolation of values (M, ...) along the first axis."""
    if len(known) == 1:
        return np.repeat(values, len(at), axis=0)
    after = np.clip(np.searchsorted(known, at), 1, len(known) - 1)
    left, right = np.asarray(known)[after - 1], np.asarray(known)[after]
    part = ((at - left) / (right - left)).reshape(-1, *[1] * (values.ndim - 1))
    between = values[after - 1] * (1 - part) + values[after] * part
    # At a known position only its own value counts, also if the neighbour's is NaN.
    return np.where(part == 0, values[after - 1], np.where(part == 1, values[after], between))
