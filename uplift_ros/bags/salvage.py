"""Reads the complete part of a truncated recording, after a kill, a power loss or a full disk.

Other readers begin with the index at the end of an MCAP file, which a truncated file lacks; this one reads the records
in the order in which they were written, chunk by chunk, until the file ends.
"""

import sqlite3
import struct
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from mcap.exceptions import EndOfFile, RecordLengthLimitExceeded
from mcap.records import Channel, DataEnd, McapRecord, Message, Schema
from mcap.stream_reader import StreamReader
from rosbags.interfaces import Qos
from rosbags.typesys.store import Typestore

from uplift_ros.bags.reader import BagError, parse_definition
from uplift_ros.bags.storage import offered_qos

MAGIC = b"\x89MCAP0\r\n"


class CorruptionError(BagError):
    """Recording that is damaged: nothing after this place can be read."""


@dataclass(frozen=True)
class ChannelRecord:
    """Topic with the definition of its message type; precedes its first message."""

    topic: str
    msgtype: str
    definitions: Typestore
    qos: tuple[Qos, ...]


@dataclass(frozen=True)
class MessageRecord:
    """Message with its log time in nanoseconds and CDR bytes."""

    topic: str
    log_time: int
    data: bytes


def salvage(path: Path) -> Iterator[ChannelRecord | MessageRecord]:
    """Yield the topics and messages of an .mcap file, compressed or not, up to where it is truncated.

    Raises:
        BagError: the file is not an MCAP file.
        CorruptionError: the file is damaged; everything before the damaged chunk has been yielded.
    """
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            raise BagError(f"bag {path} is no MCAP file")
        file.seek(0)
        reader = StreamReader(file, validate_crcs=True, record_size_limit=path.stat().st_size)
        try:
            yield from _topics_and_messages(reader.records)
        except RecordLengthLimitExceeded:
            return  # the record is longer than the file: the end is missing
        except Exception as error:  # damaged data makes the parsers of records, definitions and QoS fail in many ways
            was_cut_off = isinstance(error, EndOfFile | struct.error) and not file.read(1)
            if not was_cut_off:
                raise CorruptionError(f"{type(error).__name__}: {error}") from error


def _topics_and_messages(records: Iterator[McapRecord]) -> Iterator[ChannelRecord | MessageRecord]:
    types: dict[int, tuple[str, Typestore]] = {}
    topics: dict[int, str] = {}
    for record in records:
        if isinstance(record, DataEnd):
            return
        if isinstance(record, Schema) and record.id not in types:
            types[record.id] = record.name, parse_definition(record.name, record.data.decode(), record.encoding)
        elif isinstance(record, Channel) and record.id not in topics:
            qos = offered_qos(record.metadata.get("offered_qos_profiles", ""))
            yield ChannelRecord(record.topic, *types[record.schema_id], qos)
            topics[record.id] = record.topic
        elif isinstance(record, Message):
            yield MessageRecord(topics[record.channel_id], record.log_time, record.data)


def roll_back(path: Path) -> None:
    """Roll back the uncommitted transaction of a .db3 recording; readers ignore the journal.

    Raises:
        BagError: the file is not a database, or cannot be written.
    """
    try:
        with closing(sqlite3.connect(path)) as database:
            database.execute("SELECT count(*) FROM messages")
    except sqlite3.Error as error:
        raise BagError(f"bag {path} cannot be saved: {error}") from error
