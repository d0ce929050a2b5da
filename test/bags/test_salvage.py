"""What of a damaged or foreign recording can be saved, and what is said where nothing can."""

import struct
from pathlib import Path

import pytest
from mcap.writer import CompressionType
from mcap.writer import Writer as McapWriter

from uplift_ros.bags.reader import BagError
from uplift_ros.bags.recover import recover
from uplift_ros.bags.salvage import CHANNEL, MAGIC, MESSAGE, SCHEMA, Announcement, Damage, Salvaged, salvage


def length(content: bytes) -> bytes:
    return len(content).to_bytes(4, "little") + content


TEXT = struct.pack("<H", 1) + length(b"std_msgs/msg/String") + length(b"ros2msg") + length(b"string data")
TOPIC = struct.pack("<HH", 1, 1) + length(b"/text") + length(b"cdr") + length(b"")


def message(log_time: int) -> bytes:
    return struct.pack("<HIQQ", 1, 0, log_time, log_time) + b"data"


def mcap(path: Path, *records: tuple[int, bytes]) -> Path:
    path.write_bytes(MAGIC + b"".join(struct.pack("<BQ", opcode, len(each)) + each for opcode, each in records))
    return path


def test_a_topic_that_is_announced_again_is_told_once(tmp_path):
    announced = ((SCHEMA, TEXT), (CHANNEL, TOPIC))
    file = mcap(tmp_path / "run.mcap", *announced, (MESSAGE, message(5)), *announced, (MESSAGE, message(6)))
    first, *salvaged = salvage(file)
    assert isinstance(first, Announcement)
    assert salvaged == [Salvaged("/text", 5, b"data"), Salvaged("/text", 6, b"data")]


def test_a_message_of_a_topic_that_was_never_announced_ends_what_can_be_read(tmp_path):
    file = mcap(tmp_path / "run.mcap", (MESSAGE, message(5)), (SCHEMA, TEXT), (CHANNEL, TOPIC), (MESSAGE, message(6)))
    (found,) = salvage(file)
    assert isinstance(found, Damage)


def test_a_compressed_recording_is_refused_with_the_tool_that_saves_it(tmp_path):
    with (tmp_path / "run.mcap").open("wb") as file:
        writer = McapWriter(file, compression=CompressionType.ZSTD)
        writer.start()
        schema = writer.register_schema("std_msgs/msg/String", "ros2msg", b"string data")
        writer.add_message(writer.register_channel("/text", "cdr", schema), 5, b"data", 5)
        writer.finish()
    with pytest.raises(BagError, match="the recording is compressed: `mcap recover`"):
        recover(tmp_path / "run.mcap", tmp_path / "whole.mcap")
    assert [path.name for path in tmp_path.iterdir()] == ["run.mcap"]


def test_a_database_that_is_none_is_refused(tmp_path):
    (tmp_path / "run.db3").write_bytes(b"not a database, however long it may be" * 100)
    with pytest.raises(BagError, match=r"run\.db3 cannot be saved: file is not a database"):
        recover(tmp_path / "run.db3", tmp_path / "whole")
    assert [path.name for path in tmp_path.iterdir()] == ["run.db3"]
