"""Training windows for the uplifting network, with random motion, bodies, cameras, 2D errors and key-frames."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from scipy.ndimage import uniform_filter1d
from torch import Tensor
from torch.utils.data import IterableDataset

from uplift_ros.camera import camera_to_canonical_rotation, normalise
from uplift_ros.lab.data import augmentation
from uplift_ros.lab.data.detector_noise import DetectorNoise
from uplift_ros.lab.data.mocap import Sequence, class_balanced
from uplift_ros.lab.data.virtual_camera import in_image, random_views
from uplift_ros.metrics import velocity
from uplift_ros.models.configs import UpliftConfig
from uplift_ros.skeleton import H36M17, mirror
from uplift_ros.streaming.track import interpolate

CLEAN = 0.2
"""Share of windows whose 2D poses are true."""

BORDERED = 0.5
"""Share of windows in which joints beyond the border of the image are lost or guessed; in the others the image has no
border."""

REAL_OFFSETS = {"hip": 1.5}
"""Parameter `apart` of DetectorNoise: the error of each hip on its own was larger on a real person than on a drawn
one."""

MIN_WEIGHT_MPS = 0.5
"""Speed that is added to that of every frame before frames are drawn in proportion to their speed; a larger value draws
slow motion more often."""

STILL = 0.1
"""Share of windows in which people hardly move: they stand and sit for longer than in captures."""

HALVED, MISSED, MISPLACED = 0.3, 0.3, 0.3
"""Shares of masks in which look back halves intervals, people are missed, or images lie between tokens."""


class Batch(NamedTuple):
    """Windows for one step: inputs (B, T, 17, 2 or 3), mask (B, T), targets (B, T, 17, 3) in metres."""

    inputs: Tensor
    mask: Tensor
    targets: Tensor

    @classmethod
    def of(cls, inputs: np.ndarray, mask: np.ndarray, targets: np.ndarray) -> "Batch":
        return cls(torch.from_numpy(inputs).float(), torch.from_numpy(mask), torch.from_numpy(targets).float())


class WindowSampler(IterableDataset):
    """Endless random training windows: motion, body, speed, camera, noise and key-frame mask all vary.

    Args:
        sequences: at the network's rate.
        config: of the network.
        batch: windows in a batch.
        rng: source of all randomness.
        twins: each window is followed by its mirror image with the same mask: the paper's within-batch augmentation.

    Raises:
        ValueError: twins in an odd batch.
    """

    def __init__(
        self,
        sequences: list[Sequence],
        config: UpliftConfig,
        batch: int,
        rng: np.random.Generator,
        *,
        twins: bool = False,
    ) -> None:
        if twins and batch % 2:
            raise ValueError(f"batch must be even for windows and their mirror images, got {batch}")
        self.config, self.rng, self.twins = config, rng, twins
        self.drawn = batch // 2 if twins else batch
        self.noise = DetectorNoise(apart=REAL_OFFSETS, dropout=0.03)
        self.joints = np.concatenate([sequence.joints for sequence in sequences])
        self.frames = np.arange(len(self.joints))
        self.ends = np.cumsum([len(sequence.joints) for sequence in sequences])
        weights = [
            probability * frames / frames.sum()
            for probability, frames in zip(
                class_balanced(sequences),
                (_frame_weights(sequence, config.model_rate) for sequence in sequences),
                strict=True,
            )
        ]
        self.upto = np.cumsum(np.concatenate(weights))

    def __iter__(self) -> Iterator[Batch]:
        while True:
            yield self.draw()

    def draw(self) -> Batch:
        rng, config = self.rng, self.config
        joints = augmentation.varied(rng, self._windows())
        seconds = np.arange(config.tokens) * config.token_stride / config.model_rate
        views, half_size = random_views(rng, joints, seconds)
        seen = views.apply(joints)
        level = np.where(rng.random(len(joints)) < CLEAN, 0.0, rng.uniform(0.1, 1.4, len(joints)))
        border = np.where(rng.random((len(joints), 1)) < BORDERED, half_size, np.inf)
        plane, scores = self.noise.apply(rng, seen, config.token_stride / config.model_rate, level, border)
        mask = random_mask(rng, config, len(joints)) & in_image(seen, half_size)
        mask[~mask.any(1), config.centre] = True  # every camera looks at the person in this frame
        inputs = normalise(plane, config.normalisation, scores if config.scores else None)
        rotation = camera_to_canonical_rotation(interpolated(plane[:, :, 0], mask), config.normalisation)
        targets = (seen - seen[:, :, :1]) @ np.swapaxes(rotation, -1, -2)
        if self.twins:
            inputs, mask, targets = with_twins(inputs), np.repeat(mask, 2, 0), with_twins(targets)
        return Batch.of(inputs, mask, targets)

    def _windows(self) -> np.ndarray:
        """Windows (B, T, 17, 3) around random frames, at random speed; beyond a sequence's ends its last pose stays."""
        config, rng = self.config, self.rng
        offsets = (np.arange(config.tokens) - config.centre) * config.token_stride
        speeds = np.where(rng.random(self.drawn) < 0.5, 1.0, np.exp(rng.uniform(-0.4, 0.4, self.drawn)))
        speeds *= np.where(rng.random(self.drawn) < STILL, rng.uniform(0, 0.3, self.drawn), 1.0)
        frames = np.searchsorted(self.upto, rng.random(self.drawn) * self.upto[-1])
        sequence = np.searchsorted(self.ends, frames, side="right")
        first, last = np.append(0, self.ends)[sequence], self.ends[sequence] - 1
        at = np.clip(frames[:, None] + offsets * speeds[:, None], first[:, None], last[:, None])  # (B, T)
        return interpolate(at.ravel(), self.frames, self.joints).reshape(*at.shape, len(H36M17), 3)


