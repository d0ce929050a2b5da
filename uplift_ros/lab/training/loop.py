"""Code that all trainings share: averaged weights, files to resume from, a log."""

import argparse
import csv
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from uplift_ros.lab.data.formats.h36m import TRAINING_SUBJECTS
from uplift_ros.lab.data.options import add_data_arguments
from uplift_ros.models import weights
from uplift_ros.parameters import brief
from uplift_ros.settings import at_least, positive

AVERAGE_DECAY = 0.999
"""Decay of the averaged weights in a step, of all recipes that average."""


def add_training_arguments(
    parser: argparse.ArgumentParser, batch: int, learning_rate: float, seed: int, threads: int
) -> None:
    """Add the options that all trainings share, with defaults of the product's own recipe."""
    add_data_arguments(parser, subjects=TRAINING_SUBJECTS)
    parser.add_argument("--out", type=Path, default=Path("out/training"), help="folder for checkpoint, log and weights")
    parser.add_argument("--start", help="weights to start from, by name or file; uplift widens narrower ones")
    parser.add_argument("--batch", type=at_least(1), help=f"windows in a step: {batch}, or the recipe's")
    parser.add_argument("--learning-rate", type=positive, help=f"{learning_rate}, or the recipe's")
    parser.add_argument("--bfloat16", action="store_true", help="faster on processors with bfloat16 instructions")
    parser.add_argument("--seed", type=at_least(0), default=seed)
    parser.add_argument("--threads", type=at_least(1), default=threads)


def add_recipe_argument(parser: argparse.ArgumentParser) -> None:
    """Add --recipe, for networks that can be trained by the papers' recipes too."""
    parser.add_argument(
        "--recipe", choices=("product", "paper"), default="product", help="data sampling and hyperparameters"
    )


class Training:
    """A training that resumes at its last checkpoint.

    Args:
        model: the network, on its device.
        path: of the weights; a checkpoint (.pt) and a log (.csv) are beside them.
        settings: identify the training together with the network's config; they are also in the header of the weights.
        steps: end of the training, unless there are `minutes`.
        minutes: end of the training in minutes of all runs together.
        decay: of the averaged weights, which are written; a larger value averages over more steps, 0 keeps the newest.
        parts: optimisers and other objects whose state is resumed.

    Attributes:
        model: the network.
        step: steps, or epochs, that are done.

    Raises:
        ValueError: the file beside `path` is no checkpoint, or that of another training.
    """

    def __init__(
        self,
        model: Any,
        path: Path,
        settings: Mapping[str, Any],
        *,
        steps: int = 0,
        minutes: float | None = None,
        decay: float = 0.0,
        **parts: Any,
    ) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path, self.settings = path, dict(settings)
        self.model, self._average = model, _average(model, decay)
        self._identity = asdict(model.config) | self.settings
        self._parts = {"model": model, "average": self._average} | parts
        self._losses: list[Tensor | float] = []
        self._steps, self._minutes = steps, minutes
        self.step, self._earlier_minutes = self._restore()
        self._start = time.monotonic()

    @property
    def elapsed_minutes(self) -> float:
        """Minutes of all runs together."""
        return self._earlier_minutes + (time.monotonic() - self._start) / 60

    @property
    def progress(self) -> float:
        """Part of the training that is done, up to 1."""
        return min(self.elapsed_minutes / self._minutes if self._minutes else self.step / self._steps, 1.0)

    @property
    def averaged(self) -> Any:
        """The network with averaged weights."""
        return self._average.module

    def advance(self, loss: Tensor | float) -> None:
        """Count a step after the optimisers have made it, and update the averaged weights."""
        self._average.update_parameters(self.model)
        self._losses.append(loss)
        self.step += 1

    def mean_loss(self) -> float:
        """Mean loss since the last report."""
        return sum(map(float, self._losses)) / len(self._losses)

    def report(self, header: Mapping[str, Any], **row: float) -> None:
        """Write a row of the log, the checkpoint, and the averaged weights.

        Args:
            header: additional entries for the header of the weights.
            row: values for the log.

        Raises:
            ValueError: the loss or a weight is not finite; the files of the previous report are kept.
        """
        total = sum(weight.detach().sum().item() for weight in self.model.parameters())
        if not torch.isfinite(torch.tensor([self.mean_loss(), total])).all():
            raise ValueError(
                f"training stopped: loss or weights are not finite in step {self.step}; the last saved ones are kept"
            )
        self._losses.clear()
        minutes = self.elapsed_minutes
        self._log(row | {"minutes": minutes})
        beside = self.path.with_suffix(".tmp")
        parts = {name: part.state_dict() for name, part in self._parts.items()}
        torch.save({"training": self._identity, "step": self.step, "minutes": minutes, **parts}, beside)
        beside.replace(self.path.with_suffix(".pt"))
        weights.save(self.averaged, self.path, self.settings | dict(header))

    def _log(self, row: Mapping[str, float]) -> None:
        path = self.path.with_suffix(".csv")
        fresh = not path.exists()
        with path.open("a", newline="") as file:
            writer = csv.DictWriter(file, row.keys())
            if fresh:
                writer.writeheader()
            writer.writerow({name: f"{value:.6g}" for name, value in row.items()})
        print("  ".join(f"{name} {value:.4g}" for name, value in row.items()), flush=True)

    def _restore(self) -> tuple[int, float]:
        """Load the checkpoint if there is one; return its step and minutes, otherwise 0."""
        path = self.path.with_suffix(".pt")
        if not path.exists():
            return 0, 0.0
        try:
            state = torch.load(path, weights_only=True)
            theirs, reached = state["training"], (state["step"], state["minutes"])
        except Exception as error:  # a foreign file makes torch fail in many ways
            raise ValueError(f"out: {path} is no checkpoint of this package") from error
        for name, ours in self._identity.items():
            if theirs.get(name) != ours:
                raise ValueError(
                    f"out: {path} is the checkpoint of another training, {name} must be {brief(ours)}, "
                    f"got {brief(theirs.get(name))}; choose another folder"
                )
        for name, part in self._parts.items():
            part.load_state_dict(state[name])
        return reached


def _average(model: nn.Module, decay: float) -> AveragedModel:
    """Moving average of a network's weights, with the decay min(decay, (1 + step) / (10 + step))."""

    @torch.no_grad()
    def update(averages: Sequence[Tensor], newest: Sequence[Tensor], step: Tensor | int) -> None:
        for average, weight in zip(averages, newest, strict=True):
            average.lerp_(weight, (9 / (10 + torch.as_tensor(step))).clamp(min=1 - decay))

    return AveragedModel(model, multi_avg_fn=update)
