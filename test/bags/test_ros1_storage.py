"""Bags of ROS 1."""

from pathlib import Path

import numpy as np
import pytest
from rosbags.rosbag1 import Writer as Ros1Writer
from rosbags.typesys import Stores, get_typestore
from support.text_bags import STRING, cdr, texts

from uplift_ros.bags.reader import BagError, BagReader, is_bag, read


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


def test_a_type_whose_fields_differ_in_ros2_is_left_alone(tmp_path):
    """Range has a field more in ROS 2; CameraInfo only has other names."""
    types = get_typestore(Stores.ROS1_NOETIC)
    with Ros1Writer(tmp_path / "run.bag") as writer:
        sizes = {"sensor_msgs/msg/Range": 33, "sensor_msgs/msg/CameraInfo": 297, "std_msgs/msg/Empty": 0}
        for time, (kind, size) in enumerate(sizes.items()):
            connection = writer.add_connection(f"/{kind.rpartition('/')[2]}", kind, typestore=types)
            writer.write(connection, time, bytes(size))
    with BagReader(tmp_path / "run.bag") as bag:
        assert {name: topic.encoding for name, topic in bag.topics.items()} == {
            "/Range": "ros1",
            "/CameraInfo": "cdr",
            "/Empty": "cdr",
        }
        assert [topic for topic, _, _ in bag.raw()] == ["/CameraInfo", "/Empty"]
