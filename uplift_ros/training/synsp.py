"""Training of the SynSP refinement network on motion capture with errors put on, and on pairs of estimate and truth."""

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
import torch
from torch import Tensor

from uplift_ros.evaluation.metrics import accel, mpjpe
from uplift_ros.models import weights
from uplift_ros.models.synsp import SynSP, SynSPConfig, synsp_loss
from uplift_ros.models.uplift import UpliftUpsample
from uplift_ros.online.refiner import refine_sequence
from uplift_ros.skeleton import H36M17
from uplift_ros.training import mocap
from uplift_ros.training.loop import Checkpoint, ExponentialAverage, TrainingLog
from uplift_ros.training.pose_noise import PoseNoise
from uplift_ros.training.uplifter_pairs import uplifter_pairs
from uplift_ros.training.virtual_camera import rotation_xyz

WORLD_TO_LEVEL = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
"""Rotation from the world (z up) into the optical frame of a level camera that looks along y."""

RATE_AT_END = 0.95**70
"""Of the learning rate at the start: 70 epochs of decay 0.95 (SynSP, CVPR 2024)."""

VALIDATION_FRAMES = 150
"""Of each validation sequence, so that a report takes seconds."""

Pair = tuple[np.ndarray, np.ndarray]
"""An estimate and the truth, both (T, 17, 3), metres, optical frame."""


