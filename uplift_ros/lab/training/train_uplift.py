"""Training of the uplifting network on motion capture seen by virtual cameras."""

import argparse
import contextlib
import json
import math
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.data import DataLoader

from uplift_ros.camera import NORMALISATIONS
from uplift_ros.lab.data.formats import add_data_arguments, load_motion
from uplift_ros.lab.data.formats.h36m import TRAINING_SUBJECTS
from uplift_ros.lab.data.formats.papers import add_paper_arguments
from uplift_ros.lab.data.windows import Batch, WindowSampler
from uplift_ros.lab.device import find as find_device
from uplift_ros.lab.training import paper_recipe
from uplift_ros.lab.training.loop import ExponentialAverage, Progress, TrainingFiles, check_finite
from uplift_ros.lab.training.precision import Bfloat16Transformer
from uplift_ros.lab.training.widen import widen
from uplift_ros.models import weights
from uplift_ros.models.configs import UpliftConfig, compact, n81, n351
from uplift_ros.models.uplift import UpliftUpsample

HEAD_FACTOR = 0.1
"""Factor of the heads' initial weights and learning rate. They read a residual stream that no norm bounds, so that one
step of Adam at full rate moves joints by decimetres; with the factor 200 steps reached 163 mm, without it 640 mm."""

VARIANTS = {"n81": n81, "n351": n351, "compact": compact}

STEPS, BATCH, RATE = 20000, 256, 5e-4
"""Defaults of the product's own recipe."""

WARM_UP = 0.03
"""Part of a training in which the learning rate rises; after it, it follows a cosine."""

AVERAGE_DECAY, AVERAGE_BATCH = 0.999, 64
"""Decay of the averaged weights, after a step of so many windows."""

PIECE = 64
"""Windows that a processor takes at once."""

STAGES = ("deferred", "spatial", "temporal", "strided")
"""Stages that an ablation can leave out (Table 3): fields of `UpliftConfig`."""


