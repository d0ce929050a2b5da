"""Small bags of texts."""

from pathlib import Path

from uplift_ros.bags.reader import read
from uplift_ros.bags.writer import BagWriter
from uplift_ros.messages.typestore import message_class, typestore

STRING = "std_msgs/msg/String"


def text(data: str):
    return message_class(STRING)(data)


def cdr(data: str) -> bytes:
    return bytes(typestore().serialize_cdr(text(data), STRING))


def texts(path: Path, topics=("/text",)) -> list[tuple[int, str]]:
    return [(time, message.data) for _, time, message in read(path, topics)]


def write_texts(path: Path, times=range(5), storage="mcap") -> Path:
    with BagWriter(path, storage) as writer:
        for time in times:
            writer.write("/text", time, text(str(time)))
    return path
