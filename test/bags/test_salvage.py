"""Salvage of damaged or foreign recordings, and the error if nothing can be read."""

from collections.abc import Callable
from pathlib import Path

import pytest
from mcap.writer import CompressionType
from mcap.writer import Writer as McapWriter

from uplift_ros.bags.reader import BagError
from uplift_ros.bags.recover import recover
from uplift_ros.bags.salvage import ChannelRecord, CorruptionError, MessageRecord, salvage

QOS = """- history: 1
  depth: 10
  reliability: 1
  durability: 2
  deadline: {sec: 0, nsec: 0}
  lifespan: {sec: 0, nsec: 0}
  liveliness: 1
  liveliness_lease_duration: {sec: 0, nsec: 0}
  avoid_ros_namespace_conventions: false
"""


def write_mcap(path: Path, write: Callable[[McapWriter, int], None], **options) -> Path:
    """A whole .mcap; `write` adds channels and messages of the schema whose id it is given."""
    with path.open("wb") as file:
        writer = McapWriter(file, **options)
        writer.start()
        write(writer, writer.register_schema("std_msgs/msg/String", "ros2msg", b"string data"))
        writer.finish()
    return path


def two_messages(writer: McapWriter, schema: int) -> None:
    metadata = {"topic_type_hash": "RIHS01_0", "offered_qos_profiles": QOS}
    channel = writer.register_channel("/text", "cdr", schema, metadata)
    for log_time in (5, 6):
        writer.add_message(channel, log_time, b"data" * 100, log_time)


@pytest.mark.parametrize("compression", CompressionType)
@pytest.mark.parametrize("use_chunking", [True, False], ids=["chunks", "no chunks"])
def test_topics_and_messages_of_every_compression_are_read_without_the_index(tmp_path, compression, use_chunking):
    file = write_mcap(tmp_path / "run.mcap", two_messages, compression=compression, use_chunking=use_chunking)
    file.write_bytes(file.read_bytes()[:-50])
    channel, *messages = salvage(file)
    assert isinstance(channel, ChannelRecord)
    assert (channel.topic, channel.msgtype, channel.qos[0].depth) == ("/text", "std_msgs/msg/String", 10)
    assert messages == [MessageRecord("/text", log_time, b"data" * 100) for log_time in (5, 6)]


def test_a_chunk_whose_checksum_is_wrong_is_not_salvaged(tmp_path):
    file = write_mcap(tmp_path / "run.mcap", two_messages, compression=CompressionType.NONE)
    content = file.read_bytes()
    file.write_bytes(content.replace(b"datadata", b"dataDATA", 1))
    with pytest.raises(CorruptionError):
        list(salvage(file))


def test_a_message_of_an_unknown_channel_ends_what_can_be_read(tmp_path):
    def write(writer: McapWriter, schema: int) -> None:
        two_messages(writer, schema)
        writer.add_message(9, 7, b"data", 7)

    records = salvage(write_mcap(tmp_path / "run.mcap", write, use_chunking=False))
    assert [type(next(records)) for _ in range(3)] == [ChannelRecord, MessageRecord, MessageRecord]
    with pytest.raises(CorruptionError):
        next(records)


def test_a_file_that_is_no_database_is_refused(tmp_path):
    (tmp_path / "run.db3").write_bytes(b"not a database, however long it may be" * 100)
    with pytest.raises(BagError, match=r"run\.db3"):
        recover(tmp_path / "run.db3", tmp_path / "whole")
    assert [path.name for path in tmp_path.iterdir()] == ["run.db3"]
