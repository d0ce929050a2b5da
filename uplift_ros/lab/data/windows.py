"""Training windows for the uplifting network: motion, bodies, cameras, 2D errors and key-frames, all drawn anew."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from scipy.ndimage import uniform_filter1d
from torch import Tensor

from uplift_ros.camera import normalise
from uplift_ros.lab.data import bodies
from uplift_ros.lab.data.detector_noise import DetectorNoise
from uplift_ros.lab.data.mocap import Sequence, class_balanced, joints_at
from uplift_ros.lab.data.virtual_camera import NEAREST, in_image, random_views
from uplift_ros.metrics import velocity
from uplift_ros.models.configs import UpliftConfig
from uplift_ros.skeleton import H36M17

SLOWEST = 0.2
"""m/s that count for a frame without motion when frames are drawn by their speed."""


@dataclass(frozen=True)
class Batch:
    """Windows for one step: inputs (B, T, 17, 2), mask (B, T), targets (B, T, 17, 3) in metres."""

    inputs: Tensor
    mask: Tensor
    targets: Tensor


class WindowSampler:
    """Endless random training windows: motion, body, speed, camera, noise and key-frame mask all vary.

    Args:
        sequences: at the network's rate.
        batch: windows in a batch.
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
        self.sequences, self.config, self.rng, self.twins = sequences, config, rng, twins
        self.drawn = batch // 2 if twins else batch
        self.noise = DetectorNoise()
        self.probability = class_balanced(sequences)
        self.upto = [np.cumsum(_frame_weights(sequence, config.model_rate)) for sequence in sequences]

    def __iter__(self) -> Iterator[Batch]:
        while True:
            yield self.draw()

    def draw(self) -> Batch:
        rng, config = self.rng, self.config
        joints = bodies.varied(rng, self._windows())
        seconds = np.arange(config.tokens) * config.token_stride / config.model_rate
        views, half_width = random_views(rng, joints, seconds)
        seen = views.apply(joints)
        plane = seen[..., :2] / np.maximum(seen[..., 2:], NEAREST)
        level = np.where(rng.random(len(joints)) < 0.35, 0.0, rng.uniform(0.2, 1.8, len(joints)))
        plane = self.noise.apply(rng, plane, config.token_stride / config.model_rate, level)
        mask = random_mask(rng, config, len(joints)) & in_image(seen, half_width)
        mask[~mask.any(1), config.centre] = True  # where every camera looks
        pose = normalise(plane, config.normalisation)
        relative = seen - seen[:, :, :1]
        windows = Batch(
            torch.from_numpy(pose.inputs.astype(np.float32)),
            torch.from_numpy(mask),
            torch.from_numpy((relative @ np.swapaxes(pose.rotation, -1, -2)).astype(np.float32)),
        )
        return with_twins(windows) if self.twins else windows

    def _windows(self) -> np.ndarray:
        """Windows (B, T, 17, 3) around random frames, at random speed; beyond a sequence's ends its last pose stays."""
        config, rng = self.config, self.rng
        offsets = (np.arange(config.tokens) - config.centre) * config.token_stride
        speeds = np.where(rng.random(self.drawn) < 0.5, 1.0, np.exp(rng.uniform(-0.4, 0.4, self.drawn)))
        windows = np.empty((self.drawn, config.tokens, len(H36M17), 3))
        chosen = rng.choice(len(self.sequences), self.drawn, p=self.probability)
        for row, (index, speed) in enumerate(zip(chosen, speeds, strict=True)):
            joints, upto = self.sequences[index].joints, self.upto[index]
            frame = np.searchsorted(upto, rng.random() * upto[-1])
            at = np.clip(frame + offsets * speed, 0, len(joints) - 1)
            windows[row] = joints_at(joints, at)
        return windows


def _frame_weights(sequence: Sequence, rate: float) -> np.ndarray:
    """(T,) how often windows are drawn around each frame: more often around fast motion, which is rare and hard."""
    if len(sequence.joints) < 2:
        return np.ones(len(sequence.joints))
    speed = velocity(sequence.joints, rate)
    return SLOWEST + uniform_filter1d(np.append(speed, speed[-1]), int(rate / 2), mode="nearest")


def with_twins(windows: Batch) -> Batch:
    """Each window followed by its mirror image, seen with the same mask."""
    flip = torch.from_numpy(H36M17.flip)
    inputs = windows.inputs[:, :, flip] * torch.tensor([-1.0, 1.0])  # the pelvis's horizontal angle turns round, too
    targets = windows.targets[:, :, flip] * torch.tensor([-1.0, 1.0, 1.0])
    return Batch(
        torch.stack([windows.inputs, inputs], 1).flatten(0, 1),
        windows.mask.repeat_interleave(2, 0),
        torch.stack([windows.targets, targets], 1).flatten(0, 1),
    )


def random_mask(rng: np.random.Generator, config: UpliftConfig, batch: int) -> np.ndarray:
    """Where 2D poses exist: (B, T) bool.

    Uniform strides with any phase as in the paper, long ones, which are harder, more often; also what a stream adds: a
    key-frame on the newest token, a change of stride inside the window, and a person who has only just come into view.
    """
    often = np.sqrt(config.input_strides)
    often /= often.sum()
    tokens = np.arange(config.tokens)
    masks = np.zeros((batch, config.tokens), bool)
    for mask in masks:
        stride = rng.choice(config.input_strides, p=often) // config.token_stride
        newest = config.tokens - 1
        phase = newest % stride if rng.random() < 0.5 else rng.integers(stride)
        mask[:] = tokens % stride == phase
        if rng.random() < 0.3:
            other = rng.choice(config.input_strides) // config.token_stride
            switch = rng.choice(tokens[mask])
            older = tokens < switch
            mask[older] = (switch - tokens[older]) % other == 0
        if rng.random() < 0.1:
            mask[: rng.integers(tokens[mask][-1] + 1)] = False
    return masks
