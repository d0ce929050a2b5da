"""Synthetic noise of 3D estimates on true motion: jitter, slow drift, and interpolation between key-frames.

An error is drawn once per clip and shared by all of its windows, as in a stream (SynSP's own synthetic data draws new
errors for every window, so that averaging windows averages the noise away).
"""

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import make_interp_spline
from scipy.signal import lfilter

KEYFRAME_INTERVALS = (4, 10, 20)
"""Frames at 50 Hz, as the uplifting network's input strides."""

SMALLEST_JITTER = 0.5
"""Smallest width of clips of jitter alone, as a share of the largest: detectors with such jitter are bad ones."""


@dataclass(frozen=True)
class PoseNoise:
    """Synthetic noise of clips.

    Args:
        width: metres, the largest full width of the error of a coordinate; every clip draws its own up to this. SynSP's
            synthetic data has 0.1 to 0.115. A larger value trains a refiner that smooths more.
        correlation: frames, shortest and longest time constant of drift; larger values make drift slower.
        interpolated: share of clips that are known only at key-frames and interpolated between them.
        jittered: share of clips with a large independent error at every frame, as SynSP's synthetic noise. In half of
            them the root has such an error too, which all other joints share because they are relative to it.
    """

    width: float = 0.12
    correlation: tuple[float, float] = (2.0, 50.0)
    interpolated: float = 0.25
    jittered: float = 0.4

    def apply(self, rng: np.random.Generator, poses: np.ndarray) -> np.ndarray:
        """Add noise to root-relative poses (B, L, 17, 3), metres; the root itself has none.

        Within `margin` frames of both ends of a clip, interpolated poses may be constant.
        """
        clips = len(poses)
        kind = rng.random(clips)
        interpolated = kind < self.interpolated
        jittered = ~interpolated & (kind < self.interpolated + self.jittered)
        share, size = rng.random((2, clips))
        share[jittered] = 1.0
        size[jittered] = SMALLEST_JITTER + (1 - SMALLEST_JITTER) * size[jittered]
        jitter = rng.uniform(-0.5, 0.5, poses.shape)
        drift = _drift(rng, poses.shape, self.correlation)
        noise = _each(self.width * size) * (_each(np.sqrt(share)) * jitter + _each(np.sqrt(1 - share)) * drift)
        shaken = jittered & (rng.random(clips) < 0.5)
        noise[shaken] -= noise[shaken][:, :, :1]
        noise[:, :, 0] = 0.0
        noisy = poses + noise
        for clip in np.flatnonzero(interpolated):
            # Little of the jitter remains between key-frames, since a network, not a detector, fills them in.
            noisy[clip] = _through_keyframes(rng, noisy[clip]) + 0.1 * rng.random() * noise[clip]
        return noisy

    @property
    def margin(self) -> int:
        """Frames at both ends of a clip that interpolation may leave constant."""
        return 2 * max(KEYFRAME_INTERVALS)


def _each(values: np.ndarray) -> np.ndarray:
    """(B,) values of clips, in a shape that broadcasts to (B, L, 17, 3)."""
    return values[:, None, None, None]


def _drift(rng: np.random.Generator, shape: tuple[int, ...], correlation: tuple[float, float]) -> np.ndarray:
    """First-order low-pass noise (B, L, ...) with a time constant per clip, as strong as jitter of full width 1."""
    noise = rng.normal(0, np.sqrt(1 / 12), shape)
    shortest, longest = np.log(correlation)
    constants = np.exp(rng.uniform(shortest, longest, shape[0]))
    for clip, constant in zip(noise, constants, strict=True):
        keep = np.exp(-1 / constant)
        clip[1:] *= np.sqrt(1 - keep**2)
        clip[:] = lfilter([1.0], [1.0, -keep], clip, axis=0)
    return noise


def _through_keyframes(rng: np.random.Generator, clip: np.ndarray) -> np.ndarray:
    """Interpolate a clip (L, ...) between every k-th frame, linearly or by a cubic spline."""
    interval = rng.choice(KEYFRAME_INTERVALS)
    keyframes = np.arange(rng.integers(min(interval, len(clip))), len(clip), interval)
    degree = min(int(rng.choice((1, 3))), len(keyframes) - 1)
    spline = make_interp_spline(keyframes, clip[keyframes], k=degree)
    return spline(np.clip(np.arange(len(clip)), keyframes[0], keyframes[-1]))
