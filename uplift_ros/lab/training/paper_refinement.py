"""`uplift train synsp --recipe paper`: SynSP trained as its authors did, on SmoothNet's release."""

import argparse
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from uplift_ros.lab import device
from uplift_ros.lab.data.formats.smoothnet_data import FIT_RELEASE, RefinementSet, is_release, load_release
from uplift_ros.lab.training.loop import Training
from uplift_ros.models.configs import SynSPConfig
from uplift_ros.models.synsp import SynSP, synsp_loss

PAPER_REFINER_RATE = 1e-3
SCALE = (0.9, 1.1)
"""Range of a random scale of poses and truth, the only augmentation; single views of Human3.6M alone are scaled."""

SMPL_WIDTH = 256


@dataclass(frozen=True)
class SynSPRecipe:
    """One of the authors' configurations.

    Args:
        batch: windows in a step.
        epochs: passes over all windows.
        decay: factor of the learning rate after each epoch.
        acceleration_weight: lambda_a of the loss.
    """

    batch: int
    epochs: int
    decay: float
    acceleration_weight: float


def recipe_of(data: RefinementSet, *, several_views: bool) -> SynSPRecipe:
    """The configuration for a data set; the authors give one for each representation, of Human3.6M and AIST++.

    Args:
        data: the data set.
        several_views: the views of several cameras are read together.
    """
    if data.representation == "smpl":
        return SynSPRecipe(8000, 70, 0.95, 1.0)
    if data.representation == "2D":
        return SynSPRecipe(2000, 70, 0.96, 0.1)
    if several_views:
        return SynSPRecipe(2000, 70, 0.95, 1.0)
    return SynSPRecipe(64, 10, 0.8, 1.0) if data.dataset == "h36m" else SynSPRecipe(8000, 70, 0.95, 0.1)


class ReleaseWindows:
    """All windows of all sequences, one frame apart.

    Args:
        data: the sequences.
        length: T, frames of a window.

    Attributes:
        scaled: whether windows are scaled at random.
        frames: (2, P, F, C), estimated and true, of P views.
        first: (W,) first frame of each window.

    Raises:
        ValueError: different numbers of views, or no sequence as long as a window.
    """

    def __init__(self, data: RefinementSet, length: int) -> None:
        self.scaled = data.dataset == "h36m" and all(len(sequence.true) == 1 for sequence in data.sequences)
        spare = 1 if data.dataset == "h36m" else 0  # the authors' loaders leave out the last window of other data
        pairs = [np.stack([sequence.estimated, sequence.true]) for sequence in data.sequences]
        views = {pair.shape[1] for pair in pairs}
        if len(views) > 1:
            raise ValueError(
                f"data: every moment must have the same number of views, got {sorted(views)}; {FIT_RELEASE}"
            )
        counts = np.array([max(pair.shape[2] - length + spare, 0) for pair in pairs])
        if not counts.any():
            raise ValueError(
                f"data must have a sequence of more than {length} frames, got none; choose a smaller --window"
            )
        self.frames = np.concatenate(pairs, 2).astype(np.float32)  # (2, P, F, C)
        starts = np.cumsum([0, *(pair.shape[2] for pair in pairs[:-1])])
        self.first = np.concatenate([start + np.arange(count) for start, count in zip(starts, counts, strict=True)])
        self.length = length

    def epoch(self, rng: np.random.Generator, batch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Estimated and true windows (B, P, T, C), or (B, T, C) of single views, each window once, in random order."""
        order = rng.permutation(self.first)
        for chosen in np.split(order, range(batch, len(order), batch)):
            windows = self.frames[:, :, chosen[:, None] + np.arange(self.length)].swapaxes(1, 2)  # (2, B, P, T, C)
            if self.scaled:
                windows = windows * rng.uniform(*SCALE, (len(chosen), 1, 1, 1)).astype(np.float32)
            estimated, true = torch.from_numpy(np.ascontiguousarray(windows))
            yield (estimated, true) if true.shape[1] > 1 else (estimated[:, 0], true[:, 0])


def batches(
    sets: Sequence[ReleaseWindows], epoch: int, recipe: SynSPRecipe, rng: np.random.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches of one epoch (counted from 1), each from one data set, in random order; every set contributes as many as
    the smallest has.

    After a third of the epochs only the first data set is used.
    """
    count = min(math.ceil(len(windows.first) / recipe.batch) for windows in sets)
    used = sets if epoch - 1 <= recipe.epochs / 3 else sets[:1]
    sources = [windows.epoch(rng, recipe.batch) for windows in used]
    for index in rng.permutation(np.repeat(np.arange(len(used)), count)):
        yield next(sources[index])


def load_sets(folders: Sequence[Path], *, several_views: bool) -> list[RefinementSet]:
    """The training files of all folders.

    Args:
        folders: of SmoothNet's release.
        several_views: as of `load_release`.

    Raises:
        ValueError: a folder of another form, or poses of another form than those of the first folder.
    """
    if wrong := [folder for folder in folders if not is_release(folder)]:
        raise ValueError(
            f"data: recipe paper of synsp trains on an estimator's output, not on {wrong[0]}; {FIT_RELEASE}"
        )
    sets = [load_release(folder, "train", several_views=several_views) for folder in folders]
    forms = [f"{data.joints} joints, {data.representation}" for data in sets]
    for folder, form in zip(folders, forms, strict=True):
        if form != forms[0]:
            raise ValueError(f"data: {folder} has {form}, must be as in {folders[0]}: {forms[0]}")
    return sets


def main(args: argparse.Namespace) -> int:
    place = device.find(args.device)
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    sets = load_sets(args.data, several_views=args.views)
    data = sets[0]
    recipe = recipe_of(data, several_views=args.views)
    recipe = replace(recipe, batch=args.batch or recipe.batch, epochs=args.epochs or recipe.epochs)
    width = SMPL_WIDTH if data.representation == "smpl" else SynSPConfig().width
    config = SynSPConfig(joints=data.joints, coordinates=data.coordinates, window=args.window, width=width, ffn=width)
    windows = [ReleaseWindows(part, args.window) for part in sets]
    model = SynSP(config).to(place).train()
    optimiser = torch.optim.Adam(model.parameters(), args.learning_rate or PAPER_REFINER_RATE, amsgrad=True)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimiser, recipe.decay)
    path = args.out / "synsp.safetensors"
    data_names = " ".join(path.name for path in args.data)
    settings = asdict(recipe) | {"recipe": "paper", "data": data_names, "seed": args.seed}
    training = Training(model, path, settings, optimiser=optimiser, schedule=schedule)
    for epoch in range(training.step + 1, recipe.epochs + 1):
        losses = []
        for estimated, true in batches(windows, epoch, recipe, np.random.default_rng((args.seed, epoch))):
            loss = synsp_loss(model(estimated.to(place)), true.to(place), recipe.acceleration_weight)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
        training.advance(float(np.mean(losses)))
        rate = optimiser.param_groups[0]["lr"]
        schedule.step()
        training.report({"epoch": epoch}, epoch=epoch, loss=training.mean_loss(), rate=rate)
    print(json.dumps({"weights": str(path)}))
    return 0
