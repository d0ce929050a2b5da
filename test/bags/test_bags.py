import json
import os
import struct
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import yaml
from rosbags.highlevel import AnyReader
from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from support.people import STANDING, person3d
from support.text_bags import STRING, text, write_texts

from uplift_ros.bags.reader import BagError, BagReader, read
from uplift_ros.bags.writer import STORAGES, BagWriter
from uplift_ros.messages.conversion import MessageFactory, skeletons_from_msg
from uplift_ros.messages.typestore import message_class, typestore
from uplift_ros.paths import share_folder
from uplift_ros.poses import SkeletonFrame

FOREVER = QosTime(9223372036, 854775807)
LATCHED = Qos(
    QosHistory.KEEP_LAST,
    1,
    QosReliability.RELIABLE,
    QosDurability.TRANSIENT_LOCAL,
    FOREVER,
    FOREVER,
    QosLiveliness.AUTOMATIC,
    FOREVER,
    False,
)


LATER_FIELDS = ("velocities", "height", "orientations", "twist_variances")
"""Fields that messages got after people had recordings of them."""


def info(name: str = "h36m17"):
    return message_class("uplift_ros/msg/SkeletonInfo")(name, ["pelvis", "right_hip"], np.array([-1, 0], np.int32))


@pytest.fixture(params=[("bag.mcap", "mcap"), ("bag", "mcap"), ("bag", "sqlite3")], ids="-".join)
def bag(request, tmp_path: Path) -> Path:
    name, storage = request.param
    path = tmp_path / name
    with BagWriter(path, storage) as writer:
        writer.add_topic("/skeleton_info", "uplift_ros/msg/SkeletonInfo", [LATCHED])
        writer.write("/skeleton_info", 100, info())
        for i in range(5):
            writer.write("/text", 200 + i, text(f"message {i}"))
    return path


def test_what_is_written_is_read_back_in_order(bag):
    read_back = [(topic, time, getattr(message, "data", None)) for topic, time, message in read(bag)]
    assert read_back == [("/skeleton_info", 100, None)] + [("/text", 200 + i, f"message {i}") for i in range(5)]


def test_our_own_messages_keep_all_their_fields(bag):
    ((_, _, message),) = read(bag, ["/skeleton_info"])
    assert (message.name, message.joints, message.parents.tolist()) == ("h36m17", ["pelvis", "right_hip"], [-1, 0])


def test_our_own_bags_define_our_messages_as_we_do(bag):
    with BagReader(bag) as reader:
        assert reader.defines_as_we_do("uplift_ros/msg/SkeletonInfo")


def test_topics_have_type_count_and_qos(bag):
    with BagReader(bag) as reader:
        latched, plain = reader.topics["/skeleton_info"], reader.topics["/text"]
        assert (reader.start, reader.end) == (100, 204)
    assert (latched.msgtype, latched.count, latched.qos) == ("uplift_ros/msg/SkeletonInfo", 1, (LATCHED,))
    assert (plain.msgtype, plain.count, plain.qos) == (STRING, 5, ())


def test_reading_one_topic_leaves_the_others_out(bag):
    assert [topic for topic, _, _ in read(bag, ["/text"])] == ["/text"] * 5


def test_a_topic_that_is_not_there_gives_nothing(bag):
    assert list(read(bag, ["/nothing"])) == []


def test_raw_messages_can_start_at_an_offset(bag):
    with BagReader(bag) as reader:
        messages = list(reader.raw(["/text"], start=203))
    assert [time for _, time, _ in messages] == [203, 204]
    assert typestore().deserialize_cdr(messages[0][2], STRING).data == "message 3"


def test_messages_come_in_order_of_time_even_if_written_out_of_order(tmp_path):
    with BagWriter(tmp_path / "bag.mcap") as writer:
        for time in (3, 1, 2):
            writer.write("/text", time, text(str(time)))
    assert [time for _, time, _ in read(tmp_path / "bag.mcap")] == [1, 2, 3]


def test_an_mcap_path_becomes_one_plain_file(tmp_path):
    with BagWriter(tmp_path / "bag.mcap") as writer:
        writer.write("/text", 1, text("a"))
    assert [path.name for path in tmp_path.iterdir()] == ["bag.mcap"]
    assert (tmp_path / "bag.mcap").is_file()


def test_another_path_becomes_a_folder_with_metadata(tmp_path):
    with BagWriter(tmp_path / "run.1") as writer:
        writer.write("/text", 1, text("a"))
    assert sorted(path.name for path in (tmp_path / "run.1").iterdir()) == ["metadata.yaml", "run.1.mcap"]


def test_nothing_is_at_the_path_before_the_bag_is_whole(tmp_path):
    writer = BagWriter(tmp_path / "bag.mcap")
    writer.write("/text", 1, text("a"))
    assert not (tmp_path / "bag.mcap").exists()
    writer.close()
    assert (tmp_path / "bag.mcap").exists()


def test_a_single_file_of_sqlite3_is_refused_with_the_remedy(tmp_path):
    with pytest.raises(BagError, match="sqlite3"):
        BagWriter(tmp_path / "bag.mcap", "sqlite3")


