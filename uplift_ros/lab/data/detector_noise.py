"""Errors of 2D detectors after SynSP's taxonomy (jitter, miss, inversion, swap), and errors that depend on the pose.

A detector has its own definition of each joint: a 3D offset along the axes of the segment, which looks different from
every viewpoint. A part of the drift is a function of the 2D pose, a different one for every person and view. Joints
behind the person's own body are placed near it, often with full confidence. Sides are swapped for a while, more often
if the face is not visible. Joints beyond the image's border are guessed with low scores, absent, or on the border.

Lengths are in parts of the torso length; lab/data/measured_detectors.py says where the numbers come from.
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from scipy.signal import lfilter

from uplift_ros.lab.data import measured_detectors as measured
from uplift_ros.lab.data import mocap
from uplift_ros.lab.data.convention import NOSE, PELVIS, SPINE, THORAX, joint_axes
from uplift_ros.lab.data.virtual_camera import NEAREST_M
from uplift_ros.skeleton import H36M17, HIP_RAISE, LIMB_JOINTS, LIMBS, THORAX_RAISE

HIPS, SHOULDERS = [1, 4], [14, 11]
"""Right and left joint."""

LEGS, ARMS = slice(1, 7), slice(11, 17)

FREE_JOINTS = np.array([index for index, name in enumerate(H36M17.joints) if name not in ("pelvis", "spine", "thorax")])
"""Joints that a detector can miss on their own; the others are means of several."""

TORSO_CORNERS = [*HIPS, *SHOULDERS]
TORSO_JOINTS = [PELVIS, SPINE, THORAX, *HIPS]
"""Joints that `skeleton.to_h36m17` gives the lowest score of hips and shoulders. If one of these four is missing, the
person has no pelvis and is not uplifted."""

LOSABLE_JOINTS = np.setdiff1d(FREE_JOINTS, TORSO_CORNERS)
"""Joints that may be absent."""

TRUNK_RADIUS_M, LIMB_RADIUS_M, BEHIND_M = 0.13, 0.05, 0.08
"""Half breadths of trunk and limbs that hide a joint, and how far in front of the joint they must lie."""

HIDING = (
    (0, 8, TRUNK_RADIUS_M),
    *((root, end, LIMB_RADIUS_M) for limb in LIMBS for root, end in itertools.pairwise(limb)),
)
"""Segments (root, end, radius) that hide joints."""


def unit_length(plane: np.ndarray) -> np.ndarray:
    """(B, T) torso length, the unit of errors, of joints (B, T, 17, 2) in the image.

    It is the mean of the frame's length and the sequence's median: a person seen end-on has a short torso, but no less
    noise.
    """
    torso = np.linalg.norm(plane[:, :, THORAX] - plane[:, :, PELVIS], axis=-1)
    return (np.median(torso, axis=1)[:, None] + torso) / 2


@dataclass(frozen=True)
class DetectorNoise:
    """Noise of a 2D detector. The defaults are those of a real detector on real people.

    Raising a multiple or the jitter enlarges errors; raising a rate makes such errors more frequent.

    Args:
        offset: constant of each joint, as a multiple of what was measured.
        apart: `offset` of these joints, by their names without a side, as a multiple of the others'; of "hip" it is the
            part that differs between the hips.
        drift: time-correlated error of each joint, as a multiple of what was measured.
        jitter: white; standard deviation per axis in torso lengths.
        far: rate of joints that are placed anywhere near the person, per joint and frame.
        absent: rate of joints that are left out (NaN), per joint and frame.
        inversion: rate of frames in which the left and right arms, or legs, are confused.
        reversal: rate of frames in which all sides are swapped while the face cannot be seen; a tenth of it otherwise.
        swap: rate of frames in which a limb, or its end, is another person's, per limb.
        hidden: drift of joints behind the person's own body, as a multiple of what was measured.
        dropout: rate of windows in which arms or legs are left out for the whole time, per kind.
        levelled: rate of windows in which the lines between hips, and between shoulders, are drawn nearer to a right
            angle with the trunk than they are.
        derived: rate of windows, clean ones too, in which pelvis, spine and thorax follow from hips and shoulders in
            the image, and their scores too, as in `skeleton.to_h36m17`. True places would reveal, by perspective, how
            far the trunk leans towards the camera, which no detector reports: networks learn to rely on it, and fail
            on real video.
    """

    offset: float = 1.85
    apart: Mapping[str, float] = field(default_factory=dict)
    drift: float = 1.85
    jitter: float = 0.007
    far: float = 0.005
    absent: float = 0.005
    inversion: float = 0.006
    reversal: float = 0.03
    swap: float = 0.002
    hidden: float = 1.0
    dropout: float = 0.0
    levelled: float = 0.8
    derived: float = 1.0

    def apply(
        self,
        rng: np.random.Generator,
        joints: np.ndarray,
        frame_seconds: float,
        level: np.ndarray,
        half_size: np.ndarray | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Detect the joints of people.

        Args:
            rng: source of randomness.
            joints: (B, T, 17, 3) camera optical frame, metres.
            frame_seconds: time between neighbours on the T axis.
            level: (B,) factor on all lengths and rates, larger for a worse detector; 0 adds no errors of the detector.
            half_size: (B, 2) half the width and height of the images on the plane z = 1; None is an image without
                borders.

        Returns:
            Points (B, T, 17, 2) on the plane z = 1, NaN if a joint is absent, which trunk, hips and shoulders never
            are, and scores (B, T, 17) in [0, 1].
        """
        batch, frames = joints.shape[:2]
        plane = _project(joints)
        unit = unit_length(plane)[:, :, None, None]
        axes = joint_axes(joints)
        scale = level[:, None, None, None]
        deviations = measured.SHARE_IN_3D * measured.TORSO_M * self._offsets()
        meant = deviations * rng.standard_normal((batch, 1, 17, 3)) * scale
        shift = _correlated((meant[..., None] * axes).sum(-2))
        noisy = _project(joints + shift)
        noisy += unit * scale * self._errors(rng, plane, unit, frame_seconds)

        def episodes(
            rate: float, count: int, seconds: float = measured.EPISODE_S, factor: np.ndarray | float = 1.0
        ) -> np.ndarray:
            lasting = max(1, round(seconds / frame_seconds))
            return _episodes(rng, (batch, frames, count), rate * level[:, None, None] * factor, lasting)

        _level_lines(rng, noisy, self.levelled * (level > 0))
        looks_away = axes[:, :, NOSE, 1, 2] > 0.2
        behind = hidden_joints(joints, plane)
        behind[:, :, NOSE] |= looks_away
        walk = _walk(rng, noisy.shape, frame_seconds, measured.FAST_S)
        noisy += self.hidden * measured.HIDDEN_DRIFT * scale * unit * walk * behind[..., None]
        near_body = (rng.random((batch, 1, 17, 1)) < 0.3 * level[:, None, None, None]) & behind[..., None]
        noisy = np.where(near_body & (self.hidden > 0), (noisy + noisy[:, :, H36M17.flip]) / 2, noisy)
        outside = np.zeros(plane.shape[:3], bool)
        if half_size is not None:
            noisy, outside = self._cut_off(rng, noisy, unit, half_size, frame_seconds, level)

        inverted = episodes(self.inversion, 2)
        faceless = np.where(looks_away, 1.0, 0.1)
        faceless = np.where(rng.random(batch) < 0.06, 1.0, faceless.mean(1))[:, None, None]
        reversed_sides = episodes(0.8 * self.reversal, 1, measured.LONG_EPISODE_S, faceless)
        reversed_sides |= episodes(0.2 * self.reversal, 1, frame_seconds, faceless)
        for limbs, swapped in zip((LEGS, ARMS), np.moveaxis(inverted ^ reversed_sides, -1, 0), strict=True):
            noisy[swapped, limbs] = noisy[swapped][:, H36M17.flip][:, limbs]

        other = _another_person(rng, plane, unit)
        swaps = episodes(self.swap, len(LIMBS))
        for limb, swapped in zip(LIMBS, np.moveaxis(swaps, -1, 0), strict=True):
            whole = rng.random((batch, 1)) < 0.5
            for joint, concerned in ((limb[1], swapped & whole), (limb[2], swapped)):
                noisy[concerned, joint] = other[concerned, joint]

        anywhere = plane[:, :, :1] + rng.standard_normal(plane.shape) * unit
        for rate, put, concerned in (
            (self.far, anywhere, FREE_JOINTS),
            (self.absent, np.full_like(plane, np.nan), LOSABLE_JOINTS),
        ):
            lost = episodes(rate, len(concerned))[..., None]
            noisy[:, :, concerned] = np.where(lost, put[:, :, concerned], noisy[:, :, concerned])
        derived = np.flatnonzero(rng.random(batch) < self.derived)
        noisy[derived] = _derive_trunk(noisy[derived])
        for joints_of_kind in ([3, 6], [2, 3, 5, 6], [13, 16]):
            left_out = np.flatnonzero(rng.random(batch) < self.dropout * (level > 0))
            noisy[left_out[:, None], :, joints_of_kind] = np.nan
        scores = _scores(rng, np.linalg.norm(noisy - plane, axis=-1) / unit[..., 0], behind, outside, level)
        scores[derived[:, None], :, TORSO_JOINTS] = scores[derived][:, :, TORSO_CORNERS].min(-1)[:, None]
        return noisy, scores

    def _offsets(self) -> np.ndarray:
        """(17, 1) deviations of the constants, in torso lengths."""
        factors = np.array([self.apart.get(joint.split("_")[-1], 1.0) for joint in H36M17.joints])
        return (self.offset * factors * measured.OFFSET)[:, None]

    def _cut_off(
        self,
        rng: np.random.Generator,
        noisy: np.ndarray,
        unit: np.ndarray,
        half_size: np.ndarray,
        frame_seconds: float,
        level: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Report points beyond the border as detectors do: points (B, T, 17, 2), and the mask (B, T, 17) of those."""
        border = half_size[:, None, None]
        outside = (np.abs(noisy) > border).any(-1, keepdims=True) & (level > 0)[:, None, None, None]
        outside[:, :, :1] = False
        guessed = noisy + measured.OUTSIDE_DRIFT * unit * _walk(rng, noisy.shape, frame_seconds, measured.FAST_S)
        absent = guessed.copy()
        absent[:, :, LOSABLE_JOINTS] = np.nan
        detector = rng.random((len(noisy), 1, 1, 1))
        put = np.where(detector < 0.7, guessed, np.where(detector < 0.8, np.clip(noisy, -border, border), absent))
        return np.where(outside, put, noisy), outside[..., 0]

    def _errors(
        self, rng: np.random.Generator, plane: np.ndarray, unit: np.ndarray, frame_seconds: float
    ) -> np.ndarray:
        """Offset in the image, drift and jitter (B, T, 17, 2) in torso lengths."""
        batch, frames = plane.shape[:2]
        walk = np.empty((batch, frames, 17, 2))
        for seconds in (measured.SLOW_S, measured.FAST_S):
            joints = np.flatnonzero(np.isclose(measured.DRIFT_TIME_S, seconds))
            walk[:, :, joints] = _walk(rng, (batch, frames, len(joints), 2), frame_seconds, seconds)
        pose = ((plane - plane[:, :, :1]) / unit).reshape(batch, frames, -1)
        response = rng.standard_normal((batch, 34, 34)) / (np.sqrt(34) * measured.POSE_DEVIATION)
        with_pose = ((pose - pose.mean(1, keepdims=True)) @ response).reshape(plane.shape)
        drift = measured.SHARE_WITH_POSE * with_pose + np.sqrt(1 - measured.SHARE_WITH_POSE**2) * walk
        errors = self.drift * measured.DRIFT[:, None] * drift
        in_image = np.sqrt(1 - measured.SHARE_IN_3D**2) * self._offsets()
        errors += in_image * rng.standard_normal((batch, 1, 17, 2))
        return _correlated(errors) + self.jitter * rng.standard_normal(errors.shape)


def _derive_trunk(points: np.ndarray) -> np.ndarray:
    """Points (B, T, 17, 2) whose pelvis, spine and thorax are computed from hips and shoulders in the image."""
    hips, shoulders = points[:, :, HIPS].mean(2), points[:, :, SHOULDERS].mean(2)
    thorax = shoulders + THORAX_RAISE / (1 - HIP_RAISE) * (shoulders - hips)
    points[:, :, [PELVIS, SPINE, THORAX]] = np.stack([hips, (hips + thorax) / 2, thorax], 2)
    return points


def _level_lines(rng: np.random.Generator, points: np.ndarray, rate: np.ndarray) -> None:
    """Reduce the slopes of the lines between hips and between shoulders against the trunk, in place.

    Args:
        points: (B, T, 17, 2).
        rate: (B,) probability that the slopes of a window are reduced.
    """
    up = mocap.unit(points[:, :, THORAX] - points[:, :, PELVIS])
    for (right, left), (mean, deviation) in zip((HIPS, SHOULDERS), measured.REMAINING_SLOPE.values(), strict=True):
        levelled = rng.random(len(points)) < rate
        remaining = np.where(levelled, rng.normal(mean, deviation, len(points)), 1.0)[:, None, None]
        slope = ((points[:, :, left] - points[:, :, right]) * up).sum(-1, keepdims=True)
        shift = (remaining - 1) / 2 * slope * up
        points[:, :, left] += shift
        points[:, :, right] -= shift


def hidden_joints(joints: np.ndarray, plane: np.ndarray) -> np.ndarray:
    """(B, T, 17) true if a joint lies behind the trunk or another limb of the same person, as the camera sees it."""
    hidden = np.zeros(joints.shape[:3], bool)
    depth = joints[..., 2]
    for first, last, radius in HIDING:
        mine = [joint for joint in LIMB_JOINTS if joint not in (first, last)]
        if first == 0:
            mine = [joint for joint in mine if joint not in (1, 4, 11, 14)]
        start, along = plane[:, :, None, first], plane[:, :, None, last] - plane[:, :, None, first]
        to_joint = plane[:, :, mine] - start
        part = (to_joint * along).sum(-1) / np.maximum((along**2).sum(-1), 1e-9)
        part = np.clip(part, 0, 1)
        front = depth[:, :, None, first] * (1 - part) + depth[:, :, None, last] * part
        gap = np.linalg.norm(to_joint - part[..., None] * along, axis=-1) * front
        hidden[:, :, mine] |= (gap < radius) & (front < depth[:, :, mine] - BEHIND_M)
    return hidden


def _scores(
    rng: np.random.Generator, error: np.ndarray, hidden: np.ndarray, outside: np.ndarray, level: np.ndarray
) -> np.ndarray:
    """Scores (B, T, 17) of joints that are `error` torso lengths off (NaN: absent), for several kinds of detectors.

    One detector in five reports 1 for every joint; three in ten give hidden joints the scores of visible ones, two in
    five do so for gross errors, one in five for joints outside the image. BlazePose gives the latter 0 to 0.03 (ankles)
    and 0.02 to 0.5 (knees).
    """
    batch = len(error)

    def kinds(share: float) -> np.ndarray:
        return rng.random((batch, 1, 1)) < share

    scores = 1 - 0.1 * np.abs(rng.standard_normal(error.shape)) * rng.random((batch, 1, 1))
    unsure = rng.uniform(0.1, 0.9, (batch, 1, error.shape[2])) + 0.1 * rng.standard_normal(error.shape)
    scores = np.where(hidden & kinds(0.7), scores * unsure, scores)
    scores = np.where(outside & kinds(0.8), scores * rng.beta(0.3, 5.0, (batch, 1, error.shape[2])), scores)
    scores = np.where(kinds(0.6), scores / (1 + (np.nan_to_num(error) / 0.4) ** 4), scores)
    scores = np.clip(scores, 0, 1) ** np.exp(rng.normal(0, 0.5, (batch, 1, 1)))
    scores = np.where(kinds(0.2) | (level == 0)[:, None, None], 1.0, scores)
    return np.where(np.isfinite(error), scores, 0.0)


def _correlated(errors: np.ndarray) -> np.ndarray:
    """Correlate errors (B, T, 17, C), in place, as those of detectors: hips with the pelvis, spine with its ends."""
    errors[:, :, HIPS] += errors[:, :, [PELVIS]]
    errors[:, :, SPINE] = (errors[:, :, PELVIS] + errors[:, :, THORAX]) / 2
    return errors


def _project(joints: np.ndarray) -> np.ndarray:
    return joints[..., :2] / np.maximum(joints[..., 2:], NEAREST_M)


def _walk(rng: np.random.Generator, shape: tuple[int, ...], frame_seconds: float, seconds: float) -> np.ndarray:
    """Stationary random walks along the second axis of `shape`, deviation 1, correlation time `seconds`."""
    keep = np.exp(-frame_seconds / seconds)
    steps = rng.standard_normal(shape)
    steps[:, 1:] *= np.sqrt(1 - keep**2)
    return lfilter([1.0], [1.0, -keep], steps, axis=1)


def _episodes(rng: np.random.Generator, shape: tuple[int, int, int], rate: np.ndarray, lasting: int) -> np.ndarray:
    """Bool array (B, T, N), true in episodes of `lasting` frames that cover a share `rate` (B, 1, 1) of all frames."""
    batch, frames, count = shape
    starts = rng.random((batch, frames + lasting - 1, count)) < 1 - (1 - rate.clip(0, 1)) ** (1 / lasting)
    started = np.cumsum(np.pad(starts, ((0, 0), (1, 0), (0, 0))), axis=1)
    return started[:, lasting:] > started[:, :-lasting]


def _another_person(rng: np.random.Generator, plane: np.ndarray, unit: np.ndarray) -> np.ndarray:
    """(B, T, 17, 2) another person, one to two torso lengths beside this one, with its motion at another time."""
    batch, frames = plane.shape[:2]
    times = (np.arange(frames) + rng.integers(frames, size=(batch, 1))) % frames
    pose = plane[np.arange(batch)[:, None], times] - plane[np.arange(batch)[:, None], times][:, :, :1]
    beside = np.zeros((batch, 1, 1, 2))
    beside[..., 0] = (rng.choice((-1, 1), batch) * rng.uniform(1, 2, batch))[:, None, None]
    return plane[:, :, :1] + pose + beside * unit
