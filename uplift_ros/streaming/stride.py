"""Stride controllers: the input stride of Uplift and Upsample (frames between key-frames), fixed or adaptive."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol


class Reason(IntEnum):
    """Reason for the stride; the values are RateState's."""

    FIXED = 0
    SLOW = 1
    FAST = 2
    HOLD = 3
    OVERLOAD = 4
    MANUAL = 5


@dataclass(frozen=True)
class Decision:
    """A stride in frames, and the reason for it."""

    stride: int
    reason: Reason


class StrideController(Protocol):
    """Controller that chooses the stride of the next key-frames."""

    def update(self, frame: int, velocity: float) -> Decision:
        """Take in the velocity (m/s, of the fastest person; 0 when no person is in view) at an absolute frame index.

        Called once for every key-frame. Frames may be skipped; a frame before the last one means that counting started
        again.
        """


class FixedStride:
    """Controller that always gives the same stride.

    Args:
        stride: frames between key-frames.
        s_out: the model's output stride.

    Attributes:
        decision: the result of every update.

    Raises:
        ValueError: stride is no positive multiple of s_out.
    """

    def __init__(self, stride: int, s_out: int) -> None:
        self.decision = Decision(_multiple_of(s_out, "stride", stride), Reason.FIXED)

    def update(self, frame: int, velocity: float) -> Decision:
        return self.decision


class AdaptiveStride:
    """Controller with a shorter stride while people move, and hysteresis (Uplift and Upsample, supplement, section 6).

    The paper's rule: a velocity above the threshold switches to the fast stride at once, and back to the slow one only
    after it has stayed at or below for `hold_frames` frames. This one adds a medium stride, for velocities above a
    second threshold; with medium = slow it is the paper's.

    The reason is SLOW or FAST if the velocity requires the stride, HOLD if it would allow a longer one.

    Args:
        slow: stride while no person moves; 20 in the paper.
        fast: stride while a person moves fast; 5 in the paper's example with N = 351, 4 with N = 81.
        threshold: m/s, 0.5 in the paper; raising it uses the fast stride less often.
        hold_frames: frames to wait before the stride grows; raising it keeps short strides longer.
        medium: stride between the two, clamped to their range.
        medium_threshold: m/s; up to 0.2 the paper finds strides of 5 and 20 equal (supplement, section 5).
        s_out: the model's output stride.

    Raises:
        ValueError: names the node's parameter that is out of range.
    """

    def __init__(
        self,
        slow: int = 20,
        fast: int = 4,
        threshold: float = 0.5,
        hold_frames: int = 10,
        medium: int = 10,
        medium_threshold: float = 0.2,
        *,
        s_out: int,
    ) -> None:
        self._slow = _multiple_of(s_out, "stride_slow", slow)
        self._fast = _multiple_of(s_out, "stride_fast", fast)
        if fast > slow:
            raise ValueError(f"stride_fast must not exceed stride_slow, got {fast} and {slow}")
        self.medium = min(max(_multiple_of(s_out, "stride_medium", medium), fast), slow)
        if not threshold > 0:
            raise ValueError(f"velocity_threshold must be positive, got {threshold}")
        if not medium_threshold > 0:
            raise ValueError(f"velocity_medium must be positive, got {medium_threshold}")
        if hold_frames < 0:
            raise ValueError(f"hold_frames must not be negative, got {hold_frames}")
        self.threshold = threshold
        self.hold_frames = hold_frames
        self.medium_threshold = medium_threshold
        self._asked_at: dict[int, int] = {}  # frame by stride

    @property
    def strides(self) -> tuple[int, ...]:
        """All strides that may be chosen, the shortest first."""
        return tuple(sorted({self._fast, self.medium, self._slow}))

    def update(self, frame: int, velocity: float) -> Decision:
        asked = self._asked_for(velocity)
        recent = {stride: at for stride, at in self._asked_at.items() if 0 <= frame - at < self.hold_frames}
        self._asked_at = recent | {asked: frame}
        stride = min(self._asked_at)
        if stride < asked:
            return Decision(stride, Reason.HOLD)
        return Decision(stride, Reason.SLOW if stride == self._slow else Reason.FAST)

    def _asked_for(self, velocity: float) -> int:
        if velocity > self.threshold:
            return self._fast
        return self.medium if velocity > self.medium_threshold else self._slow


def _multiple_of(s_out: int, parameter: str, stride: int) -> int:
    if stride < 1 or stride % s_out:
        raise ValueError(f"{parameter} must be a positive multiple of {s_out} (the model's s_out), got {stride}")
    return stride
