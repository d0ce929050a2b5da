"""What every training shares: averaged weights, the files that it resumes from, a log."""

import csv
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from uplift_ros.models import weights
from uplift_ros.parameters import brief


class Training:
    """A training that resumes where it stopped: weights `path`, a checkpoint (.pt) and a log (.csv) beside them.

    Args:
        model: the network, on its device.
        settings: with the network's config they identify the training; also for the header of the weights.
        steps: that end the training, unless there are `minutes`.
        minutes: of all runs together, that end it instead.
        decay: of the averaged weights, which are those that are written; 0 keeps the newest.
        parts: optimisers and what else has a state to resume from.

    Attributes:
        model: as given.
        step: steps, or epochs, that are done.

    Raises:
        ValueError: the checkpoint at `path` is none, or another training's.
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
        """Of all runs together."""
        return self._earlier_minutes + (time.monotonic() - self._start) / 60

    @property
    def progress(self) -> float:
        """Part of the training that is done; it ends at 1."""
        return min(self.elapsed_minutes / self._minutes if self._minutes else self.step / self._steps, 1.0)

    @property
    def averaged(self) -> Any:
        """The network with averaged weights."""
        return self._average.module

    def advance(self, loss: Tensor | float) -> None:
        """Count a step that the optimisers have made."""
        self._average.update_parameters(self.model)
        self._losses.append(loss)
        self.step += 1

    def mean_loss(self) -> float:
        """Mean loss since the last report."""
        return sum(map(float, self._losses)) / len(self._losses)

    def report(self, header: Mapping[str, Any], **row: float) -> None:
        """Write a row of the log, the checkpoint, and the averaged weights with `header` added to theirs.

        Raises:
            ValueError: loss or a weight is not finite; the files of the previous report stay.
        """
        total = sum(weight.detach().sum().item() for weight in self.model.parameters())
        if not torch.isfinite(torch.tensor([self.mean_loss(), total])).all():
            raise ValueError(
                f"training stopped: loss or weights are not finite in step {self.step}; the last saved ones stay"
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
        """Load the parts; return the step and the minutes that were reached, 0 without a checkpoint."""
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
                reason = f"{name} is {brief(theirs.get(name))} there, {brief(ours)} here"
                raise ValueError(f"out: {path} is the checkpoint of another training: {reason}; take another folder")
        for name, part in self._parts.items():
            part.load_state_dict(state[name])
        return reached


def _average(model: nn.Module, decay: float) -> AveragedModel:
    """Moving average of a network's weights; decay = min(decay, (1 + step) / (10 + step))."""

    @torch.no_grad()
    def update(averages: Sequence[Tensor], newest: Sequence[Tensor], step: Tensor | int) -> None:
        for average, weight in zip(averages, newest, strict=True):
            average.lerp_(weight, (9 / (10 + torch.as_tensor(step))).clamp(min=1 - decay))

    return AveragedModel(model, multi_avg_fn=update)
