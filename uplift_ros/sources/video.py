"""Video files and webcams, read with OpenCV. Neither is calibrated: an ideal camera of given field of view is used."""

import itertools
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

import cv2
import numpy as np

from uplift_ros.camera import Camera
from uplift_ros.files import bag_kind
from uplift_ros.poses import NANOSECONDS
from uplift_ros.sources import SourceFrame, is_stream, without_password
from uplift_ros.sources.container import ends_early, read_container
from uplift_ros.sources.video_track import VideoTrack, only_track

FALLBACK_FPS = 25.0
"""Frames per second if a container or driver reports no rate."""

MAX_END_PERIODS = 3
"""Frame periods by which the last frame may precede the end that the container states."""

JPEG_STREAMS = (b"\xff\xd8", b"--", b"\x1aE\xdf\xa3", b"RIFF", b"FLV")
"""First bytes of files that may contain JPEGs without stating their number: plain JPEGs, parts of an HTTP stream, and
containers written live. In other files, such as bags, FFmpeg would find JPEGs too, wrongly."""

MAX_FPS = 1000.0
"""Maximum plausible frame rate: a container that states a higher one states its time base instead."""

MOTION_JPEG = (b"MJPG", b"mjpe")
"""Code of images in JPEG one after the other; the second is that of older versions of OpenCV."""


class VideoFile:
    """Video file of any format that OpenCV reads (mp4, mkv, avi, gif...), in its own size, upright; or a stream.

    A frame's time is the container's, relative to the first frame; if that does not increase, it is the previous time
    plus one period. Looping continues from the last frame's time plus one period. A frame is decoded only on request.

    Args:
        path: path of a file, or address of a stream that FFmpeg supports (rtsp://...).
        fps: frames per second to play at instead of the container's own times; 0 for the container's.
        loop: repeat the video endlessly.
        horizontal_fov: radians, of the upright image.

    Attributes:
        length: number of frames that the container states, 0 if it states none.
        missing: number of these that were missing when the file was last read to its end; 1 if some are missing in a
            format that states no length.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: no frame can be read from the file.
    """

    def __init__(self, path: str | Path, fps: float, loop: bool, horizontal_fov: float) -> None:
        self._path, self._track, self._copy = str(path), None, None
        self._alias: TemporaryDirectory | None = None
        if not is_stream(self._path):
            if not Path(path).is_file():
                raise FileNotFoundError(f"source: no video file {self._path!r}")
            if not Path(path).stat().st_size:
                raise ValueError(f"source: {self._path!r} is empty (0 bytes)")
            if bag_kind(Path(path)):
                raise ValueError(f"source: {self._path!r} is a bag: `uplift play` and `uplift process` read it")
            self._track, self._copy = _track(Path(path))
            # FFmpeg parses text before a colon as a protocol, unless the path is absolute.
            self._path = self._copy.name if self._copy else str(Path(path).absolute())
            if not _is_text(self._path):  # OpenCV crashes
                self._alias = TemporaryDirectory(prefix="uplift-")
                suffix = Path(self._path).suffix
                link = Path(self._alias.name, f"video{suffix if _is_text(suffix) else ''}")
                link.symlink_to(self._path)
                self._path = str(link)
        self._loop = loop
        self._own_times = not fps
        self.missing = 0
        self._open()
        readable, first = self._capture.read()
        codec = int(self._capture.get(cv2.CAP_PROP_FOURCC)).to_bytes(4, "little", signed=True)
        stated = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        is_file = not is_stream(str(path))
        if not readable or (
            is_file and codec in MOTION_JPEG and stated < 0 and not _begins_with(Path(path), JPEG_STREAMS)
        ):
            self.close()
            known = f": it is coded as {codec.decode()}" if codec.isalnum() else ""
            raise ValueError(
                f"source: OpenCV reads no frame from {without_password(str(path))!r}: "
                f"not a video, or an unknown format{known}"
            )
        self.fps = fps or _frame_rate(self._capture)
        self._ends_early = is_file and ends_early(Path(path))
        self.length = 0 if self._ends_early else max(0, int(stated))
        self.camera = self._camera(horizontal_fov, self._upright(first))

    def frames(self) -> Iterator[SourceFrame]:
        """Yield all frames, from the beginning at each call; with `loop`, until the file can no longer be read."""
        period = round(NANOSECONDS / self.fps)
        begin = 0
        while True:
            self._capture.release()
            self._open()
            last, count, shown = begin - period, 0, 0
            for since_first, make in self._grab():
                last = begin + since_first if self._own_times and begin + since_first > last else last + period
                count, shown = count + 1, since_first
                yield SourceFrame(last, make)
            self._count_missing(count, shown / NANOSECONDS)
            if not self._loop or last < begin:  # no frame was read: looping would never end
                return
            begin = last + period

    def close(self) -> None:
        self._capture.release()
        if self._copy:
            self._copy.close()
        if self._alias:
            self._alias.cleanup()

    def _open(self) -> None:
        self._capture = cv2.VideoCapture(self._path)
        if self._track is not None:
            self._capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 0)  # OpenCV does not handle mirrored orientations

    def _upright(self, image: np.ndarray) -> np.ndarray:
        return image if self._track is None else self._track.upright(image)

    def _camera(self, horizontal_fov: float, image: np.ndarray) -> Camera:
        """Make the camera of images whose pixels need not be square."""
        camera = Camera.from_fov(horizontal_fov, image.shape[1], image.shape[0])
        across, down = (self._capture.get(key) for key in (cv2.CAP_PROP_SAR_NUM, cv2.CAP_PROP_SAR_DEN))
        aspect = across / down if across > 0 and down > 0 else 1.0
        turned_by = self._capture.get(cv2.CAP_PROP_ORIENTATION_META)
        is_turned = self._track.is_on_its_side if self._track else turned_by % 180 != 0
        return replace(camera, fy=camera.fx * (1 / aspect if is_turned else aspect))

    def _count_missing(self, count: int, last_seconds: float) -> None:
        """Count missing frames if the file ends well before the time that its container states."""
        rate = _frame_rate(self._capture)
        seconds = self._track.seconds if self._track and self._track.seconds else self.length / rate
        is_cut_off = count < self.length and last_seconds < seconds - MAX_END_PERIODS / rate
        self.missing = self.length - count if is_cut_off else int(self._ends_early)

    def _grab(self) -> Iterator[tuple[int, Callable[[], np.ndarray]]]:
        """Yield nanoseconds since the first frame, by the container, and a function that decodes the frame to RGB."""
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
        return cv2.cvtColor(self._upright(image), cv2.COLOR_BGR2RGB)


