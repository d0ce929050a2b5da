"""Video tracks of a Matroska or WebM file (RFC 9559): orientation, and duration as FFmpeg and mkvmerge note it."""

import math
import re
import struct
from collections.abc import Iterator
from typing import BinaryIO

from uplift_ros.sources.video_track import VideoTrack

EBML_MAGIC = b"\x1aE\xdf\xa3"

SEGMENT, TRACKS, ENTRY, TAGS, TAG = 0x18538067, 0x1654AE6B, 0xAE, 0x1254C367, 0x7373
UID, TYPE, IS_ENABLED, VIDEO, PROJECTION, YAW, ROLL = 0x73C5, 0x83, 0xB9, 0xE0, 0x7670, 0x7673, 0x7675
TARGETS, TARGET_UID, SIMPLE_TAG, TAG_NAME, TAG_TEXT = 0x63C0, 0x63C5, 0x67C8, 0x45A3, 0x4487
"""Ids of elements."""

VIDEO_TYPE, HIDDEN_TYPE = b"\x01", b"\x20"
"""TrackType of a video, and of a track that players ignore."""

MAX_VALUE = 1 << 12
"""Maximum bytes of a value that is read."""

Span = tuple[int, int]
"""Offsets in the file at which the content of an element begins and ends."""


def video_tracks(file: BinaryIO, size: int) -> Iterator[VideoTrack]:
    """Yield the video tracks in the order of the file.

    Raises:
        ValueError, IndexError, struct.error: the file is damaged.
    """
    durations = dict(_durations(file, (0, size)))
    for entry in _find(file, (0, size), SEGMENT, TRACKS, ENTRY):
        if _value(file, entry, TYPE) != VIDEO_TYPE:
            continue
        position, _ = next(_find(file, entry, TYPE))
        is_enabled = _value(file, entry, IS_ENABLED) != b"\0"
        yaw, roll = (_number(_value(file, entry, VIDEO, PROJECTION, key)) for key in (YAW, ROLL))
        cosine, sine = round(math.cos(math.radians(roll))), round(math.sin(math.radians(roll)))
        across = -1 if abs(yaw) == 180 else 1  # mirrored
        matrix = ((across * cosine, -across * sine), (sine, cosine))
        yield VideoTrack(position, HIDDEN_TYPE, durations.get(_value(file, entry, UID), 0.0), is_enabled, matrix)


def _durations(file: BinaryIO, whole: Span) -> Iterator[tuple[bytes, float]]:
    """Yield the id of a track and its seconds."""
    for tag in _find(file, whole, SEGMENT, TAGS, TAG):
        for simple in _find(file, tag, SIMPLE_TAG):
            time = re.match(rb"(\d+):(\d+):(\d+(?:\.\d+)?)", _value(file, simple, TAG_TEXT))
            if _value(file, simple, TAG_NAME) == b"DURATION" and time:
                hours, minutes, seconds = map(float, time.groups())
                yield _value(file, tag, TARGETS, TARGET_UID), hours * 3600 + minutes * 60 + seconds


def _find(file: BinaryIO, span: Span, id_: int, *below: int) -> Iterator[Span]:
    """Yield the elements at the end of a path of ids below an element."""
    for found, *content in _elements(file, span):
        if found == id_:
            inside = content[0], content[1]
            yield from _find(file, inside, *below) if below else [inside]


def _value(file: BinaryIO, span: Span, *path: int) -> bytes:
    """Content of the first element of a path; empty if there is none."""
    begin, end = next(_find(file, span, *path), (0, 0))
    file.seek(begin)
    return file.read(min(end - begin, MAX_VALUE))


def _number(value: bytes) -> float:
    return float(struct.unpack(">f" if len(value) == 4 else ">d", value)[0]) if value else 0.0


def _elements(file: BinaryIO, span: Span) -> Iterator[tuple[int, int, int]]:
    """Yield id, begin and end of the elements inside another; one of unknown length is the last."""
    begin, end = span
    while begin < end:
        file.seek(begin)
        head = file.read(12)
        id_length = 9 - head[0].bit_length()
        length_length = 9 - head[id_length].bit_length()
        inside = begin + id_length + length_length
        if inside > end:
            return
        unknown = (1 << 7 * length_length) - 1
        length = int.from_bytes(head[id_length : id_length + length_length], "big") & unknown
        yield int.from_bytes(head[:id_length], "big"), inside, end if length == unknown else min(inside + length, end)
        begin = end if length == unknown else inside + length
