"""What readers of the formats of bags have in common."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Protocol

from rosbags.interfaces import Qos
from rosbags.rosbag2.metadata import parse_qos

ENDINGS = (".mcap", ".db3", ".bag", ".bag.active", ".zstd", ".zst")
"""Suffixes of bags; a file with one of them is treated as a bag whatever its content."""

CDR, ROS1 = "cdr", "ros1"

Raw = tuple["Channel", int, bytes]
"""Channel, log time in nanoseconds, serialised message."""


class StorageError(ValueError):
    """File that cannot be read; the text gives the reason and the remedy."""


@dataclass(frozen=True)
class Damage:
    """Part of a file that cannot be read.

    Attributes:
        is_end: the file is not complete: its recording was interrupted, or it was copied in part.
    """

    text: str
    is_end: bool = False


Report = Callable[[Damage], None]
"""Takes damage, after which reading continues; raises StorageError if it should not."""


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


def parse_offered_qos(text: str) -> tuple[Qos, ...]:
    """Parse the QoS that publishers offered; empty if it cannot be parsed, because only playing needs it."""
    try:
        return tuple(parse_qos(text))
    except Exception:  # invalid YAML, missing keys
        return ()
