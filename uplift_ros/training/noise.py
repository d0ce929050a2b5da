"""What 2D detectors do to joints, after SynSP's taxonomy: jitter, miss, inversion, and a systematic offset.

Sizes are in parts of the torso length, as measured on MediaPipe: white jitter of 0.4 to 0.7 %, slow drift and
pose-dependent bias of 7 to 10 %, static against tracking mode 2 to 4 %; inversions and misses of up to 10 % of the
joints in blurred or occluded frames and well below 1 % in clean ones.
"""

from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter

from uplift_ros.skeleton import H36M17

JOINT_FACTOR = np.array([0.8, 1.2, 1.0, 1.0, 1.2, 1.0, 1.0, 1.0, 1.0, 0.8, 0.8, 0.9, 1.0, 1.1, 0.9, 1.0, 1.1])
"""Noise of each joint against the mean one: hips are worst, the head is best."""

FREE_JOINTS = np.array([index for index, name in enumerate(H36M17.joints) if name not in ("pelvis", "spine", "thorax")])
"""Joints that a detector can miss on their own; the others are means of several."""


@dataclass(frozen=True)
class DetectorNoise:
    """Parameters; lengths are standard deviations per axis in torso lengths, rates are per joint and frame.

    Args:
        offset: constant for each joint of a sequence.
        drift: slow, with time constant `drift_seconds`.
        jitter: white.
        miss: rate of joints that land anywhere around.
        inversion: rate of frames in which the left and right arms or legs are swapped.
    """

    offset: float = 0.05
    drift: float = 0.05
    drift_seconds: float = 0.5
    jitter: float = 0.012
    miss: float = 0.005
    inversion: float = 0.005

    def apply(self, rng: np.random.Generator, plane: np.ndarray, frame_seconds: float, level: np.ndarray) -> np.ndarray:
        """Disturb 2D joints.

        Args:
            rng: source of randomness.
            plane: (B, T, 17, 2) points on the plane z = 1 (or pixels).
            frame_seconds: time between neighbours on the T axis.
            level: (B,) factor on all lengths and rates; 0 leaves the sequence as it is.

        Returns:
            (B, T, 17, 2).
        """
        batch, frames = plane.shape[:2]
        torso = np.linalg.norm(plane[:, :, 8] - plane[:, :, 0], axis=-1)
        scale = (
            np.median(torso, axis=1)[:, None] + torso
        ) / 2  # a person seen end-on has a short torso, not less noise
        unit = (scale * level[:, None])[:, :, None, None] * JOINT_FACTOR[:, None]
        keep = np.exp(-frame_seconds / self.drift_seconds)
        steps = rng.standard_normal((batch, frames, 17, 2))
        steps[:, 1:] *= np.sqrt(1 - keep**2)
        drift = lfilter([1.0], [1.0, -keep], steps, axis=1)
        offset = rng.standard_normal((batch, 1, 17, 2))
        jitter = rng.standard_normal(plane.shape)
        noisy = plane + unit * (self.offset * offset + self.drift * drift + self.jitter * jitter)

        lost = rng.random((batch, frames, len(FREE_JOINTS))) < self.miss * level[:, None, None]
        anywhere = plane[:, :, :1] + rng.standard_normal(plane.shape) * scale[:, :, None, None]
        noisy[:, :, FREE_JOINTS] = np.where(lost[..., None], anywhere[:, :, FREE_JOINTS], noisy[:, :, FREE_JOINTS])

        for limbs in (slice(1, 7), slice(11, 17)):
            swapped = rng.random((batch, frames)) < self.inversion * level[:, None]
            noisy[swapped, limbs] = noisy[swapped][:, H36M17.flip][:, limbs]
        return noisy
