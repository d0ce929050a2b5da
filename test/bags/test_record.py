"""Recording and playing without a graph; test/ros/test_record.py does both over DDS."""

import re
import threading
import time
from types import SimpleNamespace

import pytest
from support.clocks import START

from uplift_ros.bags.writer import BagWriter

pytest.importorskip("rclpy", reason="ROS is not installed")
record = pytest.importorskip("uplift_ros.bags.record")
play = pytest.importorskip("uplift_ros.bags.play")

TYPES = ("std_msgs/msg/String", "std_msgs/msg/Bool")


class Isolated(record.Recorder):
    """Recorder of a topic with two publishers of different types."""

    def __init__(self, writer: BagWriter) -> None:
        self._writer, self._wanted = writer, None
        self._recorded, self._refused, self._ambiguous = {}, set(), set()
        self.warnings: list[str] = []

    def get_topic_names_and_types(self):
        return [("/mixed", list(TYPES))]

    def get_publishers_info_by_topic(self, topic):
        return [SimpleNamespace(topic_type=kind, qos_profile=record.QoSProfile(depth=1)) for kind in TYPES]

    def create_subscription(self, msg_type, topic, callback, qos_profile, raw):
        return SimpleNamespace(msg_type=msg_type, qos_profile=qos_profile)

    def get_logger(self):
        return SimpleNamespace(warning=self.warnings.append)


def test_types_of_a_topic_that_are_not_recorded_are_reported_once(tmp_path):
    with BagWriter(tmp_path / "run.mcap") as writer:
        recorder = Isolated(writer)
        for _ in range(2):
            recorder._discover()
    (warning,) = recorder.warnings
    assert re.match(r"/mixed .*\bBool\b", warning)


def played(*topics: str) -> tuple[list[bytes], float]:
    """Play a bag of 0.2 s with a message at its beginning; returns what is published, and seconds until it ends."""
    published: list[bytes] = []
    player = play.Player.__new__(play.Player)  # without a node
    player._time_output = None
    player._outputs = {topic: SimpleNamespace(publish=published.append) for topic in topics}
    messages = [("/text", START, b"text")]
    player._bag = SimpleNamespace(
        end=START + 2 * 10**8, raw=lambda outputs, start: (message for message in messages if message[0] in outputs)
    )
    began = time.monotonic()
    for _ in player.play(START, 1.0, threading.Event()):
        pass
    return published, time.monotonic() - began


@pytest.mark.parametrize(("topic", "messages"), [("/text", [b"text"]), ("/empty", [])])
def test_playing_ends_with_the_bag_and_not_with_its_last_message(topic, messages):
    published, seconds = played(topic)
    assert published == messages
    assert seconds >= 0.2


def test_without_a_topic_that_can_be_played_playing_ends_at_once():
    assert played()[1] < 0.2
