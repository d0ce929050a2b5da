"""Training of the uplifting network on motion capture seen by virtual cameras."""

import argparse
import contextlib
import json
import math
from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from uplift_ros.camera import NORMALISATIONS
from uplift_ros.lab.data.formats import add_data_arguments, load
from uplift_ros.lab.data.formats.papers import add_paper_arguments
from uplift_ros.lab.data.windows import WindowSampler
from uplift_ros.lab.training import paper_recipe
from uplift_ros.lab.training.loop import Checkpoint, ExponentialAverage, TrainingLog, check_finite
from uplift_ros.lab.training.precision import Bfloat16Products
from uplift_ros.lab.training.widen import widen
from uplift_ros.models import weights
from uplift_ros.models.configs import UpliftConfig, compact, n81, n351
from uplift_ros.models.uplift import UpliftUpsample

HEAD_FACTOR = 0.1
"""On the heads' first weights and learning rate. They read a residual stream that no norm bounds, so that one step of
Adam at full rate moves joints by decimetres; with the factor 200 steps reached 163 mm, without it 640 mm."""

VARIANTS = {"n81": n81, "n351": n351, "compact": compact}

STEPS, BATCH, RATE = 20000, 64, 5e-4
"""Of the product's own recipe, unless the options say otherwise."""