class Webcam:
    """Webcam that OpenCV opens by its index; a frame's time is when it was received.

    Args:
        fps, width, height: requested of the driver, which may choose others; 0 for the driver's default.
        horizontal_fov: radians.

    Raises:
        ValueError: the camera does not exist, or returns no image.
    """

    def __init__(self, index: int, fps: float, width: int, height: int, horizontal_fov: float) -> None:
        self._capture = cv2.VideoCapture(index)
        for key, value in (
            (cv2.CAP_PROP_FRAME_WIDTH, width),
            (cv2.CAP_PROP_FRAME_HEIGHT, height),
            (cv2.CAP_PROP_FPS, fps),
        ):
            if value:
                self._capture.set(key, value)
        readable, first = self._capture.read()
        if not readable:
            self.close()
            raise ValueError(f"source: camera {index} does not open or gives no image; is /dev/video{index} there?")
        self.camera = Camera.from_fov(horizontal_fov, first.shape[1], first.shape[0])

    def frames(self) -> Iterator[SourceFrame]:
        """Yield frames until the camera is disconnected."""
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


def _is_text(path: str) -> bool:
    """Whether the bytes of a path are text in UTF-8."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _begins_with(path: Path, heads: tuple[bytes, ...]) -> bool:
    with path.open("rb") as file:
        return file.read(8).startswith(heads)


def _frame_rate(capture: cv2.VideoCapture) -> float:
    fps = capture.get(cv2.CAP_PROP_FPS)
    return fps if 0 < fps <= MAX_FPS else FALLBACK_FPS


def _track(path: Path) -> tuple[VideoTrack | None, IO[bytes] | None]:
    """Find the video track of an MP4, QuickTime or Matroska file; None for other files.

    Returns:
        The first track, unless it is disabled or less than half as long as another one, as thumbnails are; a copy of
        the file in which OpenCV finds the track, if it is not the first.

    Raises:
        ValueError: the file has no index.
        OSError: the copy cannot be written.
    """
    container = read_container(path)
    if container is None:
        return None, None
    if not container.has_index:
        raise ValueError(f"source: {str(path)!r} has no index (moov): the recording was cut off before it was written")
    if not container.tracks:
        return None, None
    first, longest = container.tracks[0], max(container.tracks, key=lambda track: (track.is_default, track.seconds))
    if first.seconds < longest.seconds / 2 or not first.is_default:
        return longest, None if longest is first else only_track(path, container.tracks, longest)
    return first, None
