"""What 2D detectors do to joints, after SynSP's taxonomy: jitter, miss, inversion, swap; and a systematic offset.

Lengths are in parts of the torso length. Where the numbers come from:

- `MEASURED` is BlazePose on the synthetic camera, five viewpoints, 2500 images (lab/studies/detector_errors.py):
  offset and drift of each joint, mean error 4.3 %.
- Real people are harder than a drawn one. Against Human3.6M's truth BlazePose's mean error was 7.4 % (4 images, with a
  mapping that was fitted to them), its drift and pose-dependent bias on real clips 7 to 10 %. Hence `offset` and
  `drift` are 1.85 times what was measured, which makes a mean error of 8.6 %, twice the synthetic person's.
- White jitter is no larger on real people: 0.5 to 0.8 % on clips, 0.0 to 1.3 % on the synthetic person.
- Sides were swapped in 1.3 % (arms) and 1.5 % (legs) of the images of a clip of people who turn, in none of people who
  face the camera, in 1 to 10 % where limbs are hidden or blurred: 1 %.
- Joints were lost in 0.2 % of that clip's images, in up to 18 % of occluded ones: 1 %. Half of them land anywhere, as
  BlazePose places every joint; half are absent, as other networks and messages may leave joints out.
- A limb on another person takes several people in an image: 0.2 %, an assumption, as is how long such errors stay.
"""

from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter

from uplift_ros.skeleton import H36M17

SLOW, FAST = 0.8, 0.2
"""Seconds: time constants of the drift of trunk and head, and of limbs, whose bias follows their pose (measured)."""

MEASURED = {
    "pelvis": (0.021, 0.023, SLOW),
    "hip": (0.009, 0.015, SLOW),  # on top of the pelvis, with which hips err together
    "knee": (0.011, 0.026, FAST),
    "ankle": (0.026, 0.030, FAST),
    "spine": (0.0, 0.0, SLOW),  # detectors have none: it lies between pelvis and thorax, and so do its errors
    "thorax": (0.017, 0.024, SLOW),
    "nose": (0.032, 0.026, SLOW),
    "head": (0.029, 0.032, SLOW),
    "shoulder": (0.018, 0.027, FAST),
    "elbow": (0.019, 0.041, FAST),
    "wrist": (0.016, 0.048, FAST),
}
"""Of each joint: root mean square offset of a viewpoint, and drift with its time constant; deviations per axis."""

OFFSET, DRIFT, SECONDS = np.array([MEASURED[joint.split("_")[-1]] for joint in H36M17.joints]).T

PELVIS, SPINE, THORAX, HIPS = 0, 7, 8, [1, 4]
LEGS, ARMS = slice(1, 7), slice(11, 17)
LIMBS = ((1, 2, 3), (4, 5, 6), (11, 12, 13), (14, 15, 16))

FREE_JOINTS = np.array([index for index, name in enumerate(H36M17.joints) if name not in ("pelvis", "spine", "thorax")])
"""Joints that a detector can miss on their own; the others are means of several."""

EPISODE = 0.2
"""Seconds that a joint stays lost or swapped: as long as it is hidden or blurred."""


def unit_length(plane: np.ndarray) -> np.ndarray:
    """(B, T) torso length that errors are measured in, of joints (B, T, 17, 2).

    Half of it is the sequence's median: a person seen end-on has a short torso, not less noise.
    """
    torso = np.linalg.norm(plane[:, :, THORAX] - plane[:, :, PELVIS], axis=-1)
    return (np.median(torso, axis=1)[:, None] + torso) / 2


