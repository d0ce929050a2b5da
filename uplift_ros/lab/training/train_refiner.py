"""Training of the networks that refine 3D poses, on motion capture with noise and on an uplifter's own output."""

import argparse
import contextlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from uplift_ros.lab.data import mocap
from uplift_ros.lab.data.formats import load_motion
from uplift_ros.lab.data.pose_noise import PoseNoise
from uplift_ros.lab.data.refinement_data import VALIDATION_FRAMES, ClipSampler, Pair, noise_pairs, uplifter_pairs
from uplift_ros.lab.data.refiners import Refiner
from uplift_ros.lab.smoothnet import SmoothNet, SmoothNetConfig
from uplift_ros.lab.training import paper_refinement
from uplift_ros.lab.training.loop import AVERAGE_DECAY, Training, add_recipe_argument, add_training_arguments
from uplift_ros.lab.training.precision import Bfloat16Products
from uplift_ros.lab.training.refinement_loss import Objective, windows
from uplift_ros.metrics import accel, mpjpe
from uplift_ros.models import weights
from uplift_ros.models.configs import SynSPConfig
from uplift_ros.models.synsp import SynSP, synsp_loss
from uplift_ros.models.uplift import UpliftUpsample
from uplift_ros.settings import positive
from uplift_ros.streaming.refiner import MAX_DELAY

REFINER_BATCH, REFINER_RATE, SEED = 64, 1e-3, 4321
"""Defaults of the product's own recipe."""

REPORT_EVERY = 500
"""Steps between reports."""

RATE_AT_END = 0.95**70
"""Final learning rate as a part of the initial one: 70 epochs of decay 0.95 (SynSP, CVPR 2024)."""


def validate(model: SynSP | SmoothNet, sets: Mapping[str, Sequence[Pair]]) -> dict[str, float]:
    """Mean MPJPE (mm) and acceleration error (mm/frame^2) before and after the network, for each named set of pairs."""
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
    """A new network, or one with trained weights.

    Args:
        kind: class of the network.
        config: of a new network.
        start: weights to load, with their config; None makes a new network.
        changes: fields of either config with other values.

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


def smoothnet_loss(predicted: Tensor, true: Tensor, acceleration_weight: float) -> Tensor:
    """L1 distance of positions plus the weighted one of second differences, of poses (B, T, C)."""
    acceleration = F.l1_loss(predicted.diff(n=2, dim=1), true.diff(n=2, dim=1))
    return F.l1_loss(predicted, true) + acceleration_weight * acceleration


def train(
    model: SynSP | SmoothNet,
    objective: Objective,
    sequences: Sequence[mocap.Sequence],
    path: Path,
    *,
    minutes: float,
    pairs: Sequence[Pair] = (),
    validation: Mapping[str, Sequence[Pair]] | None = None,
    batch: int = REFINER_BATCH,
    learning_rate: float = REFINER_RATE,
    seed: int = SEED,
    bfloat16: bool = False,
    provenance: Mapping[str, Any] | None = None,
) -> None:
    """Train a network, or resume from the checkpoint beside `path`, and write the averaged weights to `path`.

    Args:
        model: the network.
        objective: the loss.
        sequences: motion capture at 50 Hz.
        path: of the weights.
        minutes: duration of the training, resumed runs included; the learning rate falls exponentially over it.
        pairs: an estimator's own outputs with the truth, to train on too (`ClipSampler`).
        validation: held-out pairs whose errors are logged.
        batch: windows in a step, or somewhat fewer, since all windows of a clip are in the same step.
        learning_rate: at the start.
        seed: of the data.
        bfloat16: multiply in bfloat16 (`Bfloat16Products`).
        provenance: additional entries for the header of the weights.

    Raises:
        ValueError: minutes not positive, a batch too small for noise and pairs, pairs that `ClipSampler` rejects, or a
            checkpoint of another training.
    """
    length = model.config.window
    per_clip = objective.windows_of_a_clip(length)
    if minutes <= 0:
        raise ValueError(f"minutes must be positive, got {minutes}")
    if pairs and batch < 2 * per_clip:
        raise ValueError(f"batch must be at least {2 * per_clip} windows if there are pairs, got {batch}")
    optimiser = torch.optim.Adam(model.parameters(), learning_rate, amsgrad=True)
    settings = {
        "batch": batch,
        "rate": learning_rate,
        "seed": seed,
        "acceleration_weight": objective.acceleration_weight,
        "paired_weight": objective.paired_weight,
        "averaged": objective.averaged,
        **(provenance or {}),
    }
    training = Training(model, path, settings, minutes=minutes, decay=AVERAGE_DECAY, optimiser=optimiser)
    rng = np.random.default_rng((seed, training.step))
    sampler = ClipSampler(sequences, length + per_clip - 1, max(batch // per_clip, 1), rng, pairs)

    products = Bfloat16Products() if bfloat16 else contextlib.nullcontext()
    model.train()
    for noisy, true in sampler:
        rate = learning_rate * RATE_AT_END**training.progress
        for group in optimiser.param_groups:
            group["lr"] = rate
        with products:
            output = model(windows(noisy, length))
        loss = objective(output, true, length, sampler.paired, rng)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        training.advance(loss.item())
        finished = training.progress == 1
        if finished or training.step % REPORT_EVERY == 0:
            errors = validate(training.averaged.eval(), validation or {})
            row = {"step": training.step, "loss": training.mean_loss(), "rate": rate} | errors
            training.report({"steps": training.step, "minutes": minutes}, **row)
        if finished:
            return


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that all refinement networks share."""
    add_training_arguments(parser, REFINER_BATCH, REFINER_RATE, SEED, threads=2)
    parser.add_argument("--validation", type=Path, help="the same, held out, for the log")
    parser.add_argument("--uplifter", metavar="NAME", help="train and validate on this network's own output too")
    parser.add_argument("--window", type=int, default=8, help="frames that are refined together")
    parser.add_argument("--minutes", type=positive, default=60.0, help="time to train, resumed runs together")
    parser.add_argument("--acceleration-weight", type=float, default=1.0, help="in the loss, on synthetic noise")
    parser.add_argument("--paired-weight", type=float, default=1.0, help="the same on the output of --uplifter")
    parser.add_argument("--averaged", type=float, default=0.0, help="share of the loss on averages of windows, 0 to 1")
    parser.add_argument("--dropout", type=float, help="the published one otherwise")


