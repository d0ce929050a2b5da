"""Loss of refinement networks: on single windows, and on their averages as streams and papers compute them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from uplift_ros.models.synsp import SynSPOutput

Output = TypeVar("Output", SynSPOutput, Tensor)


@dataclass(frozen=True)
class Objective:
    """The loss of a step.

    Args:
        loss_of: a network's output, the true poses (B, T, C), and the weight of acceleration against position.
        acceleration_weight: weight of acceleration on synthetic noise. A larger value smooths more.
        paired_weight: the same on an uplifter's own output, which is smooth already: more smoothing removes motion.
        averaged: share of the loss on averages of windows: full averages on synthetic noise, averages at a random delay
            on an uplifter's output, as in streams. The rest is on single windows, whose optimum smooths too little if
            windows are averaged.

    Raises:
        ValueError: averaged out of range.
    """

    loss_of: Callable[[Any, Tensor, float], Tensor]
    acceleration_weight: float = 1.0
    paired_weight: float = 1.0
    averaged: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.averaged <= 1:
            raise ValueError(f"averaged must be between 0 and 1, got {self.averaged}")

    def windows_of_a_clip(self, length: int) -> int:
        """Windows of a clip in which a window's length of frames is covered by all possible windows."""
        return 2 * length - 1 if self.averaged else 1

    def __call__(self, output: Any, true: Tensor, length: int, paired: int, rng: np.random.Generator) -> Tensor:
        """Mean over clips.

        Args:
            output: for all `windows` of `length` frames of the clips that the network saw.
            true: (B, L, C), of the same clips.
            paired: clips at the end that are an uplifter's output.
            rng: draws the delay.
        """
        put_on = len(true) - paired
        parts = [(slice(put_on), self.acceleration_weight, length - 1)]
        if paired:
            parts.append((slice(put_on, None), self.paired_weight, int(rng.integers(length))))
        losses = [
            len(true[clips]) * self._of(_of_clips(output, clips, len(true)), true[clips], length, weight, delay)
            for clips, weight, delay in parts
        ]
        return torch.stack(losses).sum() / len(true)

    def _of(self, output: Any, true: Tensor, length: int, weight: float, delay: int) -> Tensor:
        loss = (1 - self.averaged) * self.loss_of(output, windows(true, length), weight)
        if self.averaged:
            seen = true[:, length - 1 : true.shape[1] - delay]
            loss = loss + self.averaged * self.loss_of(averages(output, len(true), delay), seen, weight)
        return loss


def windows(clips: Tensor, length: int) -> Tensor:
    """All windows of `length` frames, (B * W, T, C), of clips (B, L, C)."""
    return clips.unfold(1, length, 1).flatten(0, 1).transpose(1, 2)


def averages(output: Output, clips: int, delay: int) -> Output:
    """Sliding-window averages (SWAA) of all windows (clips * W, T, C) of clips of W + T - 1 frames.

    Returns:
        (clips, W - delay, C): from frame T - 1 of each clip on, the mean of the windows that end at a frame and up to
        `delay` frames after it.
    """
    if isinstance(output, SynSPOutput):
        return SynSPOutput(*(averages(part, clips, delay) for part in output))
    of_clips = output.unflatten(0, (clips, -1))  # (clips, W, T, C)
    frames = of_clips.shape[1] - delay
    return torch.stack([of_clips[:, after : after + frames, -1 - after] for after in range(delay + 1)]).mean(0)


def _of_clips(output: Output, chosen: slice, clips: int) -> Output:
    """Select the chosen clips in the output for all windows of all clips."""
    if isinstance(output, SynSPOutput):
        return SynSPOutput(*(_of_clips(part, chosen, clips) for part in output))
    return output.unflatten(0, (clips, -1))[chosen].flatten(0, 1)
