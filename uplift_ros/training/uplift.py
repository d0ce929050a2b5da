"""Training of the uplifting network on motion capture seen by virtual cameras."""

import argparse
import contextlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from uplift_ros.camera import canonicalise
from uplift_ros.models import uplift, weights
from uplift_ros.models.uplift import UpliftConfig, UpliftUpsample
from uplift_ros.skeleton import H36M17
from uplift_ros.training.formats import add_data_arguments, load
from uplift_ros.training.loop import Checkpoint, ExponentialAverage, TrainingLog
from uplift_ros.training.mocap import CANONICAL_CHAIN, Sequence, chain_length, class_balanced
from uplift_ros.training.noise import DetectorNoise
from uplift_ros.training.precision import Bfloat16Products
from uplift_ros.training.virtual_camera import random_views

HEAD_FACTOR = 0.1
"""On the heads' first weights and learning rate. They read a residual stream that no norm bounds, so that one step of
Adam at full rate moves joints by decimetres; with the factor 200 steps reached 163 mm, without it 640 mm."""

VARIANTS = {"n81": uplift.n81, "n351": uplift.n351, "compact": uplift.compact}

STAGES = ("deferred", "spatial", "strided")
"""What an ablation can leave out (Table 3): fields of `UpliftConfig`."""


@dataclass(frozen=True)
class Batch:
    """Windows for one step: inputs (B, T, 17, 2), mask (B, T), targets (B, T, 17, 3) in metres."""

    inputs: Tensor
    mask: Tensor
    targets: Tensor


class WindowSampler:
    """Endless random training windows: motion, body, speed, camera, noise and key-frame mask all vary."""

    def __init__(self, sequences: list[Sequence], config: UpliftConfig, batch: int, rng: np.random.Generator) -> None:
        self.sequences, self.config, self.batch, self.rng = sequences, config, batch, rng
        self.noise = DetectorNoise()
        self.probability = class_balanced(sequences)

    def __iter__(self) -> Iterator[Batch]:
        while True:
            yield self.draw()

    def draw(self) -> Batch:
        rng, config = self.rng, self.config
        joints = self._windows()
        joints = _random_body(rng, joints)
        mirrored = rng.random(len(joints)) < 0.5
        joints[mirrored] = joints[mirrored][:, :, H36M17.flip] * (-1, 1, 1)
        seconds = np.arange(config.tokens) * config.token_stride / config.model_rate
        seen = random_views(rng, joints, seconds).apply(joints)
        plane = seen[..., :2] / np.maximum(seen[..., 2:], 0.3)
        level = np.where(rng.random(len(joints)) < 0.35, 0.0, rng.uniform(0.2, 1.8, len(joints)))
        plane = self.noise.apply(rng, plane, config.token_stride / config.model_rate, level)
        canonical = canonicalise(plane)
        relative = seen - seen[:, :, :1]
        targets = relative @ np.swapaxes(canonical.rotation, -1, -2)
        return Batch(
            torch.from_numpy(canonical.inputs.astype(np.float32)),
            torch.from_numpy(random_mask(rng, config, len(joints))),
            torch.from_numpy(targets.astype(np.float32)),
        )

    def _windows(self) -> np.ndarray:
        """Windows (B, T, 17, 3) around random frames, at random speed; beyond a sequence's ends its last pose stays."""
        config, rng = self.config, self.rng
        offsets = (np.arange(config.tokens) - config.centre) * config.token_stride
        speeds = np.where(rng.random(self.batch) < 0.5, 1.0, np.exp(rng.uniform(-0.4, 0.4, self.batch)))
        windows = np.empty((self.batch, config.tokens, len(H36M17), 3))
        chosen = rng.choice(len(self.sequences), self.batch, p=self.probability)
        for row, (index, speed) in enumerate(zip(chosen, speeds, strict=True)):
            joints = self.sequences[index].joints
            at = np.clip(rng.integers(len(joints)) + offsets * speed, 0, len(joints) - 1)
            before = np.minimum(at.astype(int), max(len(joints) - 2, 0))
            part = (at - before)[:, None, None]
            windows[row] = joints[before] * (1 - part) + joints[np.minimum(before + 1, len(joints) - 1)] * part
        return windows


def _random_body(rng: np.random.Generator, joints: np.ndarray) -> np.ndarray:
    """Other proportions for the one body that most captures were retargeted to, at canonical size.

    The overall size is no variable: a single camera cannot see it, a stature prior scales the output.
    """
    batch = len(joints)
    factors = np.exp(rng.normal(0, 0.05, (batch, len(H36M17))))
    factors[:, H36M17.flip] = factors = (factors + factors[:, H36M17.flip]) / 2
    factors[rng.random(batch) < 0.3] = 1.0
    changed = joints.copy()
    for parent, child in H36M17.bones:
        bone = joints[:, :, child] - joints[:, :, parent]
        changed[:, :, child] = changed[:, :, parent] + bone * factors[:, None, child, None]
    size = CANONICAL_CHAIN / chain_length(changed).mean(1)
    return changed * size[:, None, None, None]


def random_mask(rng: np.random.Generator, config: UpliftConfig, batch: int) -> np.ndarray:
    """Where 2D poses exist: (B, T) bool.

    Uniform strides with any phase as in the paper; also what a stream adds: a key-frame on the newest token, a change
    of stride inside the window, and a person who has only just come into view.
    """
    tokens = np.arange(config.tokens)
    masks = np.zeros((batch, config.tokens), bool)
    for mask in masks:
        stride = rng.choice(config.input_strides) // config.token_stride
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


