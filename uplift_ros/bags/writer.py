"""Writes bags, without ROS, that rosbag2, Foxglove, rosbags and mcap can read."""

import itertools
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from rosbags.interfaces import Connection, Qos
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.rosbag2.storage_mcap import McapWriter
from rosbags.rosbag2.storage_sqlite3 import Sqlite3Writer
from rosbags.typesys import TypesysError
from rosbags.typesys.store import Typestore

from uplift_ros.bags.reader import BagError
from uplift_ros.messages.typestore import typestore

METADATA_VERSION: Final = 8
"""Version 9 writes QoS policies as words, which rosbag2 before Jazzy cannot read; every rosbag2 reads the numbers."""

STORAGES: Final = {plugin.name.lower(): plugin for plugin in StoragePlugin}
"""Storage plugins, mcap and sqlite3, by their name in rosbag2."""


def unfinished(path: Path) -> Path:
    """Folder in which a bag is written until it is complete."""
    return path.with_name(path.name + ".partial")


def set_aside(folder: Path) -> Path:
    """Rename a folder, so that another can take its place; returns the new path."""
    aside = next(path for n in itertools.count(1) if not (path := folder.with_name(f"{folder.name}-{n}")).exists())
    return folder.rename(aside)


class BagWriter:
    """New bag, written beside its path and moved there by `close`, so that the path only ever holds a complete bag.

    Remains beside the path of a writer that was killed are removed; a folder of other content is renamed.

    Args:
        path: with suffix .mcap a single MCAP file (an existing one is replaced); otherwise a rosbag2 folder with
            metadata.yaml, which must not exist yet.
        storage: key of STORAGES.

    Raises:
        BagError: a single file is requested of another storage than mcap, the path exists, or it cannot be written;
            also later, if the disk is full.
    """

    def __init__(self, path: str | Path, storage: str = "mcap") -> None:
        self.path = Path(path)
        self._single = self.path.suffix == ".mcap"
        self._name = self.path.stem if self._single else self.path.name
        if self.path.is_dir() or (self.path.exists() and not self._single):
            raise BagError(f"bag {self.path} exists already, and only a single .mcap file is replaced")
        if self._single and storage != "mcap":
            raise BagError(f"bag {self.path} must be a folder for the storage {storage}, without the suffix .mcap")
        self._workplace = unfinished(self.path)
        self._connections: dict[str, Connection] = {}
        with self._explained():
            if self._workplace.exists():
                if {path.name for path in self._workplace.iterdir()} <= {self._name}:
                    shutil.rmtree(self._workplace)
                else:
                    set_aside(self._workplace)
            self._workplace.mkdir(parents=True)
            place = self._workplace / self._name
            self._writer = Writer(place, version=METADATA_VERSION, storage_plugin=STORAGES[storage])
            self._writer.open()

    def __enter__(self) -> "BagWriter":
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if kind is None:
                self.close()
        finally:
            self.discard()

    @property
    def counts(self) -> dict[str, int]:
        """Messages written, by topic."""
        return {topic: self._writer.counts[connection.id] for topic, connection in self._connections.items()}

    def add_topic(
        self, topic: str, msgtype: str, qos: Sequence[Qos] = (), definitions: Typestore | None = None
    ) -> None:
        """Add a topic with the QoS of its publishers, once per topic; `write` adds a missing topic itself.

        Args:
            definitions: definition of the message type; None for ours.

        Raises:
            BagError: the message type is unknown, so that its definition cannot be stored.
        """
        definitions = definitions or typestore()
        if msgtype not in definitions.fielddefs:
            raise BagError(f"topic {topic} has type {msgtype}, of which no definition is known")
        with self._explained():
            try:
                self._connections[topic] = self._writer.add_connection(
                    topic, msgtype, typestore=definitions, offered_qos_profiles=qos
                )
            except TypesysError as error:
                raise BagError(f"topic {topic} has type {msgtype}, of whose fields no definition is known") from error

    def write(self, topic: str, log_time: int, message: object) -> None:
        """Write a message of the typestore (`message_class`); log time in nanoseconds."""
        msgtype = message.__msgtype__  # type: ignore[attr-defined]
        if topic not in self._connections:
            self.add_topic(topic, msgtype)
        self.write_raw(topic, log_time, typestore().serialize_cdr(message, msgtype))

    def write_raw(self, topic: str, log_time: int, data: bytes | memoryview) -> None:
        """Write the CDR bytes of a message of an added topic; log time in nanoseconds."""
        with self._explained():
            self._writer.write(self._connections[topic], log_time, data)

    def flush(self) -> None:
        """Hand all messages to the operating system: if this process is killed, `uplift recover` finds them."""
        storage = self._writer.storage
        with self._explained():
            if isinstance(storage, McapWriter):
                if storage.chunk.msgs:
                    storage.close_chunk()
                storage.bio.flush()
            elif isinstance(storage, Sqlite3Writer):
                storage.conn.commit()

    def close(self) -> None:
        """Finish the bag and move it to its path."""
        with self._explained():
            self._writer.close()
            finished = self._workplace / self._name
            (finished / f"{self._name}.mcap" if self._single else finished).replace(self.path)
            shutil.rmtree(self._workplace)

    def abandon(self) -> None:
        """Stop writing, and leave the unfinished bag to `uplift recover`."""
        with suppress(OSError, sqlite3.Error):  # messages still in memory are lost: the disk may be full
            self._writer.abort()

    def discard(self) -> None:
        """Remove everything but the finished bag."""
        self.abandon()
        shutil.rmtree(self._workplace, ignore_errors=True)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            raise BagError(f"bag {self.path} cannot be written: {error}") from error
