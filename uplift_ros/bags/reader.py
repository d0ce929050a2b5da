"""Reads bags without ROS: a rosbag2 folder, or a single MCAP, SQLite or ROS 1 file, compressed or not."""

import heapq
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml
import zstandard
from rosbags.interfaces import Qos
from rosbags.typesys import Stores, get_types_from_idl, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from uplift_ros.bags.storage import CDR, ENDINGS, SUFFIXES, Channel, Storage, open_storage
from uplift_ros.files import ZSTD, bag_kind
from uplift_ros.messages.typestore import typestore

__all__ = ["SUFFIXES", "BagError", "BagReader", "Topic", "is_bag", "read"]

METADATA = "metadata.yaml"

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

    Attributes:
        topics: topics by name, including those of other encodings.
        start, end: first and last log time, nanoseconds; both 0 if the bag is empty.

    Raises:
        BagError: the bag is missing, of another format, truncated or damaged; also while reading.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._opened = ExitStack()
        self._definitions: dict[str, Typestore] = {}
        self._storages: list[Storage] = []
        if not self.path.exists():
            raise BagError(f"bag {self.path} does not exist")
        with _explained(self.path), self._opened:
            for file in self._files():
                unpacked = Path(self._opened.enter_context(TemporaryDirectory()))
                self._storages.append(open_storage(file, unpacked))
                self._opened.callback(self._storages[-1].close)
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
                is_compressed = data[:4] == ZSTD
                yield channel.topic, log_time, zstandard.decompress(data) if is_compressed else bytes(data)

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

    @staticmethod
    def _messages(
        storage: Storage, types: Collection[tuple[str, str]], start: int | None
    ) -> Iterator[tuple[Channel, int, bytes]]:
        channels = [
            channel
            for channel in storage.channels
            if (channel.topic, channel.msgtype) in types and channel.encoding == CDR
        ]
        return storage.messages(channels, start) if channels else iter(())

    def _files(self) -> list[Path]:
        if self.path.name == METADATA:  # the folder of the file is meant
            self.path = self.path.parent
        if not self.path.is_dir():
            return [self.path]
        if not (self.path / METADATA).exists():
            if files := sorted(path for path in self.path.iterdir() if path.is_file() and bag_kind(path)):
                return files
            raise ValueError(f"the folder has no {METADATA} and no file of a bag")
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
        reason = " ".join(str(error).split())[:500] or type(error).__name__
        raise BagError(f"bag {path} cannot be read: {reason}") from error
