"""Image sources: the synthetic camera, webcams, video files. A source does not pace itself to real time."""

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np

from uplift_ros.camera import Camera

GUESSED_FOV = 1.0
"""Radians, the default of the camera node's parameter horizontal_fov: of no camera in particular."""


def guessed_fov(source: str, horizontal_fov: float) -> str:
    """Warning that the field of view of a source is a guess; empty if it is known."""
    if source == "synthetic" or horizontal_fov != GUESSED_FOV:
        return ""
    return f"the field of view was guessed, {math.degrees(GUESSED_FOV):.0f} degrees: people may be metres off"


@dataclass(frozen=True)
class SourceFrame:
    """Image that is decoded or rendered on request.

    Attributes:
        time: nanoseconds since the source's start, strictly increasing.
        make: function that makes the image; a video file can do so only until its next frame is read.
        truth: ground truth, (17, 3) h36m17 joints, metres, camera optical frame; None if unknown.
    """

    time: int
    make: Callable[[], np.ndarray]
    truth: np.ndarray | None = None

    @cached_property
    def image(self) -> np.ndarray:
        """(H, W, 3) uint8 RGB."""
        return self.make()


class FrameSource(Protocol):
    """Source of images in order of time.

    Attributes:
        camera: camera model of the images.
    """

    camera: Camera

    def frames(self) -> Iterator[SourceFrame]: ...

    def close(self) -> None: ...


def is_stream(source: str) -> bool:
    """Whether a source is the address of a stream: rtsp://..., http://..."""
    return re.match(r"[a-z][a-z0-9+.-]+://", source, re.IGNORECASE) is not None


def without_password(source: str) -> str:
    """A source as logs and files may show it: the address of a stream without user and password."""
    return re.sub(r"(?<=://)[^/@]*@", "", source)


def open_source(
    source: str, *, fps: float = 0.0, loop: bool, width: int, height: int, horizontal_fov: float
) -> FrameSource:
    """Open 'synthetic', a webcam by its index, a video file by its path, or a stream by its address.

    Args:
        fps: frames per second; 0 for the source's own.
        loop: repeat a video; other sources have no end.
        width, height: pixels, for webcam and synthetic; 0 for the source's own. A video keeps its size.
        horizontal_fov: radians, for webcam and video, whose calibration is unknown.

    Raises:
        FileNotFoundError: the video does not exist.
        ValueError: the source is unknown or cannot be read, or a value is out of range.
    """
    # Imported here because both modules import SourceFrame from this one.
    from uplift_ros.sources.synthetic.synthetic_source import DEFAULT_FPS, DEFAULT_SIZE, SyntheticSource
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