@pytest.mark.parametrize("storage", sorted(STORAGES))
def test_metadata_has_storage_version_types_and_their_hashes(tmp_path, storage):
    with BagWriter(tmp_path / "bag", storage) as writer:
        writer.write("/skeleton_info", 7, info())
    metadata = yaml.safe_load((tmp_path / "bag" / "metadata.yaml").read_text())["rosbag2_bagfile_information"]
    (found,) = metadata["topics_with_message_count"]
    topic, count = found["topic_metadata"], found["message_count"]
    assert (metadata["version"], metadata["storage_identifier"], metadata["message_count"], count) == (8, storage, 1, 1)
    assert (topic["name"], topic["type"]) == ("/skeleton_info", "uplift_ros/msg/SkeletonInfo")
    assert topic["type_description_hash"] == typestore().hash_rihs01("uplift_ros/msg/SkeletonInfo")


def test_type_hashes_are_those_of_the_installed_messages():
    prefixes = os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)
    descriptions = [path for prefix in prefixes for path in Path(prefix, "share", "uplift_ros", "msg").glob("*.json")]
    if not descriptions:
        pytest.skip("needs the built messages and their type descriptions, which ROS has from Iron on")
    for path in descriptions:
        hashes = json.loads(path.read_text())["type_hashes"]
        assert {each["type_name"]: each["hash_string"] for each in hashes} == {
            each["type_name"]: typestore().hash_rihs01(each["type_name"]) for each in hashes
        }


def test_a_failure_while_writing_leaves_the_older_bag_alone(tmp_path):
    path = tmp_path / "bag.mcap"
    with BagWriter(path) as writer:
        writer.write("/text", 1, text("old"))

    def fail_halfway():
        with BagWriter(path) as writer:
            writer.write("/text", 2, text("new"))
            raise RuntimeError("halfway")

    with pytest.raises(RuntimeError, match="halfway"):
        fail_halfway()
    assert [message.data for _, _, message in read(path)] == ["old"]
    assert list(tmp_path.iterdir()) == [path]


def test_a_single_file_replaces_an_older_one(tmp_path):
    for data in ("old", "new"):
        with BagWriter(tmp_path / "bag.mcap") as writer:
            writer.write("/text", 1, text(data))
    assert [message.data for _, _, message in read(tmp_path / "bag.mcap")] == ["new"]


def test_a_folder_is_never_replaced(tmp_path):
    (tmp_path / "bag").mkdir()
    with pytest.raises(BagError, match="bag exists already"):
        BagWriter(tmp_path / "bag")


def test_a_recording_that_was_killed_does_not_disturb_the_next(tmp_path):
    BagWriter(tmp_path / "bag.mcap").write("/text", 1, text("lost"))
    with BagWriter(tmp_path / "bag.mcap") as writer:
        writer.write("/text", 1, text("kept"))
    assert [message.data for _, _, message in read(tmp_path / "bag.mcap")] == ["kept"]


def test_a_type_without_definition_is_rejected_by_name(tmp_path):
    with BagWriter(tmp_path / "bag.mcap") as writer:
        with pytest.raises(BagError, match=r"/odd .*other/msg/Thing"):
            writer.add_topic("/odd", "other/msg/Thing")
        writer.write("/text", 1, text("a"))


def test_an_empty_bag_reads_as_empty(tmp_path):
    with BagWriter(tmp_path / "bag.mcap"):
        pass
    with BagReader(tmp_path / "bag.mcap") as reader:
        assert (reader.topics, reader.start, reader.end, list(reader.messages())) == ({}, 0, 0, [])


def test_the_definitions_in_the_bag_serve_readers_that_know_nothing_of_us(bag):
    with AnyReader([bag]) as reader:
        connection, _, data = next(reader.messages())
        assert reader.deserialize(data, connection.msgtype).joints == ["pelvis", "right_hip"]


def test_the_mcap_library_finds_profile_definitions_qos_and_messages(tmp_path):
    mcap = pytest.importorskip("mcap.reader", reason="the mcap library is not installed")
    path = tmp_path / "bag.mcap"
    with BagWriter(path) as writer:
        writer.add_topic("/skeletons", "uplift_ros/msg/Skeletons", [LATCHED])
        header = message_class("std_msgs/msg/Header")(message_class("builtin_interfaces/msg/Time")(7, 8), "camera")
        writer.write("/skeletons", 9, message_class("uplift_ros/msg/Skeletons")(header, "h36m17", True, []))
    with path.open("rb") as stream:
        reader = mcap.make_reader(stream, validate_crcs=True)
        ((schema, channel, message),) = reader.iter_messages()
        assert reader.get_header().profile == "ros2"
    assert (schema.name, schema.encoding, channel.message_encoding) == ("uplift_ros/msg/Skeletons", "ros2msg", "cdr")
    assert (channel.topic, message.log_time) == ("/skeletons", 9)
    assert "durability: 1" in channel.metadata["offered_qos_profiles"]
    nested = {line.removeprefix("MSG: ") for line in schema.data.decode().splitlines() if line.startswith("MSG: ")}
    assert nested == {
        "builtin_interfaces/Time",
        "geometry_msgs/Point",
        "geometry_msgs/Quaternion",
        "geometry_msgs/Vector3",
        "std_msgs/Header",
        "uplift_ros/Person3D",
    }


