"""Training of the uplifting network: options, and the product's recipe on motion capture seen by virtual cameras."""

import argparse
import contextlib
import json
import math
import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.data import DataLoader, get_worker_info

from uplift_ros.camera import NORMALISATIONS
from uplift_ros.lab import device
from uplift_ros.lab.data.formats import load_motion
from uplift_ros.lab.data.options import add_paper_arguments
from uplift_ros.lab.data.windows import WindowSampler
from uplift_ros.lab.training import paper_recipe
from uplift_ros.lab.training.loop import AVERAGE_DECAY, Training, add_recipe_argument, add_training_arguments
from uplift_ros.lab.training.precision import Bfloat16Transformer
from uplift_ros.lab.training.widen import widen
from uplift_ros.models import weights
from uplift_ros.models.configs import UpliftConfig, compact, n81, n351
from uplift_ros.models.uplift import UpliftUpsample
from uplift_ros.settings import at_least, positive

HEAD_FACTOR = 0.1
"""Factor of the heads' initial weights and learning rate. Heads read a residual stream that no norm bounds, so that one
step of Adam at the full rate moves joints by decimetres. After 200 steps the error was 163 mm with the factor, 640 mm
without it."""

VARIANTS = {"n81": n81, "n351": n351, "compact": compact}

STEPS, UPLIFT_BATCH, UPLIFT_RATE = 20000, 256, 5e-4
"""Defaults of the product's own recipe."""

WARM_UP = 0.03
"""Part of a training in which the learning rate rises; then it follows a cosine."""

AVERAGE_BATCH = 64
"""Windows in a step after which the averaged weights decay by AVERAGE_DECAY; larger steps decay more."""

PIECE = 64
"""Windows that a processor computes at once, so that their activations stay in its cache; gradients are accumulated."""

ABLATABLE_STAGES = ("deferred", "spatial", "temporal", "strided")
"""Stages that an ablation can remove (Table 3): fields of `UpliftConfig`."""


