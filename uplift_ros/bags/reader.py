"""Reads bags without ROS: a rosbag2 folder, or a single MCAP, SQLite or ROS 1 file, compressed or not."""

import heapq
import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml
import zstandard
from rosbags.interfaces import Qos
from rosbags.typesys import Stores, get_types_from_idl, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from uplift_ros.bags.mcap_storage import McapStorage
from uplift_ros.bags.ros1_storage import Ros1Storage
from uplift_ros.bags.sqlite_storage import SqliteStorage
from uplift_ros.bags.storage import CDR, ENDINGS, Channel, Damage, Report, Storage, StorageError
from uplift_ros.files import ZSTD, bag_kind
from uplift_ros.messages.typestore import typestore
from uplift_ros.parameters import error_text
from uplift_ros.poses import NANOSECONDS

METADATA = "metadata.yaml"

INCOMPLETE = 3
"""Exit code of commands that processed all they could read, if part of the input was missing or damaged."""

IDL_SEPARATOR = "=" * 80 + "\n"


class BagError(ValueError):
    """Bag that cannot be read or written; the text names the path and the reason."""


@dataclass(frozen=True)
class Topic:
    """Topic of a bag, and the message type that is read from it.

    Attributes:
        name: absolute, with a leading slash.
        msgtype: "package/msg/Type"; if the topic has several types, the most frequent.
        qos: profiles that its publishers offered; empty if the bag does not store them.
        counts: messages by type.
        encoding: message encoding; only CDR is read, and if the topic has it, others are ignored.
    """

    name: str
    msgtype: str
    qos: tuple[Qos, ...]
    counts: Counter[str]
    encoding: str

    @property
    def count(self) -> int:
        """Messages of `msgtype`."""
        return self.counts[self.msgtype]