STAGES = ("deferred", "spatial", "strided")
"""What an ablation can leave out (Table 3): fields of `UpliftConfig`."""


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
    normalisation: str = "canonical",
    stochastic_depth: float | None = None,
    twins: bool = False,
    report_every: int = 200,
) -> UpliftUpsample:
    """Train, or go on with what lies in `out`, and leave `out`/`variant`.safetensors with the averaged weights.

    Args:
        data, body_model: motion capture, see `formats.load`.
        out: folder for checkpoint, log and weights.
        variant: a key of VARIANTS.
        steps: optimiser steps in all; the learning rate follows a cosine over them, after a short warm-up.
        start: weights to start from, by name or file, instead of random ones; those of a narrower network are widened.
        bfloat16: multiply matrices in bfloat16 (`Bfloat16Products`).
        ablate: of STAGES, to train without.
        strides: between key-frames, instead of the variant's.
        normalisation: of the 2D poses, see `camera.normalise`.
        stochastic_depth: drop rate of the last blocks, instead of the variant's.
        twins: windows come with their mirror images (`WindowSampler`).
    """
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    out.mkdir(parents=True, exist_ok=True)
    changes: dict[str, Any] = {"normalisation": normalisation, **dict.fromkeys(ablate, False)}
    if strides:
        changes["input_strides"] = tuple(strides)
    if stochastic_depth is not None:
        changes["stochastic_depth"] = stochastic_depth
    config = replace(VARIANTS[variant](), **changes)
    model = widen(weights.load(start, UpliftUpsample), config) if start else UpliftUpsample(config)
    heads = (model.sequence_head, model.central_head)
    if not start:
        _shrink(heads)
    muon, adam = optimisers = _optimisers(model, learning_rate)
    warm_up = max(1, min(500, steps // 10))

    def factor(step: int) -> float:
        return min((step + 1) / warm_up, 0.5 * (1 + math.cos(math.pi * min(step / steps, 1.0))) + 1e-3)

    schedules = [torch.optim.lr_scheduler.LambdaLR(optimiser, factor) for optimiser in optimisers]
    average = ExponentialAverage(model, 0.999)
    training = {
        "data": data.name,
        "batch": batch,
        "rate": learning_rate,
        "seed": seed,
        "start": start,
        "twins": twins,
    }
    checkpoint = Checkpoint(
        out / f"{variant}.pt",
        asdict(config) | training,
        model=model,
        muon=muon,
        adam=adam,
        muon_schedule=schedules[0],
        adam_schedule=schedules[1],
        average=average,
    )
    log = TrainingLog(out / f"{variant}.csv")
    first = checkpoint.restore()
    sequences = load(data, config.model_rate, body_model)
    sampler = WindowSampler(sequences, config, batch, np.random.default_rng((seed, first)), twins=twins)

    products = Bfloat16Products(heads) if bfloat16 else contextlib.nullcontext()
    model.train()
    losses = []
    for step, windows in zip(range(first + 1, steps + 1), sampler, strict=False):
        # Fused attention takes twice as long on a processor for the spatial stage's heads of width 4.
        with products, sdpa_kernel(SDPBackend.MATH):
            central, sequence = model(windows.inputs, windows.mask)
        loss = uplift_loss(central, sequence, windows.targets, config)
        check_finite(loss, step)
        model.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimiser, schedule in zip(optimisers, schedules, strict=True):
            optimiser.step()
            schedule.step()
        average.update(model)
        losses.append(loss.item())
        if step % report_every == 0 or step == steps:
            log.write(step=step, loss_mm=1000 * sum(losses) / len(losses), rate=muon.param_groups[0]["lr"])
            losses.clear()
            checkpoint.save(step)
            averaged = UpliftUpsample(config)
            averaged.load_state_dict(average.weights)
            weights.save(averaged, out / f"{variant}.safetensors", training | {"steps": step})
    return model.eval()


@torch.no_grad()
def _shrink(heads: Iterable[nn.Linear]) -> None:
    for head in heads:
        head.weight.mul_(HEAD_FACTOR)


def _optimisers(model: UpliftUpsample, learning_rate: float) -> tuple[torch.optim.Muon, torch.optim.AdamW]:
    """Muon for the matrices of the blocks, AdamW for everything else, both with the paper's decay of 0.1.

    Muon's steps are scaled to the size of AdamW's, so that one learning rate serves both. 200 steps on from trained
    weights its loss was 3 mm below AdamW's.
    """
    heads = [*model.sequence_head.parameters(), *model.central_head.parameters()]
    inner = {name: parameter for name, parameter in model.named_parameters() if "head" not in name}
    matrices = [name for name in inner if name.endswith("weight") and inner[name].ndim == 2 and "embedding" not in name]
    muon = torch.optim.Muon(
        [inner.pop(name) for name in matrices], learning_rate, weight_decay=0.1, adjust_lr_fn="match_rms_adamw"
    )
    groups: list[dict[str, Any]] = [{"params": [*inner.values()]}, {"params": heads, "lr": HEAD_FACTOR * learning_rate}]
    return muon, torch.optim.AdamW(groups, learning_rate, weight_decay=0.1)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_data_arguments(parser)
    add_paper_arguments(parser)
    parser.add_argument(
        "--recipe", choices=("product", "paper"), default="product", help="of all that is drawn and set"
    )
    parser.add_argument("--out", type=Path, default=Path("out/training"), help="folder for checkpoint, log and weights")
    parser.add_argument("--variant", choices=sorted(VARIANTS), default="compact")
    parser.add_argument("--steps", type=int, help=f"{STEPS}, or the recipe's")
    parser.add_argument("--batch", type=int, help=f"windows in a step: {BATCH}, or the recipe's")
    parser.add_argument("--learning-rate", type=float, help=f"{RATE}, or the recipe's")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu", help="of --recipe paper: cpu, cuda or cuda:N")
    parser.add_argument("--start", help="weights to start from, by name or file; narrower ones are widened")
    parser.add_argument("--bfloat16", action="store_true", help="faster on processors with bfloat16 instructions")
    parser.add_argument("--twins", action="store_true", help="each window with its mirror image in the same batch")
    parser.add_argument(
        "--normalisation",
        choices=NORMALISATIONS,
        default="canonical",
        help="of 2D poses; screen is the papers'",
    )
    parser.add_argument("--stochastic-depth", type=float, help="drop rate of the last blocks; the variant's otherwise")
    parser.add_argument("--ablate", nargs="+", choices=STAGES, default=[], help="train without these stages")
    parser.add_argument("--strides", type=int, nargs="+", help="between key-frames; the variant's otherwise")


def main(args: argparse.Namespace) -> int:
    if args.recipe == "paper":
        return paper_recipe.main(args)
    train(
        args.data,
        args.body_model,
        args.out,
        args.variant,
        steps=args.steps or STEPS,
        batch=args.batch or BATCH,
        learning_rate=args.learning_rate or RATE,
        seed=args.seed,
        threads=args.threads,
        start=args.start,
        bfloat16=args.bfloat16,
        ablate=args.ablate,
        strides=args.strides,
        normalisation=args.normalisation,
        stochastic_depth=args.stochastic_depth,
        twins=args.twins,
    )
    print(json.dumps({"weights": str(args.out / f"{args.variant}.safetensors")}))
    return 0