def add_synsp_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of SynSP."""
    add_arguments(parser)
    add_recipe_argument(parser)
    parser.add_argument("--epochs", type=int, help="of --recipe paper, otherwise its own")
    parser.add_argument("--views", action="store_true", help="of --recipe paper: the cameras of a moment together")
    parser.add_argument("--device", default="cpu", help="of the network, with --recipe paper: cpu, cuda or cuda:N")
    parser.add_argument(
        "--inverse-dct",
        action="store_true",
        help="heads predict frequencies; starts as a low-pass filter: far fewer steps",
    )


def train_synsp(args: argparse.Namespace) -> int:
    if args.recipe == "paper":
        return paper_refinement.main(args)
    if args.device != "cpu":
        raise ValueError(f"device must be cpu without --recipe paper, got {args.device}")
    torch.manual_seed(args.seed)
    changes = {} if args.dropout is None else {"dropout": args.dropout, "attention_dropout": args.dropout / 2}
    config = SynSPConfig(window=args.window, inverse_dct=args.inverse_dct)
    return _train(args, network(SynSP, config, args.start, **changes), synsp_loss)


def train_smoothnet(args: argparse.Namespace) -> int:
    torch.manual_seed(args.seed)
    changes = {} if args.dropout is None else {"dropout": args.dropout}
    return _train(args, network(SmoothNet, SmoothNetConfig(args.window), args.start, **changes), smoothnet_loss)


def _train(args: argparse.Namespace, model: SynSP | SmoothNet, loss_of: Callable[[Any, Tensor, float], Tensor]) -> int:
    """Train on the data of the options and print the path of the weights."""
    motion = load_motion(args.data, mocap.FRAME_RATE_HZ, args.body_model, args.subjects)
    held_out = load_motion([args.validation] if args.validation else [], mocap.FRAME_RATE_HZ, args.body_model)
    held_out = [mocap.Sequence(sequence.name, sequence.joints[:VALIDATION_FRAMES]) for sequence in held_out]
    validation: dict[str, list[Pair]] = {}
    pairs: list[Pair] = []
    if held_out:
        validation["noise"] = _measurable(noise_pairs(held_out, PoseNoise(interpolated=0.0, jittered=1.0)))
    if args.uplifter:
        torch.set_num_threads(1)  # a stream is a sequence of small forward passes
        uplifter = weights.load(args.uplifter, UpliftUpsample)
        if held_out:
            validation["uplifter"] = _measurable(uplifter_pairs(uplifter, held_out, args.seed))
        pairs = uplifter_pairs(uplifter, motion, args.seed + 1)
    torch.set_num_threads(args.threads)
    path = args.out / f"{args.network}.safetensors"
    train(
        model,
        Objective(loss_of, args.acceleration_weight, args.paired_weight, args.averaged),
        motion,
        path,
        minutes=args.minutes,
        pairs=pairs,
        validation=validation,
        batch=args.batch or REFINER_BATCH,
        learning_rate=args.learning_rate or REFINER_RATE,
        seed=args.seed,
        bfloat16=args.bfloat16,
        provenance={"data": " ".join(file.name for file in args.data), "start": args.start, "uplifter": args.uplifter},
    )
    print(json.dumps({"weights": str(path)}))
    return 0


def _measurable(pairs: Sequence[Pair]) -> list[Pair]:
    """Pairs that are long enough for an acceleration."""
    measurable = [pair for pair in pairs if len(pair[1]) >= 3]
    if not measurable:
        longest = max((len(true) for _, true in pairs), default=0)
        raise ValueError(f"validation must have a sequence of at least 3 frames, got at most {longest}")
    return measurable
