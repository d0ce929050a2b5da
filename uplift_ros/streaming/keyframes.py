"""Schedule of key-frames.

Times are image stamps in nanoseconds; frames are counted at the model's rate, whatever the camera delivers.
"""

from uplift_ros.poses import NANOSECONDS
from uplift_ros.streaming.clock import PAUSE_NS, is_break


class KeyframeSchedule:
    """Decides from stamps which images are key-frames.

    Frames are counted from the first image (the anchor). A key-frame is the first image at or after each multiple of
    the stride, so that dropped images, jitter and the camera's rate do not shift the schedule.

    Args:
        stride: frames between key-frames; raising it costs fewer estimates and leaves more frames to upsample.
        model_rate: frames per second in which the stride is counted.

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
        """Whether this image is a key-frame. Images stay due until one is taken."""
        if self._anchor is None or is_break(stamp, self._newest, PAUSE_NS):
            self._anchor = self._newest = stamp
            self._next_frame = 0
        self._newest = max(self._newest, stamp)
        return self.frame(stamp) >= self._next_frame

    def seconds_until_due(self, stamp: int) -> float:
        """Seconds of image time from a stamp to the next key-frame; negative if it is due."""
        return (self._next_frame - self.frame(stamp)) / self._model_rate

    def take(self, stamp: int) -> None:
        """Note that the image at `stamp`, which was due, became a key-frame."""
        self._next_frame = self._multiple_after(self.frame(stamp))

    def _multiple_after(self, frame: int) -> int:
        return (frame // self._stride + 1) * self._stride


def _checked_stride(stride: int) -> int:
    if stride < 1:
        raise ValueError(f"stride must be at least 1, got {stride}")
    return stride
