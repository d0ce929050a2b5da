"""Loss of refinement networks on single windows, and on averages of windows as streams and the papers compute them."""

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
        loss_of: loss of a network's output, given also the true poses (B, T, C) and the weight of acceleration against
            position.
        acceleration_weight: weight of acceleration on synthetic noise. A larger value smooths more.
        paired_weight: the same on an uplifter's own output, which is smooth already: more smoothing removes motion.
        averaged: share of the loss on averages of windows: full averages on synthetic noise, averages at a random delay
            on an uplifter's output, as in streams. The rest is the loss on single windows. A larger value smooths more:
            a network that is optimal on single windows smooths too little if its windows are averaged.

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
        """Windows in a clip of the minimum length in which `length` frames are covered by all possible windows."""
        return 2 * length - 1 if self.averaged else 1

    def __call__(self, output: Any, true: Tensor, length: int, paired: int, rng: np.random.Generator) -> Tensor:
        """Mean loss over clips.

        Args:
            output: of the network for all `windows` of the clips.
            true: (B, L, C), of the same clips.
            length: frames of a window.
            paired: number of clips, the last ones, that are an uplifter's output.
            rng: draws the delay.
        """
        synthetic = len(true) - paired  # clips with synthetic noise
        parts = [(slice(synthetic), self.acceleration_weight, length - 1)]
        if paired:
            parts.append((slice(synthetic, None), self.paired_weight, int(rng.integers(length))))
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
    """Sliding-window averages (SWAA) of a network's output.

    Args:
        output: for all windows (clips * W, T, C) of clips of W + T - 1 frames.
        clips: their number.
        delay: frames that are waited for.

    Returns:
        (clips, W - delay, C): for each frame from T - 1 on, the mean of the windows that end at it or up to `delay`
        frames after it.
    """
    if isinstance(output, SynSPOutput):
        return SynSPOutput(*(averages(part, clips, delay) for part in output))
    of_clips = output.unflatten(0, (clips, -1))  # (clips, W, T, C)
    frames = of_clips.shape[1] - delay
    return torch.stack([of_clips[:, after : after + frames, -1 - after] for after in range(delay + 1)]).mean(0)


def _of_clips(output: Output, chosen: slice, clips: int) -> Output:
    """Select clips in the output for all windows of all clips."""
    if isinstance(output, SynSPOutput):
        return SynSPOutput(*(_of_clips(part, chosen, clips) for part in output))
    return output.unflatten(0, (clips, -1))[chosen].flatten(0, 1)