def test_every_message_definition_of_the_package_is_known():
    names = {path.stem for path in (share_folder() / "msg").glob("*.msg")}
    assert {name for name in typestore().fielddefs if name.startswith("uplift_ros/")} == {
        f"uplift_ros/msg/{name}" for name in names
    }
    assert "Skeletons" in names


def test_a_missing_bag_is_named(tmp_path):
    with pytest.raises(BagError, match=r"nowhere\.mcap"):
        list(read(tmp_path / "nowhere.mcap"))


def test_a_folder_without_metadata_is_named(tmp_path):
    with pytest.raises(BagError, match=r"metadata\.yaml"):
        list(read(tmp_path))


def test_a_file_of_another_kind_is_rejected_with_what_is_allowed(tmp_path):
    (tmp_path / "run.bag").write_bytes(b"RIFF, and so on")
    with pytest.raises(BagError, match="MCAP"):
        list(read(tmp_path / "run.bag"))


@pytest.mark.parametrize("content", [b"", b"x", b"not a bag at all" * 10, b"\x89MCAP0\r\n"])
@pytest.mark.parametrize("suffix", [".mcap", ".db3"])
def test_a_file_without_a_bag_inside_is_rejected(tmp_path, content, suffix):
    path = tmp_path / f"bag{suffix}"
    path.write_bytes(content)
    with pytest.raises(BagError, match=f"bag{suffix}"):
        list(read(path))


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.9])
def test_a_truncated_file_is_rejected_with_the_remedy(tmp_path, keep):
    path = tmp_path / "bag.mcap"
    with BagWriter(path) as writer:
        for i in range(300):
            writer.write("/text", i, text(f"message {i}"))
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * keep)])
    with pytest.raises(BagError, match="uplift recover"):
        list(read(path))


def test_a_message_that_is_cut_short_is_rejected(tmp_path):
    with BagWriter(tmp_path / "bag.mcap") as writer:
        writer.add_topic("/text", STRING)
        writer.write_raw("/text", 1, b"\x00\x01\x00\x00" + struct.pack("<I", 1000) + b"short")
    with pytest.raises(BagError, match="cannot be read"):
        list(read(tmp_path / "bag.mcap"))


def test_a_bag_that_cannot_be_written_is_named_with_the_reason(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(BagError, match=r"bag .*run\.mcap"):
        BagWriter(tmp_path / "file" / "run.mcap")


@pytest.mark.parametrize("storage", sorted(STORAGES))
def test_a_second_flush_without_a_message_in_between_changes_nothing(tmp_path, storage):
    with BagWriter(tmp_path / "bag", storage) as writer:
        writer.write("/text", 1, text("one"))
        writer.flush()
        writer.flush()
        writer.write("/text", 2, text("two"))
    assert [message.data for _, _, message in read(tmp_path / "bag")] == ["one", "two"]


def test_skeletons_of_recordings_made_before_later_fields_existed_are_read(tmp_path):
    older = get_typestore(Stores.ROS2_KILTED)
    for name in ("Person3D", "Skeletons"):
        lines = (share_folder() / "msg" / f"{name}.msg").read_text().splitlines()
        definition = "\n".join(line for line in lines if not any(f" {field} " in line for field in LATER_FIELDS))
        older.register(get_types_from_msg(definition, f"uplift_ros/msg/{name}"))
    person = person3d(STANDING)
    message = MessageFactory(message_class).skeletons(SkeletonFrame(7, "camera", (person,)))
    of_then = older.types["uplift_ros/msg/Person3D"]
    message.persons = [of_then(**{field.name: getattr(message.persons[0], field.name) for field in fields(of_then)})]
    with BagWriter(tmp_path / "bag.mcap") as writer:
        writer.add_topic("/skeletons", "uplift_ros/msg/Skeletons", definitions=older)
        writer.write_raw("/skeletons", 7, older.serialize_cdr(message, "uplift_ros/msg/Skeletons"))
    ((_, _, read_back),) = read(tmp_path / "bag.mcap")
    assert not hasattr(read_back.persons[0], "height")
    (again,) = skeletons_from_msg(read_back).persons
    np.testing.assert_array_equal(again.joints, person.joints)
    assert again.height == 0.0
    assert len(again.velocities) == len(again.orientations) == len(again.twist_variances) == 0


def test_a_folder_of_several_recordings_is_refused_and_one_of_its_parts_is_read(tmp_path):
    for name in ("run_0", "run_1", "other"):
        write_texts(tmp_path / f"{name}.mcap")
    with pytest.raises(BagError, match=r"several recordings.*other\.mcap.*run_1\.mcap"):
        BagReader(tmp_path)
    (tmp_path / "other.mcap").unlink()
    with BagReader(tmp_path) as bag:
        assert sum(topic.count for topic in bag.topics.values()) > 1
