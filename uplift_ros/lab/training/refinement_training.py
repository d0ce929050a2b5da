"""Training of the networks that refine 3D poses: the loop and the options that they share."""

import argparse
import contextlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from uplift_ros.lab.data import mocap
from uplift_ros.lab.data.formats import add_data_arguments, load_motion
from uplift_ros.lab.data.formats.h36m import TRAINING_SUBJECTS
from uplift_ros.lab.data.pose_noise import PoseNoise
from uplift_ros.lab.data.refinement_data import VALIDATION_FRAMES, ClipSampler, Pair, noise_pairs
from uplift_ros.lab.data.refiners import RATE, Refiner
from uplift_ros.lab.smoothnet import SmoothNet, SmoothNetConfig
from uplift_ros.lab.training.loop import ExponentialAverage, Progress, TrainingFiles, check_finite
from uplift_ros.lab.training.precision import Bfloat16Products
from uplift_ros.lab.training.refinement_loss import Objective, windows
from uplift_ros.lab.training.uplifter_pairs import uplifter_pairs
from uplift_ros.metrics import accel, mpjpe
from uplift_ros.models import weights
from uplift_ros.models.configs import SynSPConfig
from uplift_ros.models.synsp import SynSP
from uplift_ros.models.uplift import UpliftUpsample
from uplift_ros.settings import positive
from uplift_ros.streaming.refiner import MAX_DELAY

RATE_AT_END = 0.95**70
"""Final learning rate as part of the initial one: 70 epochs of decay 0.95 (SynSP, CVPR 2024)."""


def validate(model: SynSP | SmoothNet, sets: Mapping[str, Sequence[Pair]]) -> dict[str, float]:
    """Mean MPJPE (mm) and acceleration error (mm/frame^2) before and after the network, for each set of pairs."""
    delay = min(MAX_DELAY, model.config.window - 1)
    refiner = Refiner("synsp" if isinstance(model, SynSP) else "smoothnet", model, delay=delay)
    row: dict[str, float] = {}
    for name, pairs in sets.items():
        errors = []
        for estimated, true in pairs:
            refined, _ = refiner.refine(estimated)
            errors.append([mpjpe(estimated, true), mpjpe(refined, true), accel(estimated, true), accel(refined, true)])
        means = np.average(errors, axis=0, weights=[len(true) for _, true in pairs]).tolist()
        columns = (f"{name}_{column}" for column in ("mpjpe_in", "mpjpe_out", "accel_in", "accel_out"))
        row |= dict(zip(columns, means, strict=True))
    return row


def network(
    kind: type[SynSP] | type[SmoothNet], config: SynSPConfig | SmoothNetConfig, start: str | None, **changes: float
) -> Any:
    """A new network, or the one of the weights `start` with its own config, after `changes` to it.

    Raises:
        ValueError: weights of another kind, or of another window than `config` has.
    """
    if not start:
        return kind(replace(config, **changes))  # type: ignore[arg-type]
    trained = weights.load(start, kind)
    if trained.config.window != config.window:
        raise ValueError(f"window must be {trained.config.window}, as {start!r} has, got {config.window}")
    model = kind(replace(trained.config, **changes))
    model.load_state_dict(trained.state_dict())
    return model