class WindowSampler:
    """Endless random windows of disturbed and true root-relative poses, (B, T, 51) each, metres, optical frame.

    Args:
        sequences: motion that errors are put on.
        config: of the network.
        batch: B.
        rng: source of all randomness.
        pairs: an estimator's own outputs with the truth; if there are any, half of each batch is of them.

    Raises:
        ValueError: an estimate that does not fit its truth or is shorter than a window.
    """

    def __init__(
        self,
        sequences: list[mocap.Sequence],
        config: SynSPConfig,
        batch: int,
        rng: np.random.Generator,
        pairs: Sequence[Pair] = (),
    ) -> None:
        for estimated, true in pairs:
            if estimated.shape != true.shape or len(true) < config.window or true.shape[1:] != (len(H36M17), 3):
                raise ValueError(
                    f"pairs must be two arrays (T, 17, 3) of at least {config.window} frames, "
                    f"got {estimated.shape} and {true.shape}"
                )
        self.sequences, self.config, self.batch, self.rng, self.pairs = sequences, config, batch, rng, pairs
        self.noise = PoseNoise()
        self.probability = mocap.class_balanced(sequences)
        self.pair_probability = np.array([len(truth) for _, truth in pairs], float)
        self.pair_probability /= max(self.pair_probability.sum(), 1.0)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        while True:
            yield self.draw()

    def draw(self) -> tuple[Tensor, Tensor]:
        from_pairs = self.batch // 2 if self.pairs else 0
        noisy, true = self._disturbed(self.batch - from_pairs)
        if from_pairs:
            estimated, known = self._paired(from_pairs)
            noisy, true = np.concatenate([noisy, estimated]), np.concatenate([true, known])
        size = self.rng.uniform(0.85, 1.15, (len(true), 1, 1, 1))
        return _tensor(noisy * size), _tensor(true * size)

    def _disturbed(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Windows (count, T, 17, 3) seen by random cameras, before and after errors are put on."""
        rng, margin = self.rng, self.noise.margin
        offsets = np.arange(-margin, self.config.window + margin)
        clips = np.empty((count, len(offsets), len(H36M17), 3))
        for clip, index in zip(clips, rng.choice(len(self.sequences), count, p=self.probability), strict=True):
            joints = self.sequences[index].joints
            start = rng.integers(max(len(joints) - self.config.window, 0) + 1)
            clip[:] = joints[np.clip(start + offsets, 0, len(joints) - 1)]
        mirrored = rng.random(count) < 0.5
        clips[mirrored] = clips[mirrored][:, :, H36M17.flip] * (-1, 1, 1)
        clips = (clips - clips[:, :, :1]) @ np.swapaxes(random_rotations(rng, count), -1, -2)[:, None]
        inside = slice(margin, margin + self.config.window)
        return self.noise.apply(rng, clips)[:, inside], clips[:, inside]

    def _paired(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        rng, window = self.rng, self.config.window
        drawn = []
        for index in rng.choice(len(self.pairs), count, p=self.pair_probability):
            estimated, true = self.pairs[index]
            start = rng.integers(len(true) - window + 1)
            drawn.append((estimated[start : start + window], true[start : start + window]))
        both = np.array(drawn).swapaxes(0, 1)  # (2, count, T, 17, 3)
        mirrored = rng.random(count) < 0.5
        both[:, mirrored] = both[:, mirrored][..., H36M17.flip, :] * (-1, 1, 1)
        estimated, true = both - both[..., :1, :]
        return estimated, true


def random_rotations(rng: np.random.Generator, count: int) -> np.ndarray:
    """(count, 3, 3) from the world into optical frames of any heading, pitched up to 30 and rolled up to 5 degrees."""
    level = np.zeros(count)
    heading = rotation_xyz(level, rng.uniform(-np.pi, np.pi, count), level)
    pitch, roll = np.radians(rng.uniform(-30, 30, count)), np.radians(rng.uniform(-5, 5, count))
    return rotation_xyz(pitch, level, roll) @ heading @ WORLD_TO_LEVEL


def validation_pairs(sequences: list[mocap.Sequence], seed: int = 0) -> list[Pair]:
    """Each sequence's first frames with errors put on, the same at every call."""
    rng, noise = np.random.default_rng(seed), PoseNoise()
    pairs = []
    for sequence in sequences:
        joints = sequence.joints[:VALIDATION_FRAMES]
        true = (joints - joints[:, :1]) @ random_rotations(rng, 1)[0].T
        pairs.append((noise.apply(rng, true[None])[0], true))
    return pairs


def validate(model: SynSP, pairs: Sequence[Pair]) -> dict[str, float]:
    """Mean MPJPE (mm) and acceleration error (mm/frame^2) of the estimates and of what the network makes of them."""
    if not pairs:
        return {}
    rows = []
    for estimated, true in pairs:
        refined = refine_sequence(model, estimated)
        rows.append([mpjpe(estimated, true), mpjpe(refined, true), accel(estimated, true), accel(refined, true)])
    means = np.average(rows, axis=0, weights=[len(true) for _, true in pairs])
    return dict(zip(("mpjpe_in", "mpjpe_out", "accel_in", "accel_out"), means.tolist(), strict=True))


class Stopwatch:
    """Minutes spent in training, resumed runs together."""

    def __init__(self) -> None:
        self.before, self.start = 0.0, monotonic()

    @property
    def minutes(self) -> float:
        return self.before + (monotonic() - self.start) / 60

    def state_dict(self) -> dict[str, Any]:
        return {"minutes": self.minutes}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.before, self.start = state["minutes"], monotonic()


def train(
    data: Path,
    out: Path,
    *,
    minutes: float,
    pairs: Sequence[Pair] = (),
    validation: Sequence[Pair] = (),
    config: SynSPConfig | None = None,
    name: str = "synsp",
    batch: int = 64,
    learning_rate: float = 1e-3,
    acceleration_weight: float = 1.0,
    seed: int = 4321,
    threads: int = 1,
    report_every: int = 500,
) -> SynSP:
    """Train, or go on with what lies in `out`, and leave `out`/`name`.safetensors with the averaged weights.

    Args:
        data: npz file of motion capture (`mocap.load_npz`), 50 Hz.
        out: folder for checkpoint, log and weights.
        minutes: time to train, resumed runs together; the learning rate falls exponentially over it.
        pairs: an estimator's own outputs with the truth, to train on too (`WindowSampler`).
        validation: held-out pairs whose errors go into the log, see `validation_pairs`.
        acceleration_weight: lambda_a of `synsp_loss`.
        report_every: steps between log rows, checkpoints and written weights.

    Returns:
        The network with averaged weights, in evaluation mode.

    Raises:
        ValueError: minutes not positive, or an estimate that does not fit its truth or is shorter than a window.
    """
    if minutes <= 0:
        raise ValueError(f"minutes must be positive, got {minutes}")
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    out.mkdir(parents=True, exist_ok=True)
    model, averaged = (SynSP(config) for _ in range(2))
    optimiser = torch.optim.Adam(model.parameters(), learning_rate, amsgrad=True)
    average, watch = ExponentialAverage(model, 0.999), Stopwatch()
    checkpoint = Checkpoint(out / f"{name}.pt", model=model, optimiser=optimiser, average=average, watch=watch)
    log = TrainingLog(out / f"{name}.csv")
    first = checkpoint.restore()
    sampler = WindowSampler(mocap.load_npz(data)[0], model.config, batch, np.random.default_rng((seed, first)), pairs)

    model.train()
    losses: list[float] = []
    for step, (noisy, true) in enumerate(sampler, first + 1):
        rate = learning_rate * RATE_AT_END ** min(watch.minutes / minutes, 1.0)
        for group in optimiser.param_groups:
            group["lr"] = rate
        loss = synsp_loss(model(noisy), true, acceleration_weight)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        average.update(model)
        losses.append(loss.item())
        finished = watch.minutes >= minutes
        if finished or step % report_every == 0:
            averaged.load_state_dict(average.weights)
            averaged.eval()
            log.write(step=step, loss=float(np.mean(losses)), rate=rate, **validate(averaged, validation))
            losses.clear()
            checkpoint.save(step)
            provenance = {"data": data.name, "steps": step, "batch": batch, "rate": learning_rate, "seed": seed}
            weights.save(averaged, out / f"{name}.safetensors", provenance)
        if finished:
            break
    return averaged


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True, help="npz file, one (T, 17, 3) array per sequence and fps")
    parser.add_argument("--validation", type=Path, help="another such file, held out, for the log")
    parser.add_argument("--uplifter", metavar="NAME", help="train and validate on this network's own output too")
    parser.add_argument("--out", type=Path, default=Path("out/training"), help="folder for checkpoint, log and weights")
    parser.add_argument("--minutes", type=float, default=60.0, help="time to train, resumed runs together")
    parser.add_argument(
        "--inverse-dct",
        action="store_true",
        help="heads predict frequencies; starts from the identity: far fewer steps",
    )
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=4321)
    parser.add_argument("--threads", type=int, default=2)


def main(args: argparse.Namespace) -> int:
    held_out = mocap.load_npz(args.validation)[0] if args.validation else []
    validation, pairs = validation_pairs(held_out), []
    if args.uplifter:
        torch.set_num_threads(1)  # streaming is one small forward after the other
        uplifter = weights.load(args.uplifter, UpliftUpsample)
        validation = uplifter_pairs(uplifter, held_out, args.seed)
        pairs = uplifter_pairs(uplifter, mocap.load_npz(args.data)[0], args.seed + 1)
    train(
        args.data,
        args.out,
        minutes=args.minutes,
        pairs=pairs,
        validation=validation,
        config=SynSPConfig(inverse_dct=args.inverse_dct),
        batch=args.batch,
        learning_rate=args.learning_rate,
        seed=args.seed,
        threads=args.threads,
    )
    print(json.dumps({"weights": str(args.out / "synsp.safetensors")}))
    return 0


def _tensor(windows: np.ndarray) -> Tensor:
    return torch.from_numpy(windows.astype(np.float32)).flatten(2)
