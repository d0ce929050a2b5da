"""Bags from the field: any name, compressed, with foreign channels, split, edited."""

import shutil
import sqlite3
from pathlib import Path

import pytest
import yaml
import zstandard
from mcap.writer import CompressionType
from mcap.writer import Writer as McapWriter
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from support import recordings
from support.text_bags import STRING, cdr, texts, write_texts

from uplift_ros.bags.reader import BagError, BagReader, is_bag, read
from uplift_ros.bags.writer import STORAGES
from uplift_ros.messages.typestore import typestore


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
    ("topic", "named"), [("/other/protobuf", "/other/protobuf"), ("/other/cdr", "Could not parse")]
)
def test_a_foreign_channel_that_was_asked_for_is_refused_by_name(tmp_path, topic, named):
    with pytest.raises(BagError, match=named) as caught:
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
