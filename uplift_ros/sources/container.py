"""Video tracks of MP4, QuickTime and Matroska files, and files that end too early.

Boxes of MP4 as in ISO/IEC 14496-12: moov / trak / (tkhd, mdia / hdlr).
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from os import SEEK_END
from pathlib import Path
from typing import BinaryIO

from uplift_ros.sources import matroska
from uplift_ros.sources.video_track import VideoTrack

LARGEST_INDEX = 1 << 28
"""Maximum bytes of a moov box that are read: enough for days of video."""

TS_SYNC, TS_PACKET = 0x47, 188
"""First byte and size of the packets of an MPEG transport stream."""


@dataclass(frozen=True)
class Container:
    """File with video tracks.

    Attributes:
        has_index: whether there is a moov box, which recorders write last; without it nothing can be played.
    """

    tracks: tuple[VideoTrack, ...]
    has_index: bool


def read_container(path: Path) -> Container | None:
    """Read the tracks of a file; None if its index is damaged, or it has another format."""
    try:
        with path.open("rb") as file:
            if file.read(len(matroska.EBML_MAGIC)) == matroska.EBML_MAGIC:
                return Container(tuple(matroska.video_tracks(file, path.stat().st_size)), has_index=True)
            boxes = list(_file_boxes(file, path.stat().st_size))
            if not boxes or boxes[0][0] not in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
                return None
            index = next(((begin, end) for kind, begin, end in boxes if kind == b"moov"), None)
            if index is None:
                return Container((), has_index=False)
            file.seek(index[0])
            content = file.read(min(index[1] - index[0], LARGEST_INDEX))
            return Container(tuple(_video_tracks(content, index[0])), has_index=True)
    except (struct.error, IndexError, ValueError):
        return None


def ends_early(path: Path) -> bool:
    """Whether a file of a format without an index ends within an image: GIF, and MPEG transport streams."""
    with path.open("rb") as file:
        head = file.read(TS_PACKET + 1)
        size = file.seek(0, SEEK_END)
        if head.startswith(b"GIF8"):
            file.seek(-1, SEEK_END)
            return file.read() != b";"
    return len(head) > TS_PACKET and head[0] == head[TS_PACKET] == TS_SYNC and size % TS_PACKET != 0


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


def _video_tracks(content: bytes, offset: int) -> Iterator[VideoTrack]:
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
        yield VideoTrack(offset + begin - 4, b"free", seconds, bool(content[header + 3] & 1), ((a, b), (c, d)))
