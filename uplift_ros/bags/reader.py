"""Reads bags without ROS: a rosbag2 folder, a single .mcap or a single .db3."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rosbags.highlevel import AnyReader
from rosbags.interfaces import Connection, ConnectionExtRosbag2, Qos
from rosbags.typesys.store import Typestore

from uplift_ros.messages.typestore import typestore

SUFFIXES = (".mcap", ".db3")


class BagError(ValueError):
    """A bag that cannot be read or written; the text names the path and the reason."""


@dataclass(frozen=True)
class Topic:
    """One topic of a bag.

    Attributes:
        name: absolute, with a leading slash.
        msgtype: "package/msg/Type".
        count: messages.
        qos: what its publishers offered; empty where the bag does not tell.
    """

    name: str
    msgtype: str
    count: int
    qos: tuple[Qos, ...]


class BagReader:
    """An open bag. Messages are decoded by the definitions stored in the bag, or by ours where it has none.

    Args:
        path: folder with metadata.yaml, .mcap or .db3.

    Attributes:
        topics: by name.
        start, end: first and last log time, nanoseconds; both 0 where the bag is empty.

    Raises:
        BagError: missing, of another format, truncated or damaged; also while reading.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        _check_path(self.path)
        with _explained(self.path):
            self._reader = AnyReader([self.path], default_typestore=typestore())
            self._reader.open()
        self.topics = {connection.topic: self._topic(connection.topic) for connection in self._reader.connections}
        empty = self._reader.message_count == 0
        self.start, self.end = (0, 0) if empty else (self._reader.start_time, self._reader.end_time - 1)

    def __enter__(self) -> "BagReader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._reader.close()

    @property
    def definitions(self) -> Typestore:
        """The message types of the bag."""
        return self._reader.typestore

    def defines_as_we_do(self, msgtype: str) -> bool:
        """Whether the bag's definition of one of our types is ours: an older one makes other bytes."""
        return bool(self.definitions.hash_rihs01(msgtype) == typestore().hash_rihs01(msgtype))

    def raw(self, topics: Collection[str] | None = None, start: int | None = None) -> Iterator[tuple[str, int, bytes]]:
        """(topic, log time in nanoseconds, CDR bytes) in order of log time.

        Args:
            topics: only these; names that the bag lacks give nothing.
            start: log time to begin at, nanoseconds.
        """
        for connection, log_time, data in self._messages(topics, start):
            yield connection.topic, log_time, bytes(data)

    def messages(self, topics: Collection[str] | None = None) -> Iterator[tuple[str, int, Any]]:
        """(topic, log time in nanoseconds, message), as `raw`."""
        for connection, log_time, data in self._messages(topics):
            yield connection.topic, log_time, self.decode(connection.topic, data)

    def decode(self, topic: str, data: bytes) -> Any:
        """The message of a topic whose bytes `raw` gave."""
        with _explained(self.path):
            return self._reader.deserialize(data, self.topics[topic].msgtype)

    def _messages(
        self, topics: Collection[str] | None, start: int | None = None
    ) -> Iterator[tuple[Connection, int, bytes]]:
        wanted = [connection for connection in self._reader.connections if topics is None or connection.topic in topics]
        if not wanted:  # the reader would take an empty list for "all"
            return
        messages = self._reader.messages(wanted, start=start)
        while True:
            with _explained(self.path):
                item = next(messages, None)
            if item is None:
                return
            yield item

    def _topic(self, name: str) -> Topic:
        connections = [connection for connection in self._reader.connections if connection.topic == name]
        profiles = [profile for connection in connections for profile in _qos(connection)]
        count = sum(connection.msgcount for connection in connections)
        return Topic(name, connections[0].msgtype, count, tuple(dict.fromkeys(profiles)))


def _qos(connection: Connection) -> Sequence[Qos]:
    return connection.ext.offered_qos_profiles if isinstance(connection.ext, ConnectionExtRosbag2) else ()


def read(path: str | Path, topics: Collection[str] | None = None) -> Iterator[tuple[str, int, Any]]:
    """(topic, log time in nanoseconds, message) of a bag, see BagReader."""
    with BagReader(path) as reader:
        yield from reader.messages(topics)


def _check_path(path: Path) -> None:
    if not path.exists():
        raise BagError(f"bag {path} does not exist")
    if path.is_dir() and not (path / "metadata.yaml").exists():
        raise BagError(f"folder {path} is no bag: it has no metadata.yaml")
    if path.is_file() and path.suffix not in SUFFIXES:
        raise BagError(f"bag {path} must be a folder, or a file ending in {' or '.join(SUFFIXES)}")
    if path.is_file() and path.stat().st_size == 0:
        raise BagError(f"bag {path} is empty (0 bytes)")


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Damaged data makes the parsers below fail in many ways: every one becomes a BagError with the path."""
    try:
        yield
    except Exception as error:
        reason = " ".join(str(error).split())[:500] or type(error).__name__
        if "magic" in reason or "footer" in reason:
            reason += " The recording was cut off or is no MCAP file; `uplift recover` saves what is whole."
        raise BagError(f"bag {path} cannot be read: {reason}") from error