def uplift_loss(central: Tensor, sequence: Tensor, targets: Tensor, config: UpliftConfig) -> Tensor:
    """Half the central head's and half the sequence head's mean joint distance, in metres.

    The newest tokens, which a stream reads first, count twice.
    """
    centre = (central - targets[:, config.centre]).norm(dim=-1).mean()
    distance = (sequence - targets).norm(dim=-1).mean((0, 2))  # (T,)
    newest = torch.ones(config.tokens)
    newest[-config.tokens // 4 :] = 2.0
    return 0.5 * centre + 0.5 * (distance * newest).sum() / newest.sum()


def train(
    data: Path,
    body_model: Path | None,
    out: Path,
    variant: str,
    *,
    steps: int,
    batch: int,
    learning_rate: float,
    seed: int,
    threads: int,
    start: str | None = None,
    bfloat16: bool = False,
    ablate: Iterable[str] = (),
    strides: list[int] | None = None,
    report_every: int = 200,
) -> UpliftUpsample:
    """Train, or go on with what lies in `out`, and leave `out`/`variant`.safetensors with the averaged weights.

    Args:
        data, body_model: motion capture, see `formats.load`.
        out: folder for checkpoint, log and weights.
        variant: a key of VARIANTS.
        steps: optimiser steps in all; the learning rate follows a cosine over them, after a short warm-up.
        start: weights to start from, by name or file, instead of random ones.
        bfloat16: multiply matrices in bfloat16 (`Bfloat16Products`).
        ablate: of STAGES, to train without.
        strides: between key-frames, instead of the variant's.
    """
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    out.mkdir(parents=True, exist_ok=True)
    changes: dict[str, Any] = {**dict.fromkeys(ablate, False), **({"input_strides": tuple(strides)} if strides else {})}
    config = replace(VARIANTS[variant](), stochastic_depth=0.0 if variant == "compact" else 0.1, **changes)
    model = UpliftUpsample(config)
    heads = (model.sequence_head, model.central_head)
    if start:
        model.load_state_dict(weights.load(start, UpliftUpsample).state_dict())
    else:
        _shrink(heads)
    optimiser = _optimiser(model, learning_rate)
    warm_up = max(1, min(500, steps // 10))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser,
        lambda step: min((step + 1) / warm_up, 0.5 * (1 + np.cos(np.pi * min(step / steps, 1.0))) + 1e-3),
    )
    average = ExponentialAverage(model, 0.999)
    checkpoint = Checkpoint(out / f"{variant}.pt", model=model, optimiser=optimiser, schedule=schedule, average=average)
    log = TrainingLog(out / f"{variant}.csv")
    first = checkpoint.restore()
    sampler = WindowSampler(
        load(data, config.model_rate, body_model), config, batch, np.random.default_rng((seed, first))
    )

    products = Bfloat16Products(heads) if bfloat16 else contextlib.nullcontext()
    model.train()
    total = 0.0
    for step, windows in zip(range(first + 1, steps + 1), sampler, strict=False):
        with products:
            central, sequence = model(windows.inputs, windows.mask)
        loss = uplift_loss(central, sequence, windows.targets, config)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        average.update(model)
        total += loss.item()
        if step % report_every == 0 or step == steps:
            log.write(step=step, loss_mm=1000 * total / report_every, rate=optimiser.param_groups[0]["lr"])
            total = 0.0
            checkpoint.save(step)
            averaged = UpliftUpsample(config)
            averaged.load_state_dict(average.weights)
            provenance = {
                "data": data.name,
                "steps": step,
                "batch": batch,
                "rate": learning_rate,
                "seed": seed,
                "start": start,
            }
            weights.save(averaged, out / f"{variant}.safetensors", provenance)
    return model.eval()


@torch.no_grad()
def _shrink(heads: Iterable[nn.Linear]) -> None:
    for head in heads:
        head.weight.mul_(HEAD_FACTOR)


def _optimiser(model: UpliftUpsample, learning_rate: float) -> torch.optim.Optimizer:
    """AdamW; decay, as in the paper, of every parameter at a tenth of the learning rate."""
    heads = [*model.sequence_head.parameters(), *model.central_head.parameters()]
    others = [parameter for name, parameter in model.named_parameters() if "head" not in name]
    groups: list[dict[str, Any]] = [{"params": others}, {"params": heads, "lr": HEAD_FACTOR * learning_rate}]
    return torch.optim.AdamW(groups, learning_rate, weight_decay=0.1)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_data_arguments(parser)
    parser.add_argument("--out", type=Path, default=Path("out/training"), help="folder for checkpoint, log and weights")
    parser.add_argument("--variant", choices=sorted(VARIANTS), default="compact")
    parser.add_argument("--steps", type=int, default=20000)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--learning-rate", type=float, default=5e-4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--start", help="weights to start from, by name or file")
    parser.add_argument("--bfloat16", action="store_true", help="faster on processors with bfloat16 instructions")
    parser.add_argument("--ablate", nargs="+", choices=STAGES, default=[], help="train without these stages")
    parser.add_argument("--strides", type=int, nargs="+", help="between key-frames; the variant's otherwise")


def main(args: argparse.Namespace) -> int:
    train(
        args.data,
        args.body_model,
        args.out,
        args.variant,
        steps=args.steps,
        batch=args.batch,
        learning_rate=args.learning_rate,
        seed=args.seed,
        threads=args.threads,
        start=args.start,
        bfloat16=args.bfloat16,
        ablate=args.ablate,
        strides=args.strides,
    )
    print(json.dumps({"weights": str(args.out / f"{args.variant}.safetensors")}))
    return 0
