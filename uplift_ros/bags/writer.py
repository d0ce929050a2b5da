"""Writes bags without ROS that rosbag2, Foxglove, rosbags and mcap can read."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rosbags.interfaces import Connection, Qos
from rosbags.rosbag2 import StoragePlugin, Writer

from uplift_ros.bags.reader import BagError
from uplift_ros.bags.typestore import typestore

METADATA_VERSION: Final = 8
"""Version 9 writes QoS policies as words, which rosbag2 before Jazzy does not know; every rosbag2 reads the numbers."""

STORAGES: Final = {plugin.name.lower(): plugin for plugin in StoragePlugin}
"""mcap and sqlite3, named as in rosbag2."""


class BagWriter:
    """A new bag, written beside its path and moved there by `close`: at the path there are only whole bags.

    Args:
        path: with suffix .mcap one plain MCAP file (an older one is replaced); otherwise a rosbag2 folder with
            metadata.yaml, which must not exist yet.
        storage: a key of STORAGES.

    Raises:
        BagError: a single file of another storage than mcap, the path is taken by something else, or its parent cannot
            be written.
    """

    def __init__(self, path: str | Path, storage: str = "mcap") -> None:
        self.path = Path(path)
        self._single = self.path.suffix == ".mcap"
        self._name = self.path.stem if self._single else self.path.name
        if self.path.is_dir() or (self.path.exists() and not self._single):
            raise BagError(f"bag {self.path} exists already, and only a single .mcap file is replaced")
        if self._single and storage != "mcap":
            raise BagError(f"bag {self.path} must be a folder for the storage {storage}, without the suffix .mcap")
        self._workplace = self.path.with_name(self.path.name + ".partial")
        try:
            shutil.rmtree(self._workplace, ignore_errors=True)  # left by a recording that was killed
            self._workplace.mkdir(parents=True)
        except OSError as error:
            raise BagError(f"bag {self.path} cannot be written: {error}") from error
        self._writer = Writer(self._workplace / self._name, version=METADATA_VERSION, storage_plugin=STORAGES[storage])
        self._writer.open()
        self._connections: dict[str, Connection] = {}

    def __enter__(self) -> "BagWriter":
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()

    @property
    def counts(self) -> dict[str, int]:
        """Messages written, by topic."""
        return {topic: self._writer.counts[connection.id] for topic, connection in self._connections.items()}

    def add_topic(self, topic: str, msgtype: str, qos: Sequence[Qos] = ()) -> None:
        """Announce a topic with the QoS of its publishers. Once per topic; `write` does without it.

        Raises:
            BagError: the message type is not known, so that its definition cannot be stored.
        """
        if msgtype not in typestore().fielddefs:
            raise BagError(f"topic {topic} has type {msgtype}, of which no definition is known")
        self._connections[topic] = self._writer.add_connection(
            topic, msgtype, typestore=typestore(), offered_qos_profiles=qos
        )

    def write(self, topic: str, log_time: int, message: object) -> None:
        """Write a message of the typestore (`message_class`); log time in nanoseconds."""
        msgtype = message.__msgtype__  # type: ignore[attr-defined]
        if topic not in self._connections:
            self.add_topic(topic, msgtype)
        self.write_raw(topic, log_time, typestore().serialize_cdr(message, msgtype))

    def write_raw(self, topic: str, log_time: int, data: bytes | memoryview) -> None:
        """Write the CDR bytes of a message of an announced topic; log time in nanoseconds."""
        self._writer.write(self._connections[topic], log_time, data)

    def close(self) -> None:
        """Finish the bag and move it to its path."""
        self._writer.close()
        finished = self._workplace / self._name
        (finished / f"{self._name}.mcap" if self._single else finished).replace(self.path)
        shutil.rmtree(self._workplace)

    def discard(self) -> None:
        """Leave nothing behind."""
        self._writer.abort()
        shutil.rmtree(self._workplace)