def train(
    model: SynSP | SmoothNet,
    objective: Objective,
    sequences: Sequence[mocap.Sequence],
    out: Path,
    name: str,
    *,
    minutes: float,
    pairs: Sequence[Pair] = (),
    validation: Mapping[str, Sequence[Pair]] | None = None,
    batch: int = 64,
    learning_rate: float = 1e-3,
    seed: int = 4321,
    bfloat16: bool = False,
    report_every: int = 500,
    provenance: Mapping[str, Any] | None = None,
) -> None:
    """Train `model`, or resume from the checkpoint in `out`, and write the averaged `out`/`name`.safetensors.

    Args:
        objective: loss.
        sequences: motion capture at 50 Hz.
        out: folder for checkpoint, log and weights.
        minutes: time to train, resumed runs together; the learning rate falls exponentially over it.
        pairs: an estimator's own outputs with the truth, to train on too (`ClipSampler`).
        validation: held-out pairs whose errors go into the log.
        batch: windows in a step, or somewhat fewer, since all windows of a clip are in the same step.
        bfloat16: multiply matrices in bfloat16 (`Bfloat16Products`).
        report_every: steps between log rows, checkpoints and written weights.
        provenance: additional entries for the header of the weights.

    Raises:
        ValueError: minutes not positive, a batch too small to share, pairs that `ClipSampler` refuses, or a checkpoint
            of another training in `out`.
    """
    length = model.config.window
    per_clip = objective.windows_of_a_clip(length)
    if minutes <= 0:
        raise ValueError(f"minutes must be positive, got {minutes}")
    if pairs and batch < 2 * per_clip:
        raise ValueError(f"batch must be at least {2 * per_clip} windows where there are pairs, got {batch}")
    shadow = type(model)(model.config)  # type: ignore[arg-type]
    optimiser = torch.optim.Adam(model.parameters(), learning_rate, amsgrad=True)
    average, progress = ExponentialAverage(model, 0.999), Progress(minutes=minutes)
    training = {
        "batch": batch,
        "rate": learning_rate,
        "seed": seed,
        "acceleration_weight": objective.acceleration_weight,
        "paired_weight": objective.paired_weight,
        "averaged": objective.averaged,
        **(provenance or {}),
    }
    parts = {"model": model, "optimiser": optimiser, "average": average, "watch": progress}
    files = TrainingFiles(out / f"{name}.safetensors", model.config, training, **parts)
    first = files.restore()
    rng = np.random.default_rng((seed, first))
    sampler = ClipSampler(sequences, length + per_clip - 1, max(batch // per_clip, 1), rng, pairs)

    products = Bfloat16Products() if bfloat16 else contextlib.nullcontext()
    model.train()
    losses: list[float] = []
    for step, (noisy, true) in enumerate(sampler, first + 1):
        rate = learning_rate * RATE_AT_END ** progress.fraction(step)
        for group in optimiser.param_groups:
            group["lr"] = rate
        with products:
            output = model(windows(noisy, length))
        loss = objective(output, true, length, sampler.paired, rng)
        check_finite(loss, step)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        average.update(model)
        losses.append(loss.item())
        finished = progress.fraction(step) == 1
        if finished or step % report_every == 0:
            shadow.load_state_dict(average.weights)
            shadow.eval()
            row = {"step": step, "loss": float(np.mean(losses)), "rate": rate} | validate(shadow, validation or {})
            files.save(step, shadow, {"steps": step, "minutes": minutes}, row)
            losses.clear()
        if finished:
            return


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that all refinement networks share."""
    add_data_arguments(parser, several=True)
    parser.add_argument("--subjects", nargs="+", help="of Human3.6M; S1 S5 S6 S7 S8 otherwise")
    parser.add_argument("--validation", type=Path, help="the same, held out, for the log")
    parser.add_argument("--uplifter", metavar="NAME", help="train and validate on this network's own output too")
    parser.add_argument("--out", type=Path, default=Path("out/training"), help="folder for checkpoint, log and weights")
    parser.add_argument("--start", help="weights to start from, by name or file")
    parser.add_argument("--window", type=int, default=8, help="frames that are refined together")
    parser.add_argument("--minutes", type=positive, default=60.0, help="time to train, resumed runs together")
    parser.add_argument("--batch", type=int, help="windows in a step: 64, or the recipe's")
    parser.add_argument("--learning-rate", type=float, help="1e-3, or the recipe's")
    parser.add_argument("--acceleration-weight", type=float, default=1.0, help="in the loss, on synthetic noise")
    parser.add_argument("--paired-weight", type=float, default=1.0, help="the same on the output of --uplifter")
    parser.add_argument("--averaged", type=float, default=0.0, help="share of the loss on averages of windows, 0 to 1")
    parser.add_argument("--dropout", type=float, help="the published one otherwise")
    parser.add_argument("--bfloat16", action="store_true", help="faster on processors with bfloat16 instructions")
    parser.add_argument("--seed", type=int, default=4321)
    parser.add_argument("--threads", type=int, default=2)


def run(args: argparse.Namespace, model: SynSP | SmoothNet, loss_of: Callable[[Any, Tensor, float], Tensor]) -> int:
    """Train as the options say."""
    name = args.network
    objective = Objective(loss_of, args.acceleration_weight, args.paired_weight, args.averaged)
    subjects = args.subjects or TRAINING_SUBJECTS
    training = [sequence for path in args.data for sequence in load_motion(path, RATE, args.body_model, subjects)]
    held_out = [
        mocap.Sequence(sequence.name, sequence.joints[:VALIDATION_FRAMES])
        for sequence in (load_motion(args.validation, RATE, args.body_model) if args.validation else [])
    ]
    validation: dict[str, list[Pair]] = {}
    pairs: list[Pair] = []
    if held_out:
        validation["noise"] = _measurable(noise_pairs(held_out, PoseNoise(interpolated=0.0, jittered=1.0)))
    if args.uplifter:
        torch.set_num_threads(1)  # a stream is a sequence of small forward passes
        uplifter = weights.load(args.uplifter, UpliftUpsample)
        if held_out:
            validation["uplifter"] = _measurable(uplifter_pairs(uplifter, held_out, args.seed))
        pairs = uplifter_pairs(uplifter, training, args.seed + 1)
    torch.set_num_threads(args.threads)
    train(
        model,
        objective,
        training,
        args.out,
        name,
        minutes=args.minutes,
        pairs=pairs,
        validation=validation,
        batch=args.batch or 64,
        learning_rate=args.learning_rate or 1e-3,
        seed=args.seed,
        bfloat16=args.bfloat16,
        provenance={"data": " ".join(path.name for path in args.data), "start": args.start, "uplifter": args.uplifter},
    )
    print(json.dumps({"weights": str(args.out / f"{name}.safetensors")}))
    return 0


def _measurable(pairs: Sequence[Pair]) -> list[Pair]:
    """Those that have an acceleration."""
    measurable = [pair for pair in pairs if len(pair[1]) >= 3]
    if not measurable:
        raise ValueError("validation must have a take of at least half a second")
    return measurable
