"""Video tracks of files, of which OpenCV reads the first, and rotates only those that are not mirrored."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO

import numpy as np


@dataclass(frozen=True)
class VideoTrack:
    """Video track.

    Attributes:
        position: file offset at which the bytes `hidden` make players ignore the track.
        seconds: duration of playback, 0 if unknown.
        is_default: whether the track is enabled; thumbnails and alternative tracks are not.
        matrix: rows (a, b) and (c, d): the pixel (x, y) is shown at (a x + c y, b x + d y), up to an offset.
    """

    position: int
    hidden: bytes
    seconds: float
    is_default: bool
    matrix: tuple[tuple[int, int], tuple[int, int]]

    def upright(self, image: np.ndarray) -> np.ndarray:
        """Rotate or mirror an image (H, W, 3) for display, one of eight orientations."""
        (a, b), (c, d) = self.matrix
        if abs(b) > abs(a):
            image, across, down = image.transpose(1, 0, 2), c, b
        else:
            across, down = a, d
        return np.ascontiguousarray(image[:: -1 if down < 0 else 1, :: -1 if across < 0 else 1])

    @property
    def is_on_its_side(self) -> bool:
        """Whether width and height are swapped."""
        return abs(self.matrix[0][1]) > abs(self.matrix[0][0])


def only_track(path: Path, tracks: Sequence[VideoTrack], track: VideoTrack) -> IO[bytes]:
    """Copy a file without its other video tracks, because OpenCV reads the first; the copy is deleted when closed."""
    copy = NamedTemporaryFile(suffix=path.suffix)  # noqa: SIM115
    with path.open("rb") as source:
        shutil.copyfileobj(source, copy)
    for other in tracks:
        if other is not track:
            copy.seek(other.position)
            copy.write(other.hidden)
    copy.flush()
    return copy
