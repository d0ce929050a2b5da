"""Video files and webcams, read with OpenCV. Neither is calibrated: an ideal camera of a given field of view serves."""

import itertools
import math
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from uplift_ros.camera import Camera
from uplift_ros.poses import NANOSECONDS
from uplift_ros.sources import SourceFrame

FALLBACK_FPS = 25.0
"""Where a container or a driver names no frame rate."""

MAX_FPS = 1000.0
"""A container that names a higher rate tells its time base, not its rate."""


class VideoFile:
    """A video file of whatever format OpenCV reads (mp4, mkv, avi, gif...), in its own size.

    A frame's time is the container's own, from the first frame on; where that does not increase, it is the time before
    plus one period. Looping goes on from the last frame's time plus one period. A frame that nobody looks at is never
    turned into an image.

    Args:
        fps: frames per second to play at instead of the container's own times; 0 for the container's.
        loop: start again at the end, for ever.
        horizontal_fov: radians.

    Attributes:
        length: frames in the file as the container tells, 0 where it does not.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: no frame can be read from it.
    """

    def __init__(self, path: str | Path, fps: float, loop: bool, horizontal_fov: float) -> None:
        if not Path(path).is_file():
            raise FileNotFoundError(f"source: no video file {str(path)!r}")
        self._path = str(path)
        self._loop = loop
        self._own_times = not fps
        self._capture = cv2.VideoCapture(self._path)
        readable, first = self._capture.read()
        if not readable:
            self.close()
            raise ValueError(f"source: OpenCV reads no frame from {self._path!r}: not a video, or an unknown format")
        self.fps = fps or _frame_rate(self._capture)
        self.length = max(0, int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT)))
        self.camera = Camera.from_fov(horizontal_fov, first.shape[1], first.shape[0])

    def frames(self) -> Iterator[SourceFrame]:
        """All frames from the beginning, each call anew; in a loop until the file can no longer be read."""
        period = round(NANOSECONDS / self.fps)
        begin = 0
        while True:
            self._capture.release()
            self._capture = cv2.VideoCapture(self._path)
            last = begin - period
            for since_first, make in self._grab():
                last = begin + since_first if self._own_times and begin + since_first > last else last + period
                yield SourceFrame(last, make)
            if not self._loop or last < begin:  # without a frame a loop would never end
                return
            begin = last + period

    def close(self) -> None:
        self._capture.release()

    def _grab(self) -> Iterator[tuple[int, Callable[[], np.ndarray]]]:
        """The container's nanoseconds since the first frame, and what makes an RGB image of the frame."""
        first = None
        for self._position in itertools.count():
            if not self._capture.grab():
                return
            milliseconds = self._capture.get(cv2.CAP_PROP_POS_MSEC)
            time_ns = round(milliseconds * 1e6) if math.isfinite(milliseconds) else 0
            first = time_ns if first is None else first
            yield time_ns - first, partial(self._retrieve, self._position)

    def _retrieve(self, position: int) -> np.ndarray:
        if position != self._position:
            raise RuntimeError(f"frame {position} of {self._path!r} is gone: frame {self._position} was taken")
        readable, image = self._capture.retrieve()
        if not readable:
            raise ValueError(f"source: frame {position} of {self._path!r} cannot be decoded")
        return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


class Webcam:
    """A camera that OpenCV opens by its index; a frame's time is when it was received.

    Args:
        fps, width, height: asked of the driver, which may give others; 0 leaves the driver's own.
        horizontal_fov: radians.

    Raises:
        ValueError: no such camera, or it gives no image.
    """

    def __init__(self, index: int, fps: float, width: int, height: int, horizontal_fov: float) -> None:
        # OpenCV would warn, in words of its own, of a camera that does not open.
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
        self._capture = cv2.VideoCapture(index)
        for key, wish in (
            (cv2.CAP_PROP_FRAME_WIDTH, width),
            (cv2.CAP_PROP_FRAME_HEIGHT, height),
            (cv2.CAP_PROP_FPS, fps),
        ):
            if wish:
                self._capture.set(key, wish)
        readable, first = self._capture.read()
        if not readable:
            self.close()
            raise ValueError(f"source: camera {index} does not open or gives no image; is /dev/video{index} there?")
        self.fps = _frame_rate(self._capture)
        self.camera = Camera.from_fov(horizontal_fov, first.shape[1], first.shape[0])

    def frames(self) -> Iterator[SourceFrame]:
        """Until the camera is gone."""
        begin = None
        while True:
            readable, image = self._capture.read()
            if not readable:
                return
            now = time.monotonic_ns()
            begin = now if begin is None else begin
            yield SourceFrame(now - begin, partial(cv2.cvtColor, image, cv2.COLOR_BGR2RGB))

    def close(self) -> None:
        self._capture.release()


def _frame_rate(capture: cv2.VideoCapture) -> float:
    fps = capture.get(cv2.CAP_PROP_FPS)
    return fps if 0 < fps <= MAX_FPS else FALLBACK_FPS
