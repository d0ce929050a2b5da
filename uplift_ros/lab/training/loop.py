"""Common parts of every training: averaged weights, checkpoints and a log."""

import csv
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn

from uplift_ros.models import weights
from uplift_ros.parameters import brief

ADDED = {"temporal": True}
"""Settings that checkpoints of earlier versions do not name, and what these trained with."""


def check_finite(value: torch.Tensor, step: int) -> None:
    """Stop a training at the first loss, or weights, that are not finite.

    Raises:
        ValueError: names the step.
    """
    if not torch.isfinite(value):
        raise ValueError(
            f"training stopped: loss or weights are {value.item()} in step {step}; the last saved ones stay"
        )


class ExponentialAverage:
    """Moving average of a network's weights; decay = min(decay, (1 + step) / (10 + step))."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.step = 0
        self.weights = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        decay = min(self.decay, (1 + self.step) / (10 + self.step))
        self.step += 1
        for name, tensor in model.state_dict().items():
            self.weights[name].lerp_(tensor, 1 - decay)

    def state_dict(self) -> dict[str, Any]:
        return {"step": self.step, "weights": self.weights}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.step, self.weights = state["step"], state["weights"]


class Progress:
    """Progress of a training, by its steps or by the minutes of all its runs together.

    Args:
        steps: in all; without `minutes` they end the training.
        minutes: in all, instead of steps.
    """

    def __init__(self, steps: int = 0, minutes: float | None = None) -> None:
        self.steps, self.minutes = steps, minutes
        self.earlier_minutes = 0.0
        self._start = time.monotonic()

    @property
    def elapsed_minutes(self) -> float:
        return self.earlier_minutes + (time.monotonic() - self._start) / 60

    def fraction(self, step: int) -> float:
        """Fraction of the training that is done after `step` steps; it ends at 1."""
        return min(self.elapsed_minutes / self.minutes if self.minutes else step / self.steps, 1.0)

    def state_dict(self) -> dict[str, Any]:
        return {"minutes": self.elapsed_minutes}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.earlier_minutes, self._start = state["minutes"], time.monotonic()


class Checkpoint:
    """Checkpoint with everything that a training needs to resume, in one file that is replaced atomically.

    Args:
        training: identifies the training; the checkpoint of another one is rejected.
        parts: objects with `state_dict` and `load_state_dict`.
    """

    def __init__(self, path: Path, training: Mapping[str, Any], **parts: Any) -> None:
        self.path, self.training, self.parts = path, dict(training), parts

    def save(self, step: int) -> None:
        """Write the checkpoint.

        Raises:
            ValueError: a weight is not finite; the previous checkpoint is kept.
        """
        for part in self.parts.values():
            if isinstance(part, nn.Module):
                check_finite(torch.stack([weight.sum() for weight in part.parameters()]).sum(), step)
        beside = self.path.with_suffix(".tmp")
        parts = {name: part.state_dict() for name, part in self.parts.items()}
        torch.save({"training": self.training, "step": step, **parts}, beside)
        beside.replace(self.path)

    def restore(self) -> int:
        """Load the parts and return the step that was reached, 0 without a checkpoint.

        Raises:
            ValueError: the file is no checkpoint, or another training's.
        """
        if not self.path.exists():
            return 0
        try:
            state = torch.load(self.path, weights_only=True)
            training = ADDED | state["training"]
        except Exception as error:  # a foreign file makes torch fail in many ways
            raise ValueError(f"out: {self.path} is no checkpoint of this package") from error
        for name, ours in self.training.items():
            if (theirs := training.get(name)) != ours:
                reason = f"{name} is {brief(theirs)} there, {brief(ours)} here"
                raise ValueError(
                    f"out: {self.path} is the checkpoint of another training: {reason}; take another folder"
                )
        for name, part in self.parts.items():
            part.load_state_dict(state[name])
        return state["step"]


class TrainingFiles:
    """Files of one training, beside each other: weights `path`, checkpoint and log of the same name.

    Args:
        config: of the network; it identifies the training, as does what is in `training`.
        training: also goes into the header of the weights.
        parts: of the checkpoint, see `Checkpoint`.
    """

    def __init__(self, path: Path, config: Any, training: Mapping[str, Any], **parts: Any) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path, self.training = path, dict(training)
        self._checkpoint = Checkpoint(path.with_suffix(".pt"), asdict(config) | self.training, **parts)
        self._log = TrainingLog(path.with_suffix(".csv"))

    def restore(self) -> int:
        """Load the parts from the checkpoint, see `Checkpoint.restore`."""
        return self._checkpoint.restore()

    def save(self, step: int, model: nn.Module, header: Mapping[str, Any], row: Mapping[str, float]) -> None:
        """Write a row of the log, the checkpoint, and the weights of `model` with `header` added to theirs."""
        self._log.write(**row)
        self._checkpoint.save(step)
        weights.save(model, self.path, self.training | dict(header))


class TrainingLog:
    """Rows of numbers in a CSV file and on the screen; appends when a training is resumed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.start = time.monotonic()

    def write(self, **row: float) -> None:
        row = {**row, "minutes": (time.monotonic() - self.start) / 60}
        fresh = not self.path.exists()
        with self.path.open("a", newline="") as file:
            writer = csv.DictWriter(file, row.keys())
            if fresh:
                writer.writeheader()
            writer.writerow({name: f"{value:.6g}" for name, value in row.items()})
        print("  ".join(f"{name} {value:.4g}" for name, value in row.items()), flush=True)
