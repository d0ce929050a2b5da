"""Reads bags of ROS 1."""

from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path

from rosbags.rosbag1 import Reader
from rosbags.typesys import get_types_from_msg

from uplift_ros.bags.storage import CDR, ROS1, Channel, Raw, StorageError
from uplift_ros.messages.typestore import typestore
from uplift_ros.parameters import error_text

HEADER = "std_msgs/msg/Header"


class Ros1Storage:
    """ROS 1 bag, messages converted to CDR if ROS 2 has their type with the same fields."""

    def __init__(self, path: Path) -> None:
        self._reader = Reader(path)
        try:
            self._reader.open()
        except Exception as error:
            text = error_text(error)
            raise StorageError(f"{text} (`rosbag reindex`)" if "index" in text else text) from error
        self.start, self.end = self._reader.start_time, self._reader.end_time - 1
        self._connections = {connection.id: connection for connection in self._reader.connections}
        self.channels = [
            Channel(
                connection.id,
                f"/{connection.topic.lstrip('/')}",
                connection.msgtype,
                "",
                "",
                CDR if _is_in_ros2(connection.msgtype, connection.msgdef.data) else ROS1,
                connection.msgcount,
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


def _is_in_ros2(msgtype: str, definition: str) -> bool:
    """Whether ROS 2 has a type with the same fields in the same order; its Marker and Range have more.

    Names may differ (CameraInfo.K), and so may the header, whose `seq` is left out.
    """
    known = typestore().fielddefs
    if msgtype not in known:
        return False
    with suppress(Exception):  # a damaged definition makes the parser fail in many ways
        types = get_types_from_msg(definition, msgtype)
        return all(
            name == HEADER
            or not fields
            or (name in known and [kind for _, kind in fields] == [kind for _, kind in known[name][1]])
            for name, (_, fields) in types.items()
        )
    return False