@dataclass(frozen=True)
class DetectorNoise:
    """Parameters at level 1: a real detector on real people, as the module's text explains.

    Args:
        offset: constant of each joint, as a multiple of what was measured.
        drift: time-correlated error of each joint, as a multiple of what was measured.
        jitter: white; standard deviation per axis in torso lengths.
        far: rate of joints that land anywhere around, per joint and frame.
        absent: rate of joints that are left out (NaN), per joint and frame.
        inversion: rate of frames in which the left and right arms, or legs, are taken for each other.
        swap: rate of frames in which a limb, or its end, is another person's, per limb.
    """

    offset: float = 1.85
    drift: float = 1.85
    jitter: float = 0.007
    far: float = 0.005
    absent: float = 0.005
    inversion: float = 0.01
    swap: float = 0.002

    def apply(self, rng: np.random.Generator, plane: np.ndarray, frame_seconds: float, level: np.ndarray) -> np.ndarray:
        """Disturb 2D joints.

        Args:
            rng: source of randomness.
            plane: (B, T, 17, 2) points on the plane z = 1 (or pixels).
            frame_seconds: time between neighbours on the T axis.
            level: (B,) factor on all lengths and rates; 0 leaves the sequence as it is.

        Returns:
            (B, T, 17, 2), NaN where a joint is absent, which the pelvis never is.
        """
        batch, frames = plane.shape[:2]
        unit = unit_length(plane)[:, :, None, None]
        noisy = plane + unit * level[:, None, None, None] * self._errors(rng, batch, frames, frame_seconds)
        lasting = max(1, round(EPISODE / frame_seconds))

        def episodes(rate: float, count: int) -> np.ndarray:
            return _episodes(rng, (batch, frames, count), rate * level[:, None, None], lasting)

        inverted = episodes(self.inversion, 2)
        for limbs, swapped in zip((LEGS, ARMS), np.moveaxis(inverted, -1, 0), strict=True):
            noisy[swapped, limbs] = noisy[swapped][:, H36M17.flip][:, limbs]

        other = _another_person(rng, plane, unit)
        swaps = episodes(self.swap, len(LIMBS))
        for limb, swapped in zip(LIMBS, np.moveaxis(swaps, -1, 0), strict=True):
            whole = rng.random((batch, 1)) < 0.5
            for joint, concerned in ((limb[1], swapped & whole), (limb[2], swapped)):
                noisy[concerned, joint] = other[concerned, joint]

        anywhere = plane[:, :, :1] + rng.standard_normal(plane.shape) * unit
        for rate, put in ((self.far, anywhere), (self.absent, np.full_like(plane, np.nan))):
            lost = episodes(rate, len(FREE_JOINTS))[..., None]
            noisy[:, :, FREE_JOINTS] = np.where(lost, put[:, :, FREE_JOINTS], noisy[:, :, FREE_JOINTS])
        return noisy

    def _errors(self, rng: np.random.Generator, batch: int, frames: int, frame_seconds: float) -> np.ndarray:
        """Offset, drift and jitter (B, T, 17, 2) in torso lengths."""
        drift = rng.standard_normal((batch, frames, 17, 2))
        for seconds in (SLOW, FAST):
            joints = np.flatnonzero(np.isclose(SECONDS, seconds))
            keep = np.exp(-frame_seconds / seconds)
            steps = drift[:, :, joints]
            steps[:, 1:] *= np.sqrt(1 - keep**2)
            drift[:, :, joints] = lfilter([1.0], [1.0, -keep], steps, axis=1)
        errors = self.drift * DRIFT[:, None] * drift
        errors += self.offset * OFFSET[:, None] * rng.standard_normal((batch, 1, 17, 2))
        errors[:, :, HIPS] += errors[:, :, [PELVIS]]
        errors[:, :, SPINE] = (errors[:, :, PELVIS] + errors[:, :, THORAX]) / 2
        return errors + self.jitter * rng.standard_normal(errors.shape)


def _episodes(rng: np.random.Generator, shape: tuple[int, int, int], rate: np.ndarray, lasting: int) -> np.ndarray:
    """Bool array (B, T, N), true in episodes of `lasting` frames that fill a part `rate` (B, 1, 1) of all frames."""
    batch, frames, count = shape
    starts = rng.random((batch, frames + lasting - 1, count)) < 1 - (1 - rate.clip(0, 1)) ** (1 / lasting)
    started = np.cumsum(np.pad(starts, ((0, 0), (1, 0), (0, 0))), axis=1)
    return started[:, lasting:] > started[:, :-lasting]


def _another_person(rng: np.random.Generator, plane: np.ndarray, unit: np.ndarray) -> np.ndarray:
    """Somebody one to two torso lengths beside, who does what this person does at another time."""
    batch, frames = plane.shape[:2]
    times = (np.arange(frames) + rng.integers(frames, size=(batch, 1))) % frames
    pose = plane[np.arange(batch)[:, None], times] - plane[np.arange(batch)[:, None], times][:, :, :1]
    beside = np.zeros((batch, 1, 1, 2))
    beside[..., 0] = (rng.choice((-1, 1), batch) * rng.uniform(1, 2, batch))[:, None, None]
    return plane[:, :, :1] + pose + beside * unit
