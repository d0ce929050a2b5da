"""`uplift train uplift --recipe paper`: Uplift and Upsample trained as its authors did (WACV 2023).

The data selects one of their configurations: Human3.6M, AMASS for pre-training, or Human3.6M from pre-trained weights.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from uplift_ros.lab import device
from uplift_ros.lab.data.formats import h36m, load
from uplift_ros.lab.data.formats.amass_joints import VALIDATION
from uplift_ros.lab.data.formats.papers import load_takes
from uplift_ros.lab.training.loop import ExponentialAverage, TrainingFiles
from uplift_ros.lab.training.paper_windows import PaperSampler, Videos
from uplift_ros.models import weights
from uplift_ros.models.configs import UpliftConfig, n81, n351
from uplift_ros.models.uplift import UpliftUpsample

STEPS_PER_EPOCH = 6000
RATE_DECAY = 0.99
"""Decay of the learning rate after each epoch."""

WEIGHT_DECAY = 0.1
"""Weight decay in the convention of PyTorch's AdamW, on every parameter: theirs is 4e-6 at a rate of 4e-5."""


@dataclass(frozen=True)
class Recipe:
    """One of the authors' configurations.

    Args:
        batch: windows in a step.
        rate: learning rate at the start.
        epochs: of STEPS_PER_EPOCH steps.
        twins: within-batch augmentation.
        averaged: whether the exponential average of the weights is kept.
    """

    batch: int
    rate: float
    epochs: int
    twins: bool
    averaged: bool


RECIPES = {
    ("n81", "h36m"): Recipe(256, 4e-5, 120, twins=False, averaged=True),
    ("n351", "h36m"): Recipe(512, 4e-5, 120, twins=True, averaged=False),
    ("n351", "amass"): Recipe(512, 4e-5, 100, twins=True, averaged=False),
    ("n351", "fine-tuning"): Recipe(512, 2e-5, 3, twins=True, averaged=False),
}
"""n81 with pre-training is in the paper but not among the configurations; it follows those of n351."""

VARIANTS = {"n81": n81, "n351": n351}


def paper_loss(central: Tensor, sequence: Tensor, targets: Tensor, config: UpliftConfig) -> Tensor:
    """Half the central head's and half the sequence head's mean joint distance, metres; all tokens count the same.

    Without the temporal stage there is only the central head.
    """
    centre = (central - targets[:, config.centre]).norm(dim=-1).mean()
    if not config.temporal:
        return centre
    return 0.5 * centre + 0.5 * (sequence - targets).norm(dim=-1).mean()


def main(args: argparse.Namespace) -> int:
    if args.variant not in VARIANTS:
        raise ValueError(f"recipe paper is for --variant {' or '.join(VARIANTS)}, got {args.variant}")
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    paths: list[Path] = args.data
    takes = load_takes(paths, args, test=False)
    kind = "amass" if not takes else "fine-tuning" if args.start else "h36m"
    recipe = RECIPES.get((args.variant, kind)) or RECIPES["n351", kind]
    recipe = replace(
        recipe,
        batch=args.batch or recipe.batch,
        rate=args.learning_rate or recipe.rate,
        twins=recipe.twins if args.twins is None else args.twins,
    )
    changes: dict[str, Any] = {"normalisation": "screen", **dict.fromkeys(args.ablate, False)}
    if args.strides:
        changes["input_strides"] = tuple(args.strides)
    if args.stochastic_depth is not None:
        changes["stochastic_depth"] = args.stochastic_depth
    config = replace(VARIANTS[args.variant](), **changes)
    cameras: Sequence[h36m.H36MCamera] = ()
    if not takes:
        if args.calibration is None:
            raise ValueError(
                "recipe paper trains on Human3.6M (give --keypoints and --calibration), or on motion capture that its "
                f"cameras see (calibration is missing: {h36m.FIT_CAMERAS})"
            )
        cameras = list(h36m.load_calibration(args.calibration).values())
        subjects = args.subjects or h36m.TRAINING_SUBJECTS
        motion = [part for path in paths for part in load(path, config.model_rate, args.body_model, subjects)]
        videos = Videos.of_motion([part for part in motion if part.name.split("/")[0] not in VALIDATION])
    else:
        videos = Videos.of_takes(takes)
    provenance = {
        "recipe": "paper",
        "configuration": kind,
        "data": " ".join(path.name for path in paths),
        "start": args.start,
    }
    path = train(
        config,
        videos,
        cameras,
        recipe,
        args.out / f"{args.variant}.safetensors",
        steps=args.steps or recipe.epochs * STEPS_PER_EPOCH,
        seed=args.seed,
        start=args.start,
        on=args.device,
        provenance=provenance,
    )
    print(json.dumps({"weights": str(path)}))
    return 0


def train(
    config: UpliftConfig,
    videos: Videos,
    cameras: Sequence[h36m.H36MCamera],
    recipe: Recipe,
    path: Path,
    *,
    steps: int,
    seed: int,
    start: str | None,
    on: str,
    provenance: dict[str, object],
    report_every: int = 500,
) -> Path:
    """Train, or resume from the checkpoint beside `path`, and write the weights to `path`.

    Args:
        start: initial weights; the optimiser starts without state.
        on: device.

    Raises:
        ValueError: no such device, start weights of another shape, or a checkpoint of another training.
    """
    place = device.find(on)
    model = UpliftUpsample(config)
    if start:
        begun = weights.load(start, UpliftUpsample)
        same = replace(begun.config, input_strides=config.input_strides, stochastic_depth=config.stochastic_depth)
        if same != config:
            raise ValueError(f"start: {start!r} must have the shape {config}, got {begun.config}")
        model.load_state_dict(begun.state_dict())
    model.to(place).train()
    optimiser = torch.optim.AdamW(model.parameters(), recipe.rate, eps=1e-8, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.StepLR(optimiser, STEPS_PER_EPOCH, RATE_DECAY)
    average = ExponentialAverage(model, 0.999 if recipe.averaged else 0.0)
    training = asdict(recipe) | {"seed": seed, **provenance}
    parts = {"model": model, "optimiser": optimiser, "schedule": schedule, "average": average}
    files = TrainingFiles(path, config, training, **parts)
    first = files.restore()
    rng = np.random.default_rng((seed, first))
    sampler = PaperSampler(videos, config, recipe.batch, rng, twins=recipe.twins, cameras=cameras)
    losses = []
    for step, windows in zip(range(first + 1, steps + 1), sampler, strict=False):
        inputs, mask, targets = (part.to(place) for part in (windows.inputs, windows.mask, windows.targets))
        central, sequence = model(inputs, mask)
        loss = paper_loss(central, sequence, targets, config)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if recipe.averaged:
            average.update(model)
        losses.append(loss.detach())
        if step % report_every == 0 or step == steps:
            kept = UpliftUpsample(config)
            kept.load_state_dict(average.weights if recipe.averaged else model.state_dict())
            mean, rate = 1000 * torch.stack(losses).mean().item(), optimiser.param_groups[0]["lr"]
            files.save(step, kept, {"steps": step}, {"step": step, "loss_mm": mean, "rate": rate})
            losses.clear()
    return path
