"""Files of bags: MCAP, SQLite and ROS 1, detected by content. Only the requested channels are read."""

import heapq
import sqlite3
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

import zstandard
from mcap.reader import SeekingReader
from mcap.records import Channel as McapChannel
from mcap.records import Message, Schema
from mcap.stream_reader import StreamReader
from rosbags.interfaces import Qos
from rosbags.rosbag1 import Reader as Ros1Reader
from rosbags.rosbag2.metadata import parse_qos

from uplift_ros.files import bag_kind
from uplift_ros.messages.typestore import typestore
from uplift_ros.poses import NANOSECONDS

SUFFIXES = (".mcap", ".db3")
"""Suffixes of the files that rosbag2 writes."""

ENDINGS = (*SUFFIXES, ".bag", ".bag.active", ".zstd", ".zst")
"""Suffixes of bags; a file with one of them is treated as a bag whatever its content."""

REORDERED_NS = 2 * NANOSECONDS
"""Nanoseconds by which messages of an MCAP file without index may be out of order; they are sorted in memory."""

CDR, ROS1 = "cdr", "ros1"

Raw = tuple["Channel", int, bytes]
"""Channel, log time in nanoseconds, serialised message."""


class StorageError(ValueError):
    """File that cannot be read; the text gives the reason and the remedy."""


@dataclass(frozen=True)
class Channel:
    """Messages of one type on one topic of one file.

    Attributes:
        definition, definition_format: type definition, in the format ros2msg or ros2idl; empty if the file has none.
        encoding: message encoding.
    """

    id: int
    topic: str
    msgtype: str
    definition: str
    definition_format: str
    encoding: str
    count: int
    qos: tuple[Qos, ...]


class Storage(Protocol):
    """Open file of a bag.

    Attributes:
        start, end: first and last log time, nanoseconds; undefined for an empty file.
    """

    channels: list[Channel]
    start: int
    end: int

    def messages(self, channels: Collection[Channel], start: int | None) -> Iterator[Raw]:
        """Yield the messages of the channels from a log time on, in order of log time."""

    def close(self) -> None: ...


def open_storage(path: Path, folder: Path) -> Storage:
    """Open a file of a bag; a compressed one is unpacked into `folder`.

    Raises:
        StorageError: the file is not part of a bag, or is damaged; names it.
    """
    name, kind = path.name, bag_kind(path)
    if kind == "zstd":
        unpacked = folder / f"{name}.unpacked"
        with path.open("rb") as source, unpacked.open("wb") as target:
            zstandard.ZstdDecompressor().copy_stream(source, target)
        path, kind, name = unpacked, bag_kind(unpacked), f"{name}, uncompressed,"
    if kind not in STORAGES:
        empty = "empty (0 bytes)" if path.stat().st_size == 0 else "neither MCAP nor SQLite nor a ROS 1 bag"
        raise StorageError(f"{name} is {empty}")
    try:
        return STORAGES[kind](path)
    except Exception as error:  # damaged data makes the parsers fail in many ways
        raise StorageError(f"{name}: {_text(error)}") from error