def _frame_weights(sequence: Sequence, rate: float) -> np.ndarray:
    """(T,) sampling weight of each frame: larger around fast motion, which is rare and hard."""
    if len(sequence.joints) < 2:
        return np.ones(len(sequence.joints))
    speed = velocity(sequence.joints, rate)
    return MIN_WEIGHT_MPS + uniform_filter1d(np.append(speed, speed[-1]), int(rate / 2), mode="nearest")


def with_twins(poses: np.ndarray) -> np.ndarray:
    """Poses (B, ...), each followed by its mirror image; the horizontal angle of the pelvis is negated as well."""
    return np.stack([poses, mirror(poses)], 1).reshape(-1, *poses.shape[1:])


def random_mask(rng: np.random.Generator, config: UpliftConfig, batch: int) -> np.ndarray:
    """(B, T) bool, true at tokens with a 2D pose.

    The stride is constant within a window and has any phase, as in the paper; long strides, which are harder, are drawn
    more often. In addition there are the cases of a stream: a key-frame on the newest token, a change of stride inside
    the window, a person who has just come into view or was missed, halved intervals, and images between tokens.

    Args:
        config: of the network, with its strides.
        batch: B.
    """
    often = np.sqrt(config.input_strides)
    often /= often.sum()
    tokens = np.arange(config.tokens)
    newest = config.tokens - 1
    strides = np.array(config.input_strides) // config.token_stride
    stride, other = strides[rng.choice(len(strides), batch, p=often)], strides[rng.choice(len(strides), batch)]
    phase = np.where(rng.random(batch) < 0.5, newest % stride, rng.integers(stride))
    masks = tokens % stride[:, None] == phase[:, None]
    switch = _pick(rng, masks)[:, None]  # key-frame at which the stride changes
    before = (switch - tokens) % other[:, None] == 0
    switched = (rng.random(batch) < 0.3)[:, None] & (tokens < switch)
    masks = np.where(switched, before, masks)
    last = newest - masks[:, ::-1].argmax(1)
    first = np.where(rng.random(batch) < 0.2, rng.integers(last + 1), 0)
    masks &= tokens >= first[:, None]
    return _as_in_streams(rng, masks)


def _as_in_streams(rng: np.random.Generator, masks: np.ndarray) -> np.ndarray:
    """Masks (B, T) with key-frames added by look back, removed, and moved by a token; each keeps at least one."""
    batch, tokens = len(masks), np.arange(masks.shape[1])
    halved, missed, misplaced = rng.random((3, batch, 1)) < np.reshape((HALVED, MISSED, MISPLACED), (3, 1, 1))
    for _ in range(2):
        before, after = neighbours(masks)
        middle = (before < tokens) & (tokens < after) & (tokens == (before + after) // 2)
        masks = masks | (middle & halved & (rng.random(masks.shape) < 0.5))
    seen = masks & ~(missed & (rng.random(masks.shape) < 0.1))
    rows, columns = np.nonzero(np.where(seen.any(1, keepdims=True), seen, masks))
    columns += misplaced[rows, 0] * rng.choice((-1, 0, 1), len(rows), p=(0.1, 0.8, 0.1))
    placed = np.zeros_like(masks)
    placed[rows, columns.clip(0, tokens[-1])] = True
    return placed


def neighbours(masks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(B, T) last key-frame at or before each token, and first at or after it, as tokens, clamped at the ends.

    Args:
        masks: (B, T) bool, true at key-frames.
    """
    tokens = np.arange(masks.shape[1])
    before = np.maximum.accumulate(np.where(masks, tokens, -1), 1)
    after = np.minimum.accumulate(np.where(masks, tokens, len(tokens))[:, ::-1], 1)[:, ::-1]
    return np.where(before < 0, after, before), np.where(after == len(tokens), before, after)


def interpolated(values: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Interpolate values (B, T, C) between key-frames, the true elements of masks (B, T), as streams do the pelvis."""
    before, after = (tokens[..., None] for tokens in neighbours(masks))
    part = (np.arange(masks.shape[1])[:, None] - before) / np.maximum(after - before, 1)
    return np.take_along_axis(values, before, 1) * (1 - part) + np.take_along_axis(values, after, 1) * part


def _pick(rng: np.random.Generator, masks: np.ndarray) -> np.ndarray:
    """(B,) index of a random true element in each row of (B, T)."""
    return np.where(masks, rng.random(masks.shape), -1.0).argmax(1)
