"""Where images come from: the synthetic camera, a webcam, a video file. Pacing to real time is not a source's job."""

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np

from uplift_ros.camera import Camera


@dataclass(frozen=True)
class SourceFrame:
    """One image, made only when somebody asks for it.

    Attributes:
        time: nanoseconds since the source's start, strictly increasing.
        make: makes the image; a video file can do so only until its next frame is taken.
        truth: (17, 3) h36m17 joints, metres, camera optical frame; None where nobody knows.
    """

    time: int
    make: Callable[[], np.ndarray]
    truth: np.ndarray | None = None

    @cached_property
    def image(self) -> np.ndarray:
        """(H, W, 3) uint8 RGB."""
        return self.make()


class FrameSource(Protocol):
    """Images in the order of their time.

    Attributes:
        camera: the camera that took them.
        fps: frames per second, nominal.
    """

    camera: Camera
    fps: float

    def frames(self) -> Iterator[SourceFrame]: ...

    def close(self) -> None: ...


def is_stream(source: str) -> bool:
    """Whether a source is the address of a stream: rtsp://..., http://..."""
    return re.match(r"[a-z][a-z0-9+.-]+://", source, re.IGNORECASE) is not None


def open_source(
    source: str, *, fps: float = 0.0, loop: bool, width: int, height: int, horizontal_fov: float
) -> FrameSource:
    """Open 'synthetic', a webcam by its index, a video file by its path, or a stream by its address.

    Args:
        fps: frames per second; 0 for the source's own.
        loop: start a video again at its end; the other sources have none.
        width, height: pixels, for webcam and synthetic; 0 for the source's own. A video keeps its size.
        horizontal_fov: radians, for webcam and video, whose calibration is not known.

    Raises:
        FileNotFoundError: the video is not there.
        ValueError: an unknown source, a video or camera that cannot be read, or a value out of range.
    """
    # Imported here because each of them needs SourceFrame from this module.
    from uplift_ros.sources.synthetic.synthetic_source import (
        DEFAULT_FPS,
        DEFAULT_SIZE,
        SyntheticSource,
    )
    from uplift_ros.sources.video import VideoFile, Webcam

    if not (math.isfinite(fps) and fps >= 0):
        raise ValueError(f"fps must be positive, or 0 for the source's own, got {fps}")
    if width < 0 or height < 0:
        raise ValueError(f"width and height must be positive, or 0 for the source's own, got {width}x{height}")
    if source == "synthetic":
        return SyntheticSource(width or DEFAULT_SIZE[0], height or DEFAULT_SIZE[1], fps or DEFAULT_FPS)
    if not 0 < horizontal_fov < math.pi:
        raise ValueError(f"horizontal_fov must be between 0 and pi radians, got {horizontal_fov}")
    if source.isdecimal():
        return Webcam(int(source), fps, width, height, horizontal_fov)
    if is_stream(source):
        return VideoFile(source, fps, False, horizontal_fov)
    if source and (Path(source).exists() or Path(source).suffix or Path(source).parent.name):
        return VideoFile(source, fps, loop, horizontal_fov)
    raise ValueError(f"source must be 'synthetic', a camera's index, or the path of a video file, got {source!r}")