class McapStorage:
    """MCAP file, with or without an index."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        try:
            self._open(path.stat().st_size)
        except Exception as error:
            self.close()
            reason = f"cut off or damaged ({_text(error)})"
            raise StorageError(f"{reason}; `uplift recover` saves what is whole") from error

    def _open(self, size: int) -> None:
        self._reader = SeekingReader(self._file, record_size_limit=size)
        summary = self._reader.get_summary()
        if summary is None or summary.statistics is None or not summary.channels:
            schemas, channels, counts, (self.start, self.end) = self._scanned()
            self._indexed = False
        else:
            schemas, channels, statistics = summary.schemas, summary.channels, summary.statistics
            counts = Counter(statistics.channel_message_counts)
            self.start, self.end = statistics.message_start_time, statistics.message_end_time
            self._indexed = bool(summary.chunk_indexes)
        self.channels = []
        for channel in channels.values():
            schema = schemas.get(channel.schema_id) or Schema(0, b"", "", "")
            known = schema.encoding in ("ros2msg", "ros2idl")
            self.channels.append(
                Channel(
                    channel.id,
                    channel.topic,
                    schema.name,
                    schema.data.decode(errors="replace") if known else "",
                    schema.encoding if known else "",
                    channel.message_encoding,
                    counts[channel.id],
                    offered_qos(channel.metadata.get("offered_qos_profiles", "")),
                )
            )

    def messages(self, channels: Collection[Channel], start: int | None) -> Iterator[Raw]:
        wanted = {channel.id: channel for channel in channels}
        for message in self._indexed_messages(channels, start) if self._indexed else self._sorted_messages(wanted):
            if message.channel_id in wanted and (start is None or message.log_time >= start):
                yield wanted[message.channel_id], message.log_time, message.data

    def close(self) -> None:
        self._file.close()

    def _indexed_messages(self, channels: Collection[Channel], start: int | None) -> Iterator[Message]:
        topics = {channel.topic for channel in channels}
        for _, _, message in self._reader.iter_messages(topics, starting_at=start):
            yield message

    def _sorted_messages(self, wanted: Collection[int]) -> Iterator[Message]:
        waiting: list[tuple[int, int, Message]] = []
        newest = given = 0
        for order, record in enumerate(self._records()):
            if not isinstance(record, Message) or record.channel_id not in wanted:
                continue
            if record.log_time < given:
                raise StorageError(
                    "messages without an index are out of order by more than "
                    f"{REORDERED_NS / NANOSECONDS:.0f} s; `mcap sort` of the mcap tool writes them in order"
                )
            heapq.heappush(waiting, (record.log_time, order, record))
            newest = max(newest, record.log_time)
            while waiting[0][0] < newest - REORDERED_NS:
                given, _, message = heapq.heappop(waiting)
                yield message
        while waiting:
            yield heapq.heappop(waiting)[2]

    def _scanned(self) -> tuple[dict[int, Schema], dict[int, McapChannel], Counter[int], tuple[int, int]]:
        schemas, channels, counts, times = {}, {}, Counter[int](), [2**63, 0]
        for record in self._records():
            if isinstance(record, Schema):
                schemas[record.id] = record
            elif isinstance(record, McapChannel):
                channels[record.id] = record
            elif isinstance(record, Message):
                counts[record.channel_id] += 1
                times = [min(times[0], record.log_time), max(times[1], record.log_time)]
        return schemas, channels, counts, (times[0], times[1])

    def _records(self) -> Iterator[Any]:
        self._file.seek(0)
        return StreamReader(self._file).records


class SqliteStorage:
    """SQLite (.db3) file of any version of rosbag2."""

    def __init__(self, path: Path) -> None:
        # Opened by the main thread and read by the threads of stages, one at a time.
        address = f"file:{quote(str(path.absolute()))}?immutable=1"
        self._database = sqlite3.connect(address, uri=True, check_same_thread=False)
        try:
            self._open()
        except Exception:
            self.close()
            raise

    def _open(self) -> None:
        execute = self._database.execute
        columns = {row[1] for row in execute("PRAGMA table_info(topics)")}
        if not columns:
            raise StorageError("a database without the tables of rosbag2")
        definitions = {}
        if list(execute("PRAGMA table_info(message_definitions)")):
            rows = execute("SELECT topic_type, encoding, encoded_message_definition FROM message_definitions")
            definitions = {name: (text, encoding) for name, encoding, text in rows}
        counts = dict(execute("SELECT topic_id, count(*) FROM messages GROUP BY topic_id"))
        offered = "offered_qos_profiles" if "offered_qos_profiles" in columns else "''"
        self.channels = []
        for id_, topic, msgtype, encoding, qos in execute(
            f"SELECT id, name, type, serialization_format, {offered} FROM topics ORDER BY id"  # one of two  # noqa: S608
        ):
            text, text_format = definitions.get(msgtype, ("", ""))
            text_format = text_format if text_format in ("ros2msg", "ros2idl") else ""
            definition = text if text_format else ""
            self.channels.append(
                Channel(id_, topic, msgtype, definition, text_format, encoding, counts.get(id_, 0), offered_qos(qos))
            )
        self.start, self.end = execute("SELECT min(timestamp), max(timestamp) FROM messages").fetchone()

    def messages(self, channels: Collection[Channel], start: int | None) -> Iterator[Raw]:
        wanted = {channel.id: channel for channel in channels}
        marks = ",".join("?" * len(wanted))
        query = (
            f"SELECT topic_id, timestamp, data FROM messages WHERE topic_id IN ({marks}) "  # noqa: S608
            "AND timestamp >= ? ORDER BY timestamp, id"
        )
        for id_, log_time, data in self._database.execute(query, [*wanted, -(2**63) if start is None else start]):
            yield wanted[id_], log_time, data

    def close(self) -> None:
        self._database.close()


class Ros1Storage:
    """ROS 1 bag, messages converted to CDR: types that ROS 2 has too differ only in the header's `seq`."""

    def __init__(self, path: Path) -> None:
        self._reader = Ros1Reader(path)
        try:
            self._reader.open()
        except Exception as error:
            text = _text(error)
            raise StorageError(f"{text} (`rosbag reindex`)" if "index" in text else text) from error
        self.start, self.end = self._reader.start_time, self._reader.end_time - 1
        known = typestore().fielddefs
        counts: Counter[int] = Counter()
        for chunk in self._reader.chunk_infos:
            counts.update(chunk.connection_counts)
        self._connections = {connection.id: connection for connection in self._reader.connections}
        self.channels = [
            Channel(
                connection.id,
                f"/{connection.topic.lstrip('/')}",
                connection.msgtype,
                "",
                "",
                CDR if connection.msgtype in known else ROS1,
                counts[connection.id],
                (),
            )
            for connection in self._reader.connections
        ]

    def messages(self, channels: Collection[Channel], start: int | None) -> Iterator[Raw]:
        wanted = {channel.id: channel for channel in channels}
        connections = [self._connections[id_] for id_ in wanted]
        for connection, log_time, data in self._reader.messages(connections, start=start):
            yield wanted[connection.id], log_time, bytes(typestore().ros1_to_cdr(data, connection.msgtype))

    def close(self) -> None:
        self._reader.close()


STORAGES: dict[str, Callable[[Path], Storage]] = {"mcap": McapStorage, "sqlite3": SqliteStorage, "ros1": Ros1Storage}


def offered_qos(text: str) -> tuple[Qos, ...]:
    """QoS that publishers offered; empty if it cannot be parsed, because only playing needs it."""
    try:
        return tuple(parse_qos(text))
    except Exception:  # invalid YAML, missing keys
        return ()


def _text(error: Exception) -> str:
    return " ".join(str(error).split())[:500].rstrip(".") or type(error).__name__