class BagReader:
    """Open bag. Messages are decoded by the definitions stored in the bag, or by ours if it has none.

    Only the file names are taken from metadata.yaml; everything else is read from the files themselves.

    Args:
        path: folder of a rosbag2 recording, or a file; the format is detected by content, not by name.
        skip_damaged: read all that is not damaged or missing, instead of raising an error.

    Attributes:
        topics: topics by name, including those of other encodings.
        start, end: first and last log time, nanoseconds; both 0 if the bag is empty.
        damage: what was skipped until now.

    Raises:
        BagError: the bag is missing, of another format, truncated or damaged; also while reading.
    """

    def __init__(self, path: str | Path, skip_damaged: bool = False) -> None:
        self.path = Path(path)
        self.damage: list[Damage] = []
        self._skip_damaged = skip_damaged
        self._opened = ExitStack()
        self._definitions: dict[str, Typestore] = {}
        self._storages: list[Storage] = []
        if not self.path.exists():
            raise BagError(f"bag {self.path} does not exist")
        with _explained(self.path), self._opened:
            self._open(self._files())
            self._opened = self._opened.pop_all()
        self._channels = [channel for storage in self._storages for channel in storage.channels]
        self.topics = {name: self._topic(name) for name in dict.fromkeys(channel.topic for channel in self._channels)}
        filled = [storage for storage in self._storages if any(channel.count for channel in storage.channels)]
        self.start = min((storage.start for storage in filled), default=0)
        self.end = max((storage.end for storage in filled), default=0)

    def __enter__(self) -> "BagReader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._opened.close()

    def definitions(self, msgtype: str) -> Typestore:
        """Typestore of a message type and its nested types, as the bag defines them.

        Raises:
            BagError: neither the bag nor this package has a definition, or it cannot be parsed.
        """
        if msgtype not in self._definitions:
            with _explained(self.path):
                self._definitions[msgtype] = self._typestore(msgtype)
        return self._definitions[msgtype]

    def defines_as_we_do(self, msgtype: str) -> bool:
        """Whether the bag's definition of one of our types is the installed one; another version has another layout."""
        return bool(self.definitions(msgtype).hash_rihs01(msgtype) == typestore().hash_rihs01(msgtype))

    def choose(self, topic: str, msgtypes: Collection[str]) -> bool:
        """Choose which of these types to read from a topic with several types; False if it has no such message."""
        counts = self.topics[topic].counts
        chosen = max((msgtype for msgtype in counts if msgtype in msgtypes), key=counts.__getitem__, default=None)
        if chosen is None or not counts[chosen]:
            return False
        self.topics[topic] = replace(self.topics[topic], msgtype=chosen)
        return True

    def raw(self, topics: Collection[str] | None = None, start: int | None = None) -> Iterator[tuple[str, int, bytes]]:
        """Yield (topic, log time in nanoseconds, CDR bytes) in order of log time.

        Args:
            topics: topics to read, names that the bag lacks are ignored; None for all in CDR.
            start: first log time, nanoseconds; None for the start of the bag.

        Raises:
            BagError: a requested topic has messages in another encoding than CDR.
        """
        names = [name for name, topic in self.topics.items() if topic.encoding == CDR] if topics is None else topics
        wanted = [self.topics[name] for name in names if name in self.topics]
        for topic in wanted:
            if topic.encoding != CDR:
                raise BagError(
                    f"bag {self.path}: messages on {topic.name} ({topic.msgtype or 'no type'}) are encoded as "
                    f"{topic.encoding!r}, only cdr is read"
                )
        types = {(topic.name, topic.msgtype) for topic in wanted}
        with _explained(self.path):
            for channel, log_time, data in heapq.merge(
                *(self._messages(storage, types, start) for storage in self._storages), key=lambda item: item[1]
            ):
                # rosbag2 may compress single messages; CDR data begins with a zero byte, never with the zstd magic.
                if data[:4] == ZSTD:
                    try:
                        data = zstandard.decompress(data)
                    except zstandard.ZstdError as error:
                        time = f"{log_time / NANOSECONDS:.3f} s"
                        self._report(
                            self.path.name, Damage(f"a message of log time {time} is damaged ({error_text(error)})")
                        )
                        continue
                yield channel.topic, log_time, bytes(data)

    def messages(self, topics: Collection[str] | None = None) -> Iterator[tuple[str, int, Any]]:
        """Yield (topic, log time in nanoseconds, message), like `raw`."""
        for topic, log_time, data in self.raw(topics):
            yield topic, log_time, self.decode(topic, data)

    def decode(self, topic: str, data: bytes) -> Any:
        """Decode the bytes of a message from `raw`."""
        msgtype = self.topics[topic].msgtype
        definitions = self.definitions(msgtype)
        with _explained(self.path):
            return definitions.deserialize_cdr(data, msgtype)

    def _open(self, files: Sequence[Path]) -> None:
        for file in files:
            unpacked = Path(self._opened.enter_context(TemporaryDirectory()))
            try:
                self._storages.append(_open_storage(file, unpacked, partial(self._report, file.name)))
            except (StorageError, OSError) as error:
                if len(files) == 1:
                    raise
                self._report(file.name, Damage(str(error)))
            else:
                self._opened.callback(self._storages[-1].close)

    def _report(self, name: str, damage: Damage) -> None:
        if not self._skip_damaged:
            raise StorageError(f"{damage.text}; `uplift recover` recovers the undamaged part")
        damage = replace(damage, text=f"{name}: {damage.text}")
        if damage not in self.damage:
            self.damage.append(damage)

    def _messages(
        self, storage: Storage, types: Collection[tuple[str, str]], start: int | None
    ) -> Iterator[tuple[Channel, int, bytes]]:
        channels = [
            channel
            for channel in storage.channels
            if (channel.topic, channel.msgtype) in types and channel.encoding == CDR
        ]
        try:
            yield from storage.messages(channels, start) if channels else ()
        except StorageError:
            raise
        except Exception as error:  # damaged data makes the parsers fail in many ways
            self._report(self.path.name, Damage(f"damaged ({error_text(error)})"))

    def _files(self) -> list[Path]:
        if self.path.name == METADATA:  # the folder of the file is meant
            self.path = self.path.parent
        if not self.path.is_dir():
            return [self.path]
        if not (self.path / METADATA).exists():
            files = sorted(path for path in self.path.iterdir() if path.is_file() and bag_kind(path))
            if not files:
                raise ValueError(f"the folder has no {METADATA} and no file of a bag")
            if len(recordings := {_recording_name(path): path.name for path in files}) > 1:
                raise ValueError(f"the folder has several recordings: name one of {', '.join(recordings.values())}")
            return files
        described = yaml.safe_load((self.path / METADATA).read_text())
        try:
            names = described["rosbag2_bagfile_information"]["relative_file_paths"]
            return [self.path / Path(name).name for name in names]
        except (TypeError, KeyError) as error:
            raise ValueError(
                f"{METADATA} has no relative_file_paths in rosbag2_bagfile_information; without {METADATA} all files "
                "of the folder are read"
            ) from error

    def _topic(self, name: str) -> Topic:
        everything = [channel for channel in self._channels if channel.topic == name]
        channels = [channel for channel in everything if channel.encoding == CDR] or everything
        counts: Counter[str] = Counter()
        for channel in channels:
            counts[channel.msgtype] += channel.count
        msgtype = max(counts, key=counts.__getitem__)
        profiles = [profile for channel in channels if channel.msgtype == msgtype for profile in channel.qos]
        return Topic(name, msgtype, tuple(dict.fromkeys(profiles)), counts, channels[0].encoding)

    def _typestore(self, msgtype: str) -> Typestore:
        for channel in self._channels:
            if channel.msgtype == msgtype and channel.definition:
                return parse_definition(msgtype, channel.definition, channel.definition_format)
        if msgtype not in typestore().fielddefs:
            raise ValueError(f"there is no definition of {msgtype}")
        return typestore()


