"""Training data of refinement networks: clips of motion with synthetic noise, and of an estimator's own output."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from uplift_ros.lab.data import mocap
from uplift_ros.lab.data.pose_noise import PoseNoise
from uplift_ros.lab.data.protocols import LATENCY_FRAMES, fixed, online, project_sequences
from uplift_ros.lab.data.virtual_camera import rotation_xyz
from uplift_ros.models.uplift import UpliftUpsample
from uplift_ros.skeleton import H36M17, mirror
from uplift_ros.transforms import WORLD_TO_OPTICAL

VALIDATION_FRAMES = 150
"""Frames of each validation sequence, so that a report takes seconds."""

Pair = tuple[np.ndarray, np.ndarray]
"""An estimate and the truth, both (T, 17, 3), metres, optical frame."""


class ClipSampler:
    """Endless random clips of disturbed and true root-relative poses, (B, L, 51) each, metres, optical frame.

    Args:
        sequences: motion to which synthetic noise is added.
        frames: L.
        batch: B.
        rng: source of all randomness.
        pairs: an estimator's own outputs with the truth; if given, half of each batch is drawn from those of at least L
            frames.

    Attributes:
        paired: clips of the pairs in each batch, its last ones.

    Raises:
        ValueError: an estimate that does not fit its truth, or no pair of L frames.
    """

    def __init__(
        self,
        sequences: Sequence[mocap.Sequence],
        frames: int,
        batch: int,
        rng: np.random.Generator,
        pairs: Sequence[Pair] = (),
    ) -> None:
        for estimated, true in pairs:
            if estimated.shape != true.shape or true.shape[1:] != (len(H36M17), 3):
                raise ValueError(f"pairs must be two arrays (T, 17, 3), got {estimated.shape} and {true.shape}")
        self.sequences, self.frames, self.batch, self.rng = sequences, frames, batch, rng
        self.pairs = [pair for pair in pairs if len(pair[0]) >= frames]
        self.paired = batch // 2 if pairs else 0
        if pairs and not self.pairs:
            longest = max(len(true) for _, true in pairs)
            raise ValueError(f"pairs must have at least {frames} frames, the longest has {longest}")
        self.noise = PoseNoise()
        self.probability = mocap.class_balanced(list(sequences))
        self.pair_probability = np.array([len(truth) for _, truth in self.pairs], float)
        self.pair_probability /= max(self.pair_probability.sum(), 1.0)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        while True:
            yield self.draw()

    def draw(self) -> tuple[Tensor, Tensor]:
        noisy, true = self._disturbed(self.batch - self.paired)
        if self.paired:
            estimated, known = self._paired(self.paired)
            noisy, true = np.concatenate([noisy, estimated]), np.concatenate([true, known])
        size = self.rng.uniform(0.85, 1.15, (len(true), 1, 1, 1))
        return _tensor(noisy * size), _tensor(true * size)

    def _disturbed(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Clips (count, L, 17, 3) seen by random cameras, without and with synthetic noise."""
        rng, margin = self.rng, self.noise.margin
        offsets = np.arange(-margin, self.frames + margin)
        clips = np.empty((count, len(offsets), len(H36M17), 3))
        for clip, index in zip(clips, rng.choice(len(self.sequences), count, p=self.probability), strict=True):
            joints = self.sequences[index].joints
            start = rng.integers(max(len(joints) - self.frames, 0) + 1)
            clip[:] = joints[np.clip(start + offsets, 0, len(joints) - 1)]
        mirrored = rng.random(count) < 0.5
        clips[mirrored] = mirror(clips[mirrored])
        clips = (clips - clips[:, :, :1]) @ np.swapaxes(random_rotations(rng, count), -1, -2)[:, None]
        inside = slice(margin, margin + self.frames)
        return self.noise.apply(rng, clips)[:, inside], clips[:, inside]

    def _paired(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """An estimator's clips (count, L, 17, 3), and the truth moved by their mean error.

        The mean error is larger than the errors that smoothing changes. Trained against the truth itself, the network
        learns the stature of the captured people and alters sizes that are known. Trained against the truth in the
        estimate's size, it gained 1 % on held-out motion of one camera and lost 2 % on fused views of several.
        """
        rng, frames = self.rng, self.frames
        drawn = []
        for index in rng.choice(len(self.pairs), count, p=self.pair_probability):
            estimated, true = self.pairs[index]
            start = rng.integers(len(true) - frames + 1)
            drawn.append((estimated[start : start + frames], true[start : start + frames]))
        both = np.array(drawn).swapaxes(0, 1)  # (2, count, L, 17, 3)
        mirrored = rng.random(count) < 0.5
        both[:, mirrored] = mirror(both[:, mirrored])
        estimated, true = both - both[..., :1, :]
        return estimated, true + (estimated - true).mean(1, keepdims=True)


def random_rotations(rng: np.random.Generator, count: int) -> np.ndarray:
    """(count, 3, 3) from the world into optical frames of any heading, up to 30 degrees of pitch and 5 of roll."""
    heading = rotation_xyz(np.zeros(count), rng.uniform(-np.pi, np.pi, count), np.zeros(count))
    pitch, roll = np.radians(rng.uniform(-30, 30, count)), np.radians(rng.uniform(-5, 5, count))
    return rotation_xyz(pitch, np.zeros(count), roll) @ heading @ WORLD_TO_OPTICAL


def noise_pairs(sequences: Sequence[mocap.Sequence], noise: PoseNoise) -> list[Pair]:
    """The first frames of each sequence with synthetic noise, which is the same at every call, for validation."""
    rng = np.random.default_rng(0)
    pairs = []
    for sequence in sequences:
        joints = sequence.joints[:VALIDATION_FRAMES]
        true = (joints - joints[:, :1]) @ random_rotations(rng, 1)[0].T
        pairs.append((noise.apply(rng, true[None])[0], true))
    return pairs


def uplifter_pairs(model: UpliftUpsample, sequences: Sequence[mocap.Sequence], seed: int) -> list[Pair]:
    """Streaming output of an uplifting network, with the truth, for every sequence, each seen by a camera of its own.

    Two of three sequences are seen by a noisy detector. The stride of each is one of the network's.
    """
    rng = np.random.default_rng(seed)
    config = model.config
    pairs = []
    for sequence in tqdm(sequences, "uplifting", disable=None):
        noise = "detector" if rng.random() < 2 / 3 else "none"
        (clip,) = project_sequences([sequence], config.model_rate, 1, noise, int(rng.integers(2**31)))
        stride = int(rng.choice(config.input_strides))
        estimate = online(model, clip, fixed(config, stride), LATENCY_FRAMES)
        pairs.append((estimate.poses, estimate.truth))
    return pairs


def _tensor(clips: np.ndarray) -> Tensor:
    return torch.from_numpy(clips.astype(np.float32)).flatten(2)