def uplift_loss(central: Tensor, sequence: Tensor, targets: Tensor, config: UpliftConfig) -> Tensor:
    """Half the central head's and half the sequence head's mean joint distance, in metres.

    The newest tokens, which a stream reads first, count twice. Without the temporal stage there is only the central
    head.
    """
    centre = (central - targets[:, config.centre]).norm(dim=-1).mean()
    if not config.temporal:
        return centre
    distance = (sequence - targets).norm(dim=-1).mean((0, 2))  # (T,)
    newest = torch.ones(config.tokens, device=distance.device)
    newest[-config.tokens // 4 :] = 2.0
    return 0.5 * centre + 0.5 * (distance * newest).sum() / newest.sum()


def train(
    data: Sequence[Path],
    body_model: Path | None,
    out: Path,
    variant: str,
    *,
    steps: int,
    batch: int,
    learning_rate: float,
    seed: int,
    threads: int,
    minutes: float | None = None,
    start: str | None = None,
    bfloat16: bool = False,
    device: str = "cpu",
    workers: int = 0,
    ablate: Iterable[str] = (),
    strides: list[int] | None = None,
    normalisation: str = "canonical",
    stochastic_depth: float | None = None,
    scores: bool = False,
    twins: bool = False,
    report_every: int = 200,
    subjects: Sequence[str] = TRAINING_SUBJECTS,
) -> UpliftUpsample:
    """Train, or resume from the checkpoint in `out`, and write the averaged `out`/`variant`.safetensors.

    Args:
        data, body_model: motion capture, see `formats.load`; the sequences of all files together.
        out: folder for checkpoint, log and weights.
        variant: a key of VARIANTS.
        steps: optimiser steps in all; the learning rate follows a cosine over them, after a short warm-up.
        minutes: of all runs together, instead of `steps`; the learning rate follows it.
        start: weights to start from, by name or file, instead of random ones; those of a narrower network are widened.
        bfloat16: multiply matrices in bfloat16.
        device: 'cpu', 'cuda' or one of its devices, for the network.
        workers: processes of low priority that draw windows; 0 draws between the steps.
        ablate: of STAGES, to train without.
        strides: between key-frames, instead of the variant's.
        normalisation: of the 2D poses, see `camera.normalise`.
        stochastic_depth: drop rate of the last blocks, instead of the variant's.
        scores: the network reads the detector's scores, whatever the variant's default.
        twins: windows come with their mirror images (`WindowSampler`).
        report_every: steps between checkpoints.
        subjects: of Human3.6M.
    """
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    place = find_device(device)
    changes: dict[str, Any] = {"normalisation": normalisation, **dict.fromkeys(ablate, False)}
    if strides:
        changes["input_strides"] = tuple(strides)
    if scores:
        changes["scores"] = True
    if stochastic_depth is not None:
        changes["stochastic_depth"] = stochastic_depth
    config = replace(VARIANTS[variant](), **changes)
    model = widen(weights.load(start, UpliftUpsample), config) if start else UpliftUpsample(config)
    if not start:
        _shrink(model.heads)
    model.to(place)
    muon, adam = optimisers = _optimisers(model, learning_rate)
    average = ExponentialAverage(model, AVERAGE_DECAY ** (batch / AVERAGE_BATCH))
    progress = Progress(steps, minutes)
    training = {
        "data": " ".join(path.name for path in data),
        "batch": batch,
        "rate": learning_rate,
        "seed": seed,
        "start": start,
        "twins": twins,
    }
    parts = {"model": model, "muon": muon, "adam": adam, "average": average, "progress": progress}
    files = TrainingFiles(out / f"{variant}.safetensors", config, training, **parts)
    step = files.restore()
    sequences = [part for path in data for part in load_motion(path, config.model_rate, body_model, subjects)]
    sampler = WindowSampler(sequences, config, batch, np.random.default_rng((seed, step)), twins=twins)
    batches = iter(DataLoader(sampler, batch_size=None, num_workers=workers, worker_init_fn=_yield_to_others))

    products = Bfloat16Transformer(model.heads, place.type) if bfloat16 else contextlib.nullcontext()
    model.train()
    losses: list[float] = []
    while (done := progress.fraction(step)) < 1:
        _set_rates(optimisers, 1e-3 + min(done / WARM_UP, 0.5 * (1 + math.cos(math.pi * done))))
        model.zero_grad()
        losses.append(0.0)
        for windows in _pieces(next(batches), batch if place.type == "cuda" else PIECE):
            # Fused attention takes twice as long on a processor for the spatial stage's heads of width 4.
            with products, sdpa_kernel(SDPBackend.MATH) if place.type == "cpu" else contextlib.nullcontext():
                central, sequence = model(windows.inputs.to(place), windows.mask.to(place))
            loss = uplift_loss(central.float(), sequence.float(), windows.targets.to(place), config)
            check_finite(loss, step + 1)
            share = len(windows.inputs) / batch
            (share * loss).backward()
            losses[-1] += share * loss.item()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimiser in optimisers:
            optimiser.step()
        average.update(model)
        step += 1
        if step % report_every == 0 or progress.fraction(step) == 1:
            averaged = UpliftUpsample(config)
            averaged.load_state_dict(average.weights)
            loss_mm, rate = 1000 * sum(losses) / len(losses), muon.param_groups[0]["lr"]
            files.save(step, averaged, {"steps": step}, {"step": step, "loss_mm": loss_mm, "rate": rate})
            losses.clear()
    return model.eval()


def _pieces(windows: Batch, size: int) -> Iterator[Batch]:
    """A batch in pieces whose activations stay in a processor's cache; their gradients are added."""
    for start in range(0, len(windows.inputs), size):
        piece = slice(start, start + size)
        yield Batch(windows.inputs[piece], windows.mask[piece], windows.targets[piece])


def _set_rates(optimisers: Iterable[torch.optim.Optimizer], factor: float) -> None:
    for optimiser in optimisers:
        for group in optimiser.param_groups:
            group["lr"] = factor * group.setdefault("initial_lr", group["lr"])


def _yield_to_others(_: int) -> None:
    """Let a process that draws windows run with lower priority than the network, in one thread."""
    os.nice(5)
    torch.set_num_threads(1)


@torch.no_grad()
def _shrink(heads: Iterable[nn.Linear]) -> None:
    for head in heads:
        head.weight.mul_(HEAD_FACTOR)


def _optimisers(model: UpliftUpsample, learning_rate: float) -> tuple[torch.optim.Muon, torch.optim.AdamW]:
    """Muon for the matrices of the blocks, AdamW for everything else, both with the paper's decay of 0.1.

    Muon's steps are scaled to the size of AdamW's, so that one learning rate suits both. 200 steps after a start from
    trained weights its loss was 3 mm below AdamW's.
    """
    heads = [parameter for head in model.heads for parameter in head.parameters()]
    inner = {name: parameter for name, parameter in model.named_parameters() if "head" not in name}
    matrices = [name for name in inner if name.endswith("weight") and inner[name].ndim == 2 and "embedding" not in name]
    muon = torch.optim.Muon(
        [inner.pop(name) for name in matrices], learning_rate, weight_decay=0.1, adjust_lr_fn="match_rms_adamw"
    )
    groups: list[dict[str, Any]] = [{"params": [*inner.values()]}, {"params": heads, "lr": HEAD_FACTOR * learning_rate}]
    return muon, torch.optim.AdamW(groups, learning_rate, weight_decay=0.1)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_data_arguments(parser, several=True)
    add_paper_arguments(parser)
    parser.add_argument(
        "--recipe", choices=("product", "paper"), default="product", help="data sampling and hyperparameters"
    )
    parser.add_argument("--out", type=Path, default=Path("out/training"), help="folder for checkpoint, log and weights")
    parser.add_argument("--variant", choices=sorted(VARIANTS), default="compact")
    parser.add_argument("--steps", type=int, help=f"{STEPS}, or the recipe's")
    parser.add_argument("--batch", type=int, help=f"windows in a step: {BATCH}, or the recipe's")
    parser.add_argument("--learning-rate", type=float, help=f"{RATE}, or the recipe's")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, help="of all runs together, instead of --steps; not of --recipe paper")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1, help="processes of low priority that draw windows")
    parser.add_argument("--device", default="cpu", help="of the network: cpu, cuda or cuda:N")
    parser.add_argument("--report-every", type=int, default=100, metavar="STEPS", help="between checkpoints")
    parser.add_argument("--start", help="weights to start from, by name or file; narrower ones are widened")
    parser.add_argument("--bfloat16", action="store_true", help="faster on processors with bfloat16 instructions")
    parser.add_argument(
        "--twins",
        action=argparse.BooleanOptionalAction,
        help="each window with its mirror image in the same batch; otherwise not, or as the recipe of the paper does",
    )
    parser.add_argument(
        "--normalisation",
        choices=NORMALISATIONS,
        default="canonical",
        help="of 2D poses; screen is the papers'",
    )
    parser.add_argument("--stochastic-depth", type=float, help="drop rate of the last blocks; the variant's otherwise")
    parser.add_argument(
        "--scores", action="store_true", help="n81 and n351 read the detector's scores, as compact does"
    )
    parser.add_argument("--ablate", nargs="+", choices=STAGES, default=[], help="train without these stages")
    parser.add_argument("--strides", type=int, nargs="+", help="between key-frames; the variant's otherwise")


def main(args: argparse.Namespace) -> int:
    if args.recipe == "paper":
        return paper_recipe.main(args)
    if ignored := [name for name in ("keypoints", "calibration") if getattr(args, name)]:
        raise ValueError(
            f"{', '.join(ignored)}: need --recipe paper; the product's own recipe draws cameras and errors"
        )
    train(
        args.data,
        args.body_model,
        args.out,
        args.variant,
        steps=args.steps or STEPS,
        minutes=args.minutes,
        batch=args.batch or BATCH,
        learning_rate=args.learning_rate or RATE,
        seed=args.seed,
        threads=args.threads,
        start=args.start,
        bfloat16=args.bfloat16,
        device=args.device,
        workers=args.workers,
        ablate=args.ablate,
        strides=args.strides,
        normalisation=args.normalisation,
        stochastic_depth=args.stochastic_depth,
        scores=args.scores,
        twins=bool(args.twins),
        report_every=args.report_every,
        subjects=args.subjects or TRAINING_SUBJECTS,
    )
    print(json.dumps({"weights": str(args.out / f"{args.variant}.safetensors")}))
    return 0
