"""Message types without ROS."""

import pytest

from uplift_ros.messages import typestore


def test_our_own_types_are_there_beside_those_of_ros():
    assert typestore.message_class("uplift_ros/msg/Skeletons").__msgtype__ == "uplift_ros/msg/Skeletons"
    assert typestore.message_class("sensor_msgs/msg/Image").__msgtype__ == "sensor_msgs/msg/Image"


def test_a_type_without_definition_is_named():
    with pytest.raises(KeyError, match="other_msgs/msg/Odd"):
        typestore.message_class("other_msgs/msg/Odd")


def test_an_installation_without_definitions_says_where_they_should_be(tmp_path, monkeypatch):
    monkeypatch.setattr(typestore, "share_folder", lambda: tmp_path)
    typestore.typestore.cache_clear()
    with pytest.raises(FileNotFoundError, match=str(tmp_path)):
        typestore.typestore()
