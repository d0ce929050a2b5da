"""Bags from the field: any name, ROS 1, compressed, with foreign channels, split, edited, unindexed."""

import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pytest
import yaml
import zstandard
from mcap.writer import CompressionType, IndexType
from mcap.writer import Writer as McapWriter
from rosbags.rosbag1 import Writer as Ros1Writer
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore
from support import recordings

from uplift_ros.bags import mcap_storage
from uplift_ros.bags.reader import BagError, BagReader, is_bag, read
from uplift_ros.bags.recover import recover
from uplift_ros.bags.writer import STORAGES, BagWriter
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


def write_ros1(path: Path) -> Path:
    """A string, and a message of a type that only ROS 1 has."""
    types = get_typestore(Stores.ROS1_NOETIC)
    with Ros1Writer(path) as writer:
        connection = writer.add_connection("text", STRING, typestore=types)
        other = writer.add_connection("/log", "rosgraph_msgs/msg/TopicStatistics", typestore=types)
        writer.write(connection, 7, types.serialize_ros1(types.types[STRING]("hello"), STRING))
        writer.write(other, 8, b"\0" * 80)
    return path


# ---------------------------------------------------------------- content, not names


@pytest.mark.parametrize("storage", sorted(STORAGES))
@pytest.mark.parametrize("name", ["bag", "walk.bag", "2024-05-01T10:20:30.data", "100%?#.mp4"])
def test_a_file_of_any_name_is_read_by_its_content(tmp_path, storage, name):
    folder = write_texts(tmp_path / "run", storage=storage)
    (file,) = (path for path in folder.iterdir() if path.stem == "run")
    renamed = Path(shutil.copy(file, tmp_path / name))
    assert is_bag(renamed)
    assert texts(renamed) == [(time, str(time)) for time in range(5)]


@pytest.mark.parametrize("suffix", [".mcap.zstd", ".db3.zstd", ".mcap"])
def test_a_single_compressed_file_is_read(tmp_path, suffix):
    folder = write_texts(tmp_path / "run", storage="sqlite3" if "db3" in suffix else "mcap")
    (file,) = (path for path in folder.iterdir() if path.stem == "run")
    (tmp_path / f"run{suffix}").write_bytes(zstandard.compress(file.read_bytes()))
    assert is_bag(tmp_path / f"run{suffix}")
    assert texts(tmp_path / f"run{suffix}") == [(time, str(time)) for time in range(5)]


@pytest.mark.parametrize("mode", [CompressionMode.FILE, CompressionMode.MESSAGE])
@pytest.mark.parametrize("with_metadata", [True, False])
def test_a_bag_that_rosbag2_compressed_is_read(tmp_path, mode, with_metadata):
    writer = Writer(tmp_path / "bag", version=8, storage_plugin=StoragePlugin.SQLITE3)
    writer.set_compression(mode, CompressionFormat.ZSTD)
    with writer:
        connection = writer.add_connection("/text", STRING, typestore=typestore())
        writer.write(connection, 5, cdr("a"))
    if not with_metadata:
        (tmp_path / "bag" / "metadata.yaml").unlink()
    assert texts(tmp_path / "bag") == [(5, "a")]


def test_a_ros1_bag_is_read_as_the_same_messages_of_ros2(tmp_path):
    path = write_ros1(tmp_path / "old.recording")
    assert is_bag(path)
    assert texts(path) == [(7, "hello")]
    with BagReader(path) as bag:
        ((topic, _, data),) = bag.raw()
        assert (topic, data, bag.start, bag.end) == ("/text", cdr("hello"), 7, 8)
        assert bag.topics["/log"].encoding == "ros1"
    with pytest.raises(BagError, match=r"/log .*'ros1'"):
        list(read(path, ["/log"]))


