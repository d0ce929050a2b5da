"""Schedule of key-frames.

Times are image stamps in nanoseconds; frames are counted at the model's rate, whatever the camera delivers.
"""

from uplift_ros.poses import NANOSECONDS
from uplift_ros.streaming.clock import PAUSE_NS, is_break


class KeyframeSchedule:
    """Decides from stamps which images are key-frames.

    Frames are counted from the first image, or with a phase from stamp 0, which cameras have in common. A key-frame is
    the first image at or after each multiple of the stride, so that dropped images, jitter and the camera's rate do not
    shift the schedule. After a late one, the next is at least half a stride away.

    Args:
        stride: frames between key-frames; raising it costs fewer estimates and leaves more frames to upsample.
        model_rate: frames per second in which the stride is counted.
        phase: part of the stride, from 0 to below 1, by which key-frames are later than its multiples. The i-th of N
            cameras has i / N: they take turns.

    Raises:
        ValueError: stride below 1, a rate that is not positive, or a phase outside its range.
    """

    def __init__(self, stride: int, model_rate: float, phase: float | None = None) -> None:
        if not model_rate > 0:
            raise ValueError(f"model_rate must be positive, got {model_rate}")
        if phase is not None and not 0 <= phase < 1:
            raise ValueError(f"phase must be at least 0 and below 1, got {phase}")
        self._model_rate, self._phase = model_rate, phase
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
        """Index of the frame at `stamp`, 0 at the first image without a phase."""
        anchor = stamp if self._anchor is None else self._anchor
        return round((stamp - anchor) * self._model_rate / NANOSECONDS)

    def multiple(self, frame: int) -> int:
        """Number of the newest multiple of the stride, later by the phase, at or before a frame."""
        return (frame - self._later) // self._stride

    def is_due(self, stamp: int) -> bool:
        """Whether this image is a key-frame. Images stay due until one is taken."""
        if self._anchor is None or is_break(stamp, self._newest, PAUSE_NS):
            self._start(stamp)
        self._newest = max(self._newest, stamp)
        return self.frame(stamp) >= self._next_frame

    def seconds_until_due(self, stamp: int) -> float:
        """Seconds of image time from a stamp to the next key-frame; negative if it is due."""
        return (self._next_frame - self.frame(stamp)) / self._model_rate

    def take(self, stamp: int) -> None:
        """Note that the image at `stamp`, which was due, became a key-frame; half a stride later at least, the next."""
        frame = self.frame(stamp)
        self._next_frame = max(self._multiple_after(frame), frame + (self._stride + 1) // 2)

    def give_back(self, stamp: int) -> None:
        """Note that the image at `stamp`, which was taken, cannot be decoded: the next image is due in its place."""
        self._next_frame = min(self._next_frame, self.frame(stamp))

    def _start(self, stamp: int) -> None:
        """Count from the first image; with a phase its number is that of the nearest frame since stamp 0."""
        self._anchor = self._newest = stamp
        self._next_frame = 0
        if self._phase is not None:
            number = round(stamp * self._model_rate / NANOSECONDS)
            self._anchor = stamp - round(number * NANOSECONDS / self._model_rate)
            self._next_frame = self._multiple_after(number - 1)

    def _multiple_after(self, frame: int) -> int:
        return (self.multiple(frame) + 1) * self._stride + self._later

    @property
    def _later(self) -> int:
        """Frames by which key-frames are later than multiples of the stride."""
        return int((self._phase or 0.0) * self._stride)


def _checked_stride(stride: int) -> int:
    if stride < 1:
        raise ValueError(f"stride must be at least 1, got {stride}")
    return stride
