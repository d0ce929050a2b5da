"""Video tracks of an MP4 or QuickTime file, and rotation and mirroring, also in Matroska, which OpenCV does not report.

Boxes as in ISO/IEC 14496-12: moov / trak / (tkhd, mdia / hdlr).
"""

import math
import re
import shutil
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, BinaryIO

import numpy as np

LARGEST_INDEX = 1 << 28
"""Maximum bytes of a moov box that are read: enough for days of video."""

MATROSKA, MATROSKA_HEAD = b"\x1aE\xdf\xa3", 1 << 16
"""First bytes of a Matroska file, and the size of the part that describes its tracks."""

MIRRORED = re.compile(rb"\x76\x70.\x76\x73\x88\x40\x66\x80\0{5}(?:\x76\x75\x88(.{8}))?", re.DOTALL)
"""Matroska's Projection with a yaw of 180 degrees, which FFmpeg writes for mirrored tracks, and its roll, if any."""


@dataclass(frozen=True)
class Track:
    """Video track.

    Attributes:
        position: file offset of the four letters that name the track's box.
        seconds: duration of playback, 0 if unknown.
        is_default: whether the track is enabled; thumbnails and alternative tracks are not.
        matrix: rows (a, b) and (c, d): the pixel (x, y) is shown at (a x + c y, b x + d y), up to an offset.
    """

    position: int
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


@dataclass(frozen=True)
class Container:
    """MP4 or QuickTime file.

    Attributes:
        has_index: whether there is a moov box, which recorders write last; without it nothing can be played.
    """

    tracks: tuple[Track, ...]
    has_index: bool


def read_container(path: Path) -> Container | None:
    """Read the tracks of a file; None if its index is damaged, or it has another format: Matroska only if mirrored."""
    try:
        with path.open("rb") as file:
            head = file.read(MATROSKA_HEAD)
            if head.startswith(MATROSKA):
                mirrored = MIRRORED.search(head)
                return Container((_mirrored_track(mirrored[1]),), has_index=True) if mirrored else None
            boxes = list(_file_boxes(file, path.stat().st_size))
            if not boxes or boxes[0][0] not in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
                return None
            index = next(((begin, end) for kind, begin, end in boxes if kind == b"moov"), None)
            if index is None:
                return Container((), has_index=False)
            file.seek(index[0])
            content = file.read(min(index[1] - index[0], LARGEST_INDEX))
            return Container(tuple(_video_tracks(content, index[0])), has_index=True)
    except struct.error:
        return None


def only_track(path: Path, container: Container, track: Track) -> IO[bytes]:
    """Copy a file without its other video tracks, because OpenCV reads the first; the copy is deleted when closed."""
    copy = NamedTemporaryFile(suffix=path.suffix)  # noqa: SIM115
    with path.open("rb") as source:
        shutil.copyfileobj(source, copy)
    for other in container.tracks:
        if other is not track:
            copy.seek(other.position)
            copy.write(b"free")
    copy.flush()
    return copy


def _mirrored_track(roll: bytes | None) -> Track:
    angle = math.radians(struct.unpack(">d", roll)[0]) if roll else 0.0
    cosine, sine = round(math.cos(angle)), round(math.sin(angle))
    return Track(0, 0.0, True, ((-cosine, sine), (sine, cosine)))


def _file_boxes(file: BinaryIO, size: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield type, begin and end of the content of the outermost boxes."""
    begin = 0
    while begin + 8 <= size:
        file.seek(begin)
        length, kind = struct.unpack(">I4s", file.read(8))
        header = 8
        if length == 1:
            (length,) = struct.unpack(">Q", file.read(8))
            header = 16
        end = begin + length if length else size
        yield kind, begin + header, min(end, size)
        if end < begin + header:
            return
        begin = end


def _boxes(content: bytes, begin: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    while begin + 8 <= end:
        length, kind = struct.unpack_from(">I4s", content, begin)
        if length < 8 or begin + length > end:
            return
        yield kind, begin + 8, begin + length
        begin += length


def _video_tracks(content: bytes, offset: int) -> Iterator[Track]:
    timescale = 0
    for kind, begin, end in _boxes(content, 0, len(content)):
        if kind == b"mvhd":
            (timescale,) = struct.unpack_from(">I", content, begin + (20 if content[begin] else 12))
        if kind != b"trak":
            continue
        inside = {name: (first, last) for name, first, last in _boxes(content, begin, end)}
        media = {name: first for name, first, _ in _boxes(content, *inside.get(b"mdia", (0, 0)))}
        if b"tkhd" not in inside or content[media.get(b"hdlr", 0) + 8 :][:4] != b"vide":
            continue
        header = inside[b"tkhd"][0]
        is_long = content[header] == 1
        (duration,) = struct.unpack_from(">Q" if is_long else ">I", content, header + (28 if is_long else 20))
        a, b, _, c, d = struct.unpack_from(">5i", content, header + (52 if is_long else 40))
        seconds = duration / timescale if timescale and duration < (1 << (64 if is_long else 32)) - 1 else 0.0
        yield Track(offset + begin - 4, seconds, bool(content[header + 3] & 1), ((a, b), (c, d)))