def test_a_ros1_header_loses_its_sequence_number(tmp_path):
    types = get_typestore(Stores.ROS1_NOETIC)
    with Ros1Writer(tmp_path / "images.bag") as writer:
        kind = "sensor_msgs/msg/CompressedImage"
        connection = writer.add_connection("/image", kind, typestore=types)
        time = types.types["builtin_interfaces/msg/Time"](3, 4)
        header = types.types["std_msgs/msg/Header"](seq=99, stamp=time, frame_id="eye")
        image = types.types[kind](header, "jpeg", np.arange(9, dtype=np.uint8))
        writer.write(connection, 7, types.serialize_ros1(image, kind))
    ((_, _, message),) = read(tmp_path / "images.bag")
    stamp = message.header.stamp
    assert (stamp.sec, stamp.nanosec, message.header.frame_id, message.format) == (3, 4, "eye", "jpeg")
    assert message.data.tolist() == list(range(9))


@pytest.mark.parametrize("name", ["empty.bag", "cut.mcap", "cut.db3.zstd", "run.bag.active"])
def test_a_name_that_promises_a_bag_never_goes_to_the_video_decoder(tmp_path, name):
    (tmp_path / name).write_bytes(b"\0\0\0\x1cftypisom")
    assert is_bag(tmp_path / name)
    with pytest.raises(BagError, match=name):
        BagReader(tmp_path / name)


def test_the_metadata_file_stands_for_its_folder(tmp_path):
    assert is_bag(write_texts(tmp_path / "run") / "metadata.yaml")
    assert texts(tmp_path / "run" / "metadata.yaml") == [(time, str(time)) for time in range(5)]


# ---------------------------------------------------------------- only requested channels are interpreted


def write_foreign(path: Path) -> Path:
    """Write texts beside channels of every other kind that tools write into MCAP files."""
    with path.open("wb") as stream:
        writer = McapWriter(stream, compression=CompressionType.LZ4)
        writer.start("ros2")
        string = writer.register_schema(STRING, "ros2msg", b"string data\n")
        service = "MSG: my_msgs/srv/Add_Event\nmy_msgs/Add_Request[<=1] request\n---\nint64 sum\n"
        schemas = {
            "protobuf": writer.register_schema("foxglove.Log", "protobuf", b"\x00\xff\xfe"),
            "json": writer.register_schema("Log", "jsonschema", b"{}"),
            "cdr": writer.register_schema("my_msgs/srv/Add_Event", "ros2msg", service.encode()),
            "": 0,
        }
        for encoding, schema in schemas.items():
            channel = writer.register_channel(f"/other/{encoding}", encoding, schema)
            writer.add_message(channel, 1, b"\xff\xff\xff\xff\xff", 1)
        channel = writer.register_channel("/text", "cdr", string, {"offered_qos_profiles": "- [not: qos"})
        writer.add_message(channel, 2, cdr("two"), 2)
        writer.finish()
    return path


def test_channels_that_were_not_requested_are_not_interpreted(tmp_path):
    path = write_foreign(tmp_path / "run.mcap")
    assert texts(path) == [(2, "two")]
    with BagReader(path) as bag:
        assert bag.topics["/text"].count == 1
        assert {topic.encoding for topic in bag.topics.values()} == {"protobuf", "json", "cdr", ""}
        assert {topic for topic, _, _ in bag.raw()} == {"/text", "/other/cdr"}


@pytest.mark.parametrize(
    ("topic", "complaint"),
    [("/other/protobuf", "/other/protobuf"), ("/other/cdr", "Could not parse")],
)
def test_a_foreign_channel_that_was_asked_for_is_refused_by_name(tmp_path, topic, complaint):
    with pytest.raises(BagError, match=complaint) as caught:
        list(read(write_foreign(tmp_path / "run.mcap"), [topic]))
    assert "\n" not in str(caught.value)


