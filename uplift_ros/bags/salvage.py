"""What is whole of a recording that was cut off: killed, without power, or on a full disk.

An MCAP file is a row of records, each an opcode, its length and its content (mcap.dev/spec). Readers begin at the end,
with the index, which a file that was cut off lacks; this one begins at the beginning and goes on while there are any.
"""

import sqlite3
import struct
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from rosbags.interfaces import Qos
from rosbags.rosbag2.metadata import parse_qos
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from uplift_ros.bags.reader import BagError

MAGIC = b"\x89MCAP0\r\n"
SCHEMA, CHANNEL, MESSAGE, CHUNK, DATA_END = 3, 4, 5, 6, 15
"""Opcodes. Schemas and channels come before what refers to them, possibly often, and again after the data."""

CHUNK_HEADER = 28
"""Bytes of a chunk before the name of its compression."""


@dataclass(frozen=True)
class Announcement:
    """A topic, with the definition of its messages; comes before the first of them."""

    topic: str
    msgtype: str
    definitions: Typestore
    qos: tuple[Qos, ...]


@dataclass(frozen=True)
class Salvaged:
    """A message: log time in nanoseconds, CDR bytes."""

    topic: str
    log_time: int
    data: bytes


@dataclass(frozen=True)
class Damage:
    """What comes here was written otherwise; nothing after it can be read."""

    reason: str


def salvage(path: Path) -> Iterator[Announcement | Salvaged | Damage]:
    """Everything up to where an .mcap was cut off or is damaged, in the order in which it was written.

    A recording that was cut off just ends; one that is damaged ends with a `Damage`.

    Raises:
        BagError: the file is no MCAP file, or its chunks are compressed, which those of `uplift record` are not.
    """
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            raise BagError(f"bag {path} is no MCAP file")
        try:
            yield from _understood(_records(file, path.stat().st_size))
        except BagError:
            raise
        except Exception as error:  # damaged data makes the parsers of definitions and QoS fail in many ways
            yield Damage(f"{type(error).__name__}: {error}")


def _understood(records: Iterator[tuple[int, bytes]]) -> Iterator[Announcement | Salvaged]:
    types: dict[int, tuple[str, Typestore]] = {}
    topics: dict[int, str] = {}
    for opcode, content in records:
        (number,) = struct.unpack_from("<H", content)
        if opcode == SCHEMA and number not in types:
            name, _encoding, definition = _texts(content[2:], 3)
            types[number] = name, _typestore(name, definition)
        elif opcode == CHANNEL and number not in topics:
            (schema,) = struct.unpack_from("<H", content, 2)
            topic, _encoding = _texts(content[4:], 2)
            yield Announcement(topic, *types[schema], _qos(content))
            topics[number] = topic
        elif opcode == MESSAGE:
            (log_time,) = struct.unpack_from("<Q", content, 6)
            yield Salvaged(topics[number], log_time, content[22:])


def _records(stream: BinaryIO, size: int) -> Iterator[tuple[int, bytes]]:
    """(opcode, content) of schemas, channels and messages, in chunks or not, up to the first that is not whole."""
    while len(head := stream.read(9)) == 9:
        opcode, length = struct.unpack("<BQ", head)
        content = stream.read(min(length, size - stream.tell()))
        if opcode == CHUNK:
            yield from _in_chunk(content)
        if len(content) < length or opcode == DATA_END:
            return
        if opcode in (SCHEMA, CHANNEL, MESSAGE):
            yield opcode, content


def _in_chunk(content: bytes) -> Iterator[tuple[int, bytes]]:
    """The records of a chunk, as many as there are of one that was cut off."""
    if len(content) < CHUNK_HEADER + 12:
        return
    (name,) = struct.unpack_from("<I", content, CHUNK_HEADER)
    if name:
        raise BagError("the recording is compressed: `mcap recover` of the mcap tool saves what is whole")
    inside = content[CHUNK_HEADER + 12 :]
    yield from _records(BytesIO(inside), len(inside))


def _texts(content: bytes, count: int) -> list[str]:
    """The texts at the beginning, each after its length."""
    return [text.decode() for text in islice(_prefixed(content), count)]


def _prefixed(content: bytes) -> Iterator[bytes]:
    """Byte strings in a row, each after its length."""
    begin = 0
    while begin < len(content):
        (length,) = struct.unpack_from("<I", content, begin)
        begin += 4 + length
        yield content[begin - length : begin]


def _qos(channel: bytes) -> tuple[Qos, ...]:
    """What the publishers offered, from the channel's metadata: keys with values, in any order."""
    _topic, _encoding, metadata = islice(_prefixed(channel[4:]), 3)
    texts = [text.decode() for text in _prefixed(metadata)]
    offered = dict(zip(texts[::2], texts[1::2], strict=True)).get("offered_qos_profiles")
    return tuple(parse_qos(offered)) if offered else ()


def _typestore(msgtype: str, definition: str) -> Typestore:
    store = get_typestore(Stores.EMPTY)
    store.register(get_types_from_msg(definition, msgtype))
    return store


def roll_back(path: Path) -> None:
    """Take back what a recording as .db3 had written and not yet confirmed; readers ignore the journal.

    Raises:
        BagError: it is no database, or cannot be written.
    """
    try:
        with closing(sqlite3.connect(path)) as database:
            database.execute("SELECT count(*) FROM messages")
    except sqlite3.Error as error:
        raise BagError(f"bag {path} cannot be saved: {error}") from error
