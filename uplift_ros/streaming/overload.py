"""Load shedding: a longer stride if a key-frame takes longer than the time until the next one."""

from collections.abc import Sequence
from dataclasses import dataclass

from uplift_ros.streaming.stride import Decision, Reason, StrideController

HIGH_LOAD = 0.95
"""Fraction of the key-frame period that the work may take; above it, key-frames would be late or queue up."""

LOW_LOAD = 0.75
"""Load at the next shorter stride below which it is used again; the distance to HIGH_LOAD is the hysteresis."""


@dataclass
class Load:
    """Processing time of a key-frame.

    Attributes:
        seconds: of the slowest stage.
    """

    seconds: float = 0.0

    def note(self, *stages_ms: float) -> None:
        """Record the milliseconds of each stage for one key-frame; the slowest stage limits the rate."""
        self.seconds = max(stages_ms) / 1e3


class LoadShedding:
    """Stride controller that raises the stride of another one while the load is too high, one step per decision.

    Args:
        controller: decides while the load is low enough.
        load: read at every decision.
        strides: the steps, the shortest first.
        model_rate: frames per second in which strides are counted.
    """

    def __init__(self, controller: StrideController, load: Load, strides: Sequence[int], model_rate: float) -> None:
        self._controller, self._load, self._strides, self._model_rate = controller, load, strides, model_rate
        self._step = 0

    def update(self, frame: int, velocity: float) -> Decision:
        self._step += self._direction()
        decision = self._controller.update(frame, velocity)
        shortest = self._strides[self._step]
        return decision if decision.stride >= shortest else Decision(shortest, Reason.OVERLOAD)

    def _direction(self) -> int:
        if self._share(self._step) > HIGH_LOAD and self._step + 1 < len(self._strides):
            return 1
        if self._step > 0 and self._share(self._step - 1) < LOW_LOAD:
            return -1
        return 0

    def _share(self, step: int) -> float:
        """Fraction of the key-frame period that the work would take at a step."""
        return self._load.seconds * self._model_rate / self._strides[step]