def test_a_definition_that_rosbag2_could_not_find_harms_no_other(tmp_path):
    path = write_texts(tmp_path / "run", storage="sqlite3") / "run.db3"
    with sqlite3.connect(path) as database:
        database.execute("INSERT INTO topics VALUES (9, '/odd', 'other/msg/Thing', 'cdr', '', '')")
        database.execute("INSERT INTO message_definitions VALUES (9, 'other/msg/Thing', 'unknown', '', '')")
    database.close()
    assert len(texts(path)) == 5
    with BagReader(path) as bag, pytest.raises(BagError, match="other/msg/Thing"):
        bag.definitions("other/msg/Thing")


def test_of_two_types_on_a_topic_the_more_frequent_is_read_unless_another_is_chosen(tmp_path):
    with Writer(tmp_path / "bag", version=8, storage_plugin=StoragePlugin.MCAP) as writer:
        string = writer.add_connection("/camera", STRING, typestore=typestore())
        info = writer.add_connection("/camera", "sensor_msgs/msg/CameraInfo", typestore=typestore())
        for time in (1, 2):
            writer.write(string, time, cdr(str(time)))
        message = recordings.camera_info(recordings.START)
        writer.write(info, 3, typestore().serialize_cdr(message, message.__msgtype__))
    with BagReader(tmp_path / "bag") as bag:
        assert bag.topics["/camera"].counts == {STRING: 2, "sensor_msgs/msg/CameraInfo": 1}
        assert [message.data for _, _, message in bag.messages()] == ["1", "2"]
        assert bag.choose("/camera", ["sensor_msgs/msg/CameraInfo"])
        ((_, time, message),) = bag.messages()
        assert (time, message.width, bag.topics["/camera"].count) == (3, 320, 1)
        assert not bag.choose("/camera", ["sensor_msgs/msg/Image"])


@pytest.mark.parametrize(("kind", "encoding"), [(STRING, "json"), ("foxglove.Text", "protobuf")])
def test_other_encodings_on_the_topic_of_cdr_messages_are_ignored(tmp_path, kind, encoding):
    with (tmp_path / "run.mcap").open("wb") as stream:
        writer = McapWriter(stream)
        writer.start("ros2")
        foreign = writer.register_channel("/text", encoding, writer.register_schema(kind, encoding, b"{}"))
        channel = writer.register_channel("/text", "cdr", writer.register_schema(STRING, "ros2msg", b"string data\n"))
        for time in (1, 2, 3):
            writer.add_message(foreign, time, b"{}", time)
        writer.add_message(channel, 4, cdr("four"), 4)
        writer.finish()
    assert texts(tmp_path / "run.mcap") == [(4, "four")]


# ---------------------------------------------------------------- metadata and splits


def edit_metadata(folder: Path, edit) -> Path:
    path = folder / "metadata.yaml"
    tree = yaml.safe_load(path.read_text())
    edit(tree["rosbag2_bagfile_information"])
    path.write_text(yaml.safe_dump(tree))
    return folder


def other_qos(information: dict) -> None:
    for topic in information["topics_with_message_count"]:
        topic["topic_metadata"]["offered_qos_profiles"] = "- {history: 3, depth: 0, reliability: 2}"


def other_hash(information: dict) -> None:
    for topic in information["topics_with_message_count"]:
        topic["topic_metadata"]["type_description_hash"] = "RIHS01_0"


def no_counts(information: dict) -> None:
    information["message_count"] = 0
    for topic in information["topics_with_message_count"]:
        topic["message_count"] = 0


@pytest.mark.parametrize(
    "edit",
    [
        other_qos,
        other_hash,
        no_counts,
        lambda information: information["topics_with_message_count"].clear(),
        lambda information: information.update(storage_identifier="my_plugin", version=99, compression_mode="none"),
    ],
)
@pytest.mark.parametrize("storage", sorted(STORAGES))
def test_what_is_in_the_files_counts_and_not_what_the_metadata_says(tmp_path, edit, storage):
    folder = edit_metadata(write_texts(tmp_path / "run", storage=storage), edit)
    assert texts(folder) == [(time, str(time)) for time in range(5)]
    with BagReader(folder) as bag:
        assert (bag.topics["/text"].count, bag.start, bag.end) == (5, 0, 4)


