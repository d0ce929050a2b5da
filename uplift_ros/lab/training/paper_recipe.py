"""`uplift train uplift --recipe paper`: Uplift and Upsample trained as its authors did (WACV 2023).

The data selects one of their configurations: Human3.6M; AMASS for pre-training; Human3.6M from pre-trained weights.
"""

import argparse
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from uplift_ros.lab import device
from uplift_ros.lab.data.formats import h36m, load
from uplift_ros.lab.data.formats.amass_joints import VALIDATION
from uplift_ros.lab.data.options import load_takes
from uplift_ros.lab.training.loop import AVERAGE_DECAY, Training
from uplift_ros.lab.training.paper_windows import PaperSampler, Videos
from uplift_ros.models import weights
from uplift_ros.models.configs import UpliftConfig
from uplift_ros.models.uplift import UpliftUpsample
from uplift_ros.sources.synthetic.viewpoint import Viewpoint

STEPS_PER_EPOCH = 6000
RATE_DECAY = 0.99
"""Decay of the learning rate after each epoch."""

WEIGHT_DECAY = 0.1
"""Of every parameter, in the convention of PyTorch's AdamW; the authors' is 4e-6 at a learning rate of 4e-5."""


@dataclass(frozen=True)
class UpliftRecipe:
    """One of the authors' configurations.

    Args:
        batch: windows in a step.
        rate: initial learning rate.
        epochs: of STEPS_PER_EPOCH steps.
        twins: each window is followed by its mirror image (within-batch augmentation).
        averaged: write the exponential average of the weights instead of the last ones.
    """

    batch: int
    rate: float
    epochs: int
    twins: bool
    averaged: bool


RECIPES = {
    ("n81", "h36m"): UpliftRecipe(256, 4e-5, 120, twins=False, averaged=True),
    ("n351", "h36m"): UpliftRecipe(512, 4e-5, 120, twins=True, averaged=False),
    ("n351", "amass"): UpliftRecipe(512, 4e-5, 100, twins=True, averaged=False),
    ("n351", "fine-tuning"): UpliftRecipe(512, 2e-5, 3, twins=True, averaged=False),
}
"""By variant and kind of data. For n81 with pre-training the authors give no configuration; it uses those of n351."""


def paper_loss(central: Tensor, sequence: Tensor, targets: Tensor, config: UpliftConfig) -> Tensor:
    """Mean of the central head's and the sequence head's mean joint distances, metres; all tokens count alike.

    Without the temporal stage there is only the central head.

    Args:
        central: (B, 17, 3).
        sequence, targets: (B, T, 17, 3).
    """
    centre = (central - targets[:, config.centre]).norm(dim=-1).mean()
    if not config.temporal:
        return centre
    return 0.5 * centre + 0.5 * (sequence - targets).norm(dim=-1).mean()


def train(args: argparse.Namespace, config: UpliftConfig) -> Path:
    """Train, or resume from the checkpoint in --out; return the path of the weights.

    Args:
        args: options of the command.
        config: of the network.

    Raises:
        ValueError: options or data that the recipe does not use, or start weights of another shape.
    """
    if args.variant == "compact":
        raise ValueError("recipe paper is for --variant n81 or n351, got compact")
    if ignored := [name for name in ("minutes", "scores", "bfloat16") if getattr(args, name)]:
        raise ValueError(
            f"{', '.join(ignored)} must not be given with --recipe paper, which counts steps and reads no scores"
        )
    place = device.find(args.device)
    takes = load_takes(args, test=False)
    kind = "amass" if not takes else "fine-tuning" if args.start else "h36m"
    recipe = RECIPES.get((args.variant, kind)) or RECIPES["n351", kind]
    recipe = replace(
        recipe,
        batch=args.batch or recipe.batch,
        rate=args.learning_rate or recipe.rate,
        twins=recipe.twins if args.twins is None else args.twins,
    )
    videos, cameras = (Videos.of_takes(takes), []) if takes else _motion(args, config)
    model = _network(config, args.start).to(place).train()
    optimiser = torch.optim.AdamW(model.parameters(), recipe.rate, eps=1e-8, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.StepLR(optimiser, STEPS_PER_EPOCH, RATE_DECAY)
    settings = asdict(recipe) | {
        "seed": args.seed,
        "recipe": "paper",
        "configuration": kind,
        "data": " ".join(path.name for path in args.data),
        "start": args.start,
    }
    path, decay = args.out / f"{args.variant}.safetensors", AVERAGE_DECAY if recipe.averaged else 0.0
    steps = args.steps or recipe.epochs * STEPS_PER_EPOCH
    training = Training(model, path, settings, steps=steps, decay=decay, optimiser=optimiser, schedule=schedule)
    rng = np.random.default_rng((args.seed, training.step))
    sampler = PaperSampler(videos, config, recipe.batch, rng, twins=recipe.twins, cameras=cameras)
    while training.progress < 1:
        inputs, mask, targets = (part.to(place) for part in sampler.draw())
        central, sequence = model(inputs, mask)
        loss = paper_loss(central, sequence, targets, config)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        training.advance(loss.detach())
        if training.step % args.report_every == 0 or training.progress == 1:
            row = {"loss_mm": 1000 * training.mean_loss(), "rate": optimiser.param_groups[0]["lr"]}
            training.report({"steps": training.step}, step=training.step, **row)
    return path


def _motion(args: argparse.Namespace, config: UpliftConfig) -> tuple[Videos, list[Viewpoint]]:
    """Motion capture without the validation sets, and Human3.6M's cameras, which see it."""
    if args.calibration is None:
        raise ValueError(
            "recipe paper trains on Human3.6M (give --keypoints and --calibration), or on motion capture that its "
            f"cameras see (calibration is missing: {h36m.FIT_CAMERAS})"
        )
    cameras = list(h36m.load_cameras(args.calibration).values())
    motion = [part for path in args.data for part in load(path, config.model_rate, args.body_model)]
    return Videos.of_motion([part for part in motion if part.name.split("/")[0] not in VALIDATION]), cameras


def _network(config: UpliftConfig, start: str | None) -> UpliftUpsample:
    """A new network, or the one of the weights `start`."""
    model = UpliftUpsample(config)
    if start:
        begun = weights.load(start, UpliftUpsample)
        same = replace(begun.config, input_strides=config.input_strides, stochastic_depth=config.stochastic_depth)
        if same != config:
            raise ValueError(f"start: {start!r} must have the shape {config}, got {begun.config}")
        model.load_state_dict(begun.state_dict())
    return model