def _recording_name(path: Path) -> str:
    """Name that the files of one recording share, without their number: NAME_0.mcap, NAME_1.mcap."""
    return re.sub(r"_\d+$", "", path.name.partition(".")[0])


def _open_storage(path: Path, folder: Path, report: Report) -> Storage:
    """Open a file of a bag; a compressed one is unpacked into `folder`.

    Raises:
        StorageError: the file is not part of a bag, or cannot be opened; names it.
    """
    name, kind = path.name, bag_kind(path)
    try:
        if kind == "zstd":
            path, name = _unpacked(path, folder, report), f"{name}, uncompressed,"
            kind = bag_kind(path)
        if kind == "mcap":
            return McapStorage(path, report)
        if kind == "sqlite3":
            return SqliteStorage(path, report)
        if kind == "ros1":
            return Ros1Storage(path)
    except Exception as error:  # damaged data makes the parsers fail in many ways
        raise StorageError(f"{name}: {error_text(error)}") from error
    empty = "empty (0 bytes)" if path.stat().st_size == 0 else "neither MCAP nor SQLite nor a ROS 1 bag"
    raise StorageError(f"{name} is {empty}")


def _unpacked(path: Path, folder: Path, report: Report) -> Path:
    unpacked = folder / path.name
    with path.open("rb") as source, unpacked.open("wb") as target:
        try:
            zstandard.ZstdDecompressor().copy_stream(source, target)
        except zstandard.ZstdError as error:
            report(Damage(f"damaged ({error_text(error)})"))
    return unpacked


def parse_definition(msgtype: str, definition: str, definition_format: str) -> Typestore:
    """Typestore of a message type and its nested types, from their definition in the format ros2msg or ros2idl.

    Raises:
        Exception: any, if it cannot be parsed.
    """
    store = get_typestore(Stores.EMPTY)
    if definition_format == "ros2msg":
        store.register(get_types_from_msg(definition, msgtype))
        return store
    for part in definition.split(IDL_SEPARATOR):
        store.register(get_types_from_idl(part.partition("\n")[2] if part.startswith("IDL: ") else part))
    return store


def read(path: str | Path, topics: Collection[str] | None = None) -> Iterator[tuple[str, int, Any]]:
    """Yield (topic, log time in nanoseconds, message) of a bag, see BagReader."""
    with BagReader(path) as reader:
        yield from reader.messages(topics)


def is_bag(path: Path) -> bool:
    """Whether a path is a folder, or a file that is a bag by content or by name."""
    if path.is_dir() or path.name == METADATA or path.name.endswith(ENDINGS):
        return True
    return path.is_file() and bag_kind(path) is not None


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Convert every error to a BagError with the path: damaged data makes the parsers below fail in many ways."""
    try:
        yield
    except BagError:
        raise
    except Exception as error:
        raise BagError(f"bag {path} cannot be read: {error_text(error)}") from error