def test_splits_are_merged_by_log_time_in_whatever_order_they_are_listed(tmp_path):
    folder = write_texts(tmp_path / "run", times=range(0, 10, 2))
    shutil.copy(write_texts(tmp_path / "more.mcap", times=range(1, 10, 2)), folder / "run_1.mcap")
    edit_metadata(folder, lambda information: information.update(relative_file_paths=["run_1.mcap", "run.mcap"]))
    assert texts(folder) == [(time, str(time)) for time in range(10)]


def test_a_split_that_is_missing_is_named(tmp_path):
    folder = write_texts(tmp_path / "run")
    edit_metadata(folder, lambda information: information.update(relative_file_paths=["run.mcap", "run_1.mcap"]))
    with pytest.raises(BagError, match=r"run_1\.mcap"):
        BagReader(folder)


def test_a_split_that_was_cut_off_is_named_with_the_remedy(tmp_path):
    folder = write_texts(tmp_path / "run")
    data = (folder / "run.mcap").read_bytes()
    (folder / "run_1.mcap").write_bytes(data[: len(data) // 2])
    edit_metadata(folder, lambda information: information.update(relative_file_paths=["run.mcap", "run_1.mcap"]))
    with pytest.raises(BagError, match=r"run_1\.mcap.*uplift recover"):
        BagReader(folder)


@pytest.mark.parametrize("text", ["", "[1, 2]", "rosbag2_bagfile_information: {version: 5}"])
def test_metadata_without_files_is_refused_by_the_name_of_its_field(tmp_path, text):
    (write_texts(tmp_path / "run") / "metadata.yaml").write_text(text)
    with pytest.raises(BagError, match="relative_file_paths"):
        BagReader(tmp_path / "run")


def test_a_compressed_file_that_was_cut_off_is_named(tmp_path):
    path = write_texts(tmp_path / "run") / "run.mcap"
    (tmp_path / "run.mcap.zstd").write_bytes(zstandard.compress(path.read_bytes())[:20])
    with pytest.raises(BagError, match=r"run\.mcap\.zstd, uncompressed, is empty"):
        BagReader(tmp_path / "run.mcap.zstd")


# ---------------------------------------------------------------- without an index


def write_unindexed(path: Path, times, chunks=False) -> Path:
    with path.open("wb") as stream:
        writer = McapWriter(
            stream,
            compression=CompressionType.NONE,
            index_types=IndexType.NONE,
            use_chunking=chunks,
            use_statistics=False,
        )
        writer.start("ros2")
        channel = writer.register_channel("/text", "cdr", writer.register_schema(STRING, "ros2msg", b"string data\n"))
        for time in times:
            writer.add_message(channel, time, cdr(str(time)), time)
        writer.finish()
    return path


@pytest.mark.parametrize("chunks", [True, False])
def test_messages_slightly_out_of_order_without_an_index_are_sorted(tmp_path, chunks):
    path = write_unindexed(tmp_path / "run.mcap", [10, 30, 20, 40, 15], chunks)
    assert texts(path) == [(time, str(time)) for time in (10, 15, 20, 30, 40)]
    with BagReader(path) as bag:
        assert (bag.topics["/text"].count, bag.start, bag.end) == (5, 10, 40)
        assert [time for _, time, _ in bag.raw(start=20)] == [20, 30, 40]


@pytest.mark.parametrize("chunks", [True, False])
def test_messages_far_out_of_order_are_sorted(tmp_path, chunks, monkeypatch):
    monkeypatch.setattr(mcap_storage, "BLOCK_BYTES", 100)
    times = [10, 10**10, 2 * 10**10, 20, 5]
    path = write_unindexed(tmp_path / "run.mcap", times, chunks)
    assert texts(path) == [(time, str(time)) for time in sorted(times)]


# ---------------------------------------------------------------- damage


def write_chunks(path: Path, compression: CompressionType = CompressionType.NONE, **options) -> Path:
    """Ten texts, two in each chunk but the first; each text begins with its time."""
    with path.open("wb") as stream:
        writer = McapWriter(stream, chunk_size=150, compression=compression, **options)
        writer.start("ros2")
        channel = writer.register_channel("/text", "cdr", writer.register_schema(STRING, "ros2msg", b"string data\n"))
        for time in range(10):
            writer.add_message(channel, time * 10**9, cdr(f"{time}{'.' * 80}"), 0)
        writer.finish()
    return path


def flip(path: Path, what: bytes) -> Path:
    data = bytearray(path.read_bytes())
    data[data.index(what)] ^= 1
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("options", [{}, {"index_types": IndexType.NONE, "use_statistics": False}])
def test_a_chunk_whose_checksum_is_wrong_is_refused_or_skipped_and_named(tmp_path, options):
    path = flip(write_chunks(tmp_path / "run.mcap", **options), b"5...")
    with pytest.raises(BagError, match=r"chunk of log times 5\.000 to 6\.000 s is damaged.*crc.*uplift recover"):
        texts(path)
    with BagReader(path, skip_damaged=True) as bag:
        for _ in range(2):
            assert [message.data[0] for _, _, message in bag.messages()] == list("01234789")
            (damage,) = bag.damage
        assert damage.text.startswith("run.mcap: the chunk of log times 5.000 to 6.000 s is damaged")
        assert not damage.is_end


@pytest.mark.parametrize("compression", CompressionType)
@pytest.mark.parametrize("use_chunking", [True, False], ids=["chunks", "no chunks"])
def test_a_file_that_was_cut_off_is_read_up_to_there(tmp_path, compression, use_chunking):
    path = write_chunks(tmp_path / "run.mcap", compression, use_chunking=use_chunking)
    path.write_bytes(path.read_bytes()[: -path.stat().st_size // 2])
    with BagReader(path, skip_damaged=True) as bag:
        found = [message.data[0] for _, _, message in bag.messages()]
        assert found == list("0123456789"[: len(found)])
        assert 0 < len(found) < 10
        assert bag.topics["/text"].count == len(found)
        (damage,) = bag.damage
        assert damage.is_end


def test_an_index_whose_checksum_is_wrong_is_not_used(tmp_path):
    path = write_chunks(tmp_path / "run.mcap")
    before, topic, after = path.read_bytes().rpartition(b"/text")
    path.write_bytes(before + topic.replace(b"x", b"n") + after)
    assert [message[0] for _, message in texts(path)] == list("0123456789")


def test_messages_whose_channel_was_in_a_damaged_chunk_are_counted(tmp_path):
    path = write_chunks(tmp_path / "run.mcap", index_types=IndexType.NONE, use_statistics=False, repeat_channels=False)
    with BagReader(flip(path, b"0..."), skip_damaged=True) as bag:
        assert not list(bag.messages())
        assert [damage.text.partition(": ")[2] for damage in bag.damage][1:] == [
            "9 messages belong to no known channel"
        ]


def test_a_database_that_was_not_closed_is_not_read_without_its_last_messages(tmp_path):
    path = write_texts(tmp_path / "run", storage="sqlite3") / "run.db3"
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("UPDATE messages SET timestamp = 7 WHERE timestamp = 4")
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in path.parent.glob("run.db3*"):  # as it is after a kill
        shutil.copy(file, copy / file.name)
    database.close()
    with pytest.raises(BagError, match=r"run\.db3-wal.*uplift recover"):
        BagReader(copy)
    recover(copy, tmp_path / "whole.mcap")
    assert [time for time, _ in texts(tmp_path / "whole.mcap")] == [0, 1, 2, 3, 7]
