"""Which images are key-frames, and how far apart: the input stride of Uplift and Upsample, fixed or adaptive.

Times are image stamps in nanoseconds; frames are counted at the model's rate, whatever the camera delivers.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

MAX_PAUSE = 2.0
"""Seconds without an image after which frames are counted anew."""

MAX_DISORDER = 0.1
"""Seconds by which images may overtake each other; a longer way back is a jump in time (a bag that starts again)."""

NANOSECONDS = 1_000_000_000

STRIDE_PARAMETERS = ("stride_mode", "stride", "stride_slow", "stride_fast", "velocity_threshold", "hold_frames")
"""Parameters of the node uplift that `stride_controller` takes."""


class KeyframeSchedule:
    """Decides from stamps which images are key-frames.

    Frames are counted from the first image (the anchor). A key-frame is the first image at or after each multiple of
    the stride, so drops, jitter and any camera rate leave the phases where they are.

    Args:
        stride: frames between key-frames.
        model_rate: frames per second.

    Raises:
        ValueError: stride below 1, or a rate that is not positive.
    """

    def __init__(self, stride: int, model_rate: float) -> None:
        if not model_rate > 0:
            raise ValueError(f"model_rate must be positive, got {model_rate}")
        self._model_rate = model_rate
        self._stride = _checked_stride(stride)
        self._anchor: int | None = None
        self._newest = 0
        self._next_frame = 0

    @property
    def stride(self) -> int:
        return self._stride

    @stride.setter
    def stride(self, stride: int) -> None:
        """Change the stride: the next key-frame is at the next multiple of the new one, or the one already due."""
        changed = _checked_stride(stride) != self._stride
        self._stride = stride
        if changed and self._anchor is not None and self.frame(self._newest) < self._next_frame:
            self._next_frame = self._multiple_after(self.frame(self._newest))

    def frame(self, stamp: int) -> int:
        """Index of the frame at `stamp`, 0 at the anchor."""
        anchor = stamp if self._anchor is None else self._anchor
        return round((stamp - anchor) * self._model_rate / NANOSECONDS)

    def is_due(self, stamp: int) -> bool:
        """Whether this image is a key-frame. Asking uses nothing up: images stay due until one is taken."""
        if self._anchor is None or self._is_break(stamp):
            self._anchor = self._newest = stamp
            self._next_frame = 0
        self._newest = max(self._newest, stamp)
        return self.frame(stamp) >= self._next_frame

    def take(self, stamp: int) -> None:
        """Note that the image at `stamp`, which was due, became a key-frame."""
        self._next_frame = self._multiple_after(self.frame(stamp))

    def _multiple_after(self, frame: int) -> int:
        return (frame // self._stride + 1) * self._stride

    def _is_break(self, stamp: int) -> bool:
        gap = (stamp - self._newest) / NANOSECONDS
        return gap > MAX_PAUSE or gap < -MAX_DISORDER


def _checked_stride(stride: int) -> int:
    if stride < 1:
        raise ValueError(f"stride must be at least 1, got {stride}")
    return stride


class Reason(IntEnum):
    """Why the stride is what it is; the values are RateState's."""

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
    """Chooses the stride of the key-frames to come."""

    def update(self, frame: int, velocity: float) -> Decision:
        """Take in the velocity (m/s, of the fastest person; NaN when nobody is in view) at an absolute frame index.

        Frames may be skipped; a frame before the last one means that counting began anew.
        """


class FixedStride:
    """Always the same stride.

    Args:
        stride: frames between key-frames.
        s_out: the model's output stride.

    Raises:
        ValueError: stride is no positive multiple of s_out.
    """

    def __init__(self, stride: int, s_out: int) -> None:
        self._decision = Decision(_multiple_of(s_out, "stride", stride), Reason.FIXED)

    def update(self, frame: int, velocity: float) -> Decision:
        return self._decision


class AdaptiveStride:
    """A short stride while people move fast, with hysteresis (Uplift and Upsample, supplement, section 6).

    A velocity above the threshold switches to the fast stride at once. Back to the slow one only after the velocity has
    stayed at or below it for `hold_frames` frames.

    Args:
        slow: stride while nobody moves fast; 20 in the paper.
        fast: stride while somebody does; 5 in the paper's example with N = 351, 4 with N = 81.
        threshold: m/s, 0.5 in the paper.
        hold_frames: frames to wait before slowing down; the paper gives no number.
        s_out: the model's output stride.

    Raises:
        ValueError: names the node's parameter that is out of range.
    """

    def __init__(
        self, slow: int = 20, fast: int = 4, threshold: float = 0.5, hold_frames: int = 50, *, s_out: int
    ) -> None:
        self._slow = _multiple_of(s_out, "stride_slow", slow)
        self._fast = _multiple_of(s_out, "stride_fast", fast)
        if fast > slow:
            raise ValueError(f"stride_fast must not exceed stride_slow, got {fast} and {slow}")
        if not threshold > 0:
            raise ValueError(f"velocity_threshold must be positive, got {threshold}")
        if hold_frames < 0:
            raise ValueError(f"hold_frames must not be negative, got {hold_frames}")
        self._threshold = threshold
        self._hold_frames = hold_frames
        self._last_fast_frame: int | None = None

    def update(self, frame: int, velocity: float) -> Decision:
        if velocity > self._threshold:  # false for NaN
            self._last_fast_frame = frame
            return Decision(self._fast, Reason.FAST)
        if self._last_fast_frame is not None and 0 <= frame - self._last_fast_frame < self._hold_frames:
            return Decision(self._fast, Reason.HOLD)
        self._last_fast_frame = None
        return Decision(self._slow, Reason.SLOW)


def stride_controller(
    stride_mode: str,
    stride: int,
    stride_slow: int,
    stride_fast: int,
    velocity_threshold: float,
    hold_frames: int,
    *,
    s_out: int,
) -> StrideController:
    """The controller that the parameters of the node uplift ask for.

    Raises:
        ValueError: names the parameter out of range. Both modes are checked, so that a change of the mode cannot fail.
    """
    fixed = FixedStride(stride, s_out)
    adaptive = AdaptiveStride(stride_slow, stride_fast, velocity_threshold, hold_frames, s_out=s_out)
    return fixed if stride_mode == "fixed" else adaptive


def _multiple_of(s_out: int, parameter: str, stride: int) -> int:
    if stride < 1 or stride % s_out:
        raise ValueError(f"{parameter} must be a positive multiple of {s_out} (the model's s_out), got {stride}")
    return stride