def uplift_loss(central: Tensor, sequence: Tensor, targets: Tensor, mask: Tensor, config: UpliftConfig) -> Tensor:
    """Mean of the central head's and the sequence head's mean joint distances, in metres.

    Tokens before the first key-frame do not count in the sequence, because nothing reads them; the newest quarter of
    the tokens, which a stream reads first, counts twice. Without the temporal stage there is only the central head.

    Args:
        central: (B, 17, 3).
        sequence, targets: (B, T, 17, 3).
        mask: (B, T) bool, true at key-frames.
        config: of the network.
    """
    centre = (central - targets[:, config.centre]).norm(dim=-1).mean()
    if not config.temporal:
        return centre
    weight = mask.cummax(1).values.float()  # (B, T)
    weight[:, -config.tokens // 4 :] *= 2.0
    distance = (sequence - targets).norm(dim=-1).mean(2)  # (B, T)
    return 0.5 * centre + 0.5 * ((distance * weight).sum(1) / weight.sum(1)).mean()


def config_of(args: argparse.Namespace) -> UpliftConfig:
    """Config of the network that the options describe."""
    changes: dict[str, Any] = {"normalisation": args.normalisation, **dict.fromkeys(args.ablate, False)}
    if args.recipe == "paper":
        changes["normalisation"] = "screen"
    elif args.scores:
        changes["scores"] = True
    if args.strides:
        changes["input_strides"] = tuple(args.strides)
    return replace(VARIANTS[args.variant](), **changes)


def train(args: argparse.Namespace, config: UpliftConfig) -> Path:
    """Train by the product's recipe, or resume from the checkpoint in --out; return the path of the averaged weights.

    The learning rate follows a cosine over the steps or minutes, after a short warm-up.

    Args:
        args: options of the command.
        config: of the network.

    Raises:
        ValueError: options of the other recipe, or start weights that cannot be widened.
    """
    if ignored := [name for name in ("keypoints", "calibration") if getattr(args, name)]:
        raise ValueError(
            f"{', '.join(ignored)}: need --recipe paper; the product's own recipe draws cameras and errors"
        )
    place = device.find(args.device)
    batch, learning_rate, twins = args.batch or UPLIFT_BATCH, args.learning_rate or UPLIFT_RATE, bool(args.twins)
    model = widen(weights.load(args.start, UpliftUpsample), config) if args.start else _untrained(config)
    model.to(place).train()
    muon, adam = optimisers = _optimisers(model, learning_rate)
    settings = {
        "data": " ".join(path.name for path in args.data),
        "batch": batch,
        "rate": learning_rate,
        "seed": args.seed,
        "start": args.start,
        "twins": twins,
    }
    path, decay = args.out / f"{args.variant}.safetensors", AVERAGE_DECAY ** (batch / AVERAGE_BATCH)
    steps = args.steps or STEPS
    training = Training(model, path, settings, steps=steps, minutes=args.minutes, decay=decay, muon=muon, adam=adam)
    motion = load_motion(args.data, config.model_rate, args.body_model, args.subjects)
    sampler = WindowSampler(motion, config, batch, np.random.default_rng((args.seed, training.step)), twins=twins)
    batches = iter(DataLoader(sampler, batch_size=None, num_workers=args.workers, worker_init_fn=_start_worker))

    products = Bfloat16Transformer(model.heads, place.type) if args.bfloat16 else contextlib.nullcontext()
    done = training.progress
    while done < 1:
        _set_rates(optimisers, 1e-3 + min(done / WARM_UP, 0.5 * (1 + math.cos(math.pi * done))))
        model.zero_grad()
        total = 0.0
        pieces = (part.split(batch if place.type == "cuda" else PIECE) for part in next(batches))
        for inputs, mask, targets in zip(*pieces, strict=True):
            # On a processor, fused attention takes twice as long for the heads of width 4 in the spatial stage.
            with products, sdpa_kernel(SDPBackend.MATH) if place.type == "cpu" else contextlib.nullcontext():
                central, sequence = model(inputs.to(place), mask.to(place))
            loss = uplift_loss(central.float(), sequence.float(), targets.to(place), mask.to(place), config)
            share = len(inputs) / batch
            (share * loss).backward()
            total += share * loss.item()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimiser in optimisers:
            optimiser.step()
        training.advance(total)
        done = training.progress
        if training.step % args.report_every == 0 or done == 1:
            row = {"loss_mm": 1000 * training.mean_loss(), "rate": muon.param_groups[0]["lr"]}
            training.report({"steps": training.step}, step=training.step, **row)
    return path


def _set_rates(optimisers: Iterable[torch.optim.Optimizer], factor: float) -> None:
    for optimiser in optimisers:
        for group in optimiser.param_groups:
            group["lr"] = factor * group.setdefault("initial_lr", group["lr"])


def _start_worker(worker: int) -> None:
    """Set up a process that draws windows: lower priority than the network, one thread, windows of its own."""
    os.nice(5)
    torch.set_num_threads(1)
    information: Any = get_worker_info()
    sampler: WindowSampler = information.dataset
    sampler.rng = np.random.default_rng((worker, *sampler.rng.integers(2**32, size=2).tolist()))


def _untrained(config: UpliftConfig) -> UpliftUpsample:
    model = UpliftUpsample(config)
    with torch.no_grad():
        for head in model.heads:
            head.weight.mul_(HEAD_FACTOR)
    return model


def _optimisers(model: UpliftUpsample, learning_rate: float) -> tuple[torch.optim.Muon, torch.optim.AdamW]:
    """Muon for the matrices of the blocks, AdamW for all other parameters, both with the paper's weight decay of 0.1.

    Muon's steps are scaled to the size of AdamW's, so that one learning rate suits both. 200 steps after a start from
    trained weights the loss with Muon was 3 mm below that with AdamW alone.
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
    add_training_arguments(parser, UPLIFT_BATCH, UPLIFT_RATE, seed=0, threads=1)
    add_recipe_argument(parser)
    add_paper_arguments(parser)
    parser.add_argument("--variant", choices=sorted(VARIANTS), default="compact")
    parser.add_argument("--steps", type=at_least(1), help=f"{STEPS}, or the recipe's")
    parser.add_argument(
        "--minutes", type=positive, help="of all runs together, instead of --steps; not of --recipe paper"
    )
    parser.add_argument("--workers", type=at_least(0), default=1, help="processes of low priority that draw windows")
    parser.add_argument("--device", default="cpu", help="of the network: cpu, cuda or cuda:N")
    parser.add_argument("--report-every", type=at_least(1), default=100, metavar="STEPS", help="between checkpoints")
    parser.add_argument(
        "--twins",
        action=argparse.BooleanOptionalAction,
        help="each window with its mirror image in the same batch; default: no, or as in the paper's recipe",
    )
    parser.add_argument(
        "--normalisation", choices=NORMALISATIONS, default="canonical", help="of 2D poses; screen is the papers'"
    )
    parser.add_argument(
        "--scores", action="store_true", help="n81 and n351 read the detector's scores, as compact does"
    )
    parser.add_argument("--ablate", nargs="+", choices=ABLATABLE_STAGES, default=[], help="train without these stages")
    parser.add_argument("--strides", type=at_least(1), nargs="+", help="between key-frames; the variant's otherwise")


def main(args: argparse.Namespace) -> int:
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    recipe = paper_recipe.train if args.recipe == "paper" else train
    print(json.dumps({"weights": str(recipe(args, config_of(args)))}))
    return 0
