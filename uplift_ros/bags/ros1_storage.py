"""Reads bags of ROS 1."""

from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path

from rosbags.rosbag1 import Reader

from uplift_ros.bags.storage import CDR, ROS1, Channel, Raw, StorageError, error_text
from uplift_ros.messages.typestore import typestore


class Ros1Storage:
    """ROS 1 bag, messages converted to CDR: types that ROS 2 has too differ only in the header's `seq`."""

    def __init__(self, path: Path) -> None:
        self._reader = Reader(path)
        try:
            self._reader.open()
        except Exception as error:
            text = error_text(error)
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
