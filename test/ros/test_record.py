"""`record` and `play` as processes of their own, over DDS on this machine."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

rclpy = pytest.importorskip("rclpy")

from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy  # noqa: E402
from rosgraph_msgs.msg import Clock  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402
from std_msgs.msg import String  # noqa: E402

from uplift_ros.bags.images import to_bgr  # noqa: E402
from uplift_ros.bags.reader import BagReader, read  # noqa: E402
from uplift_ros.bags.typestore import message_class  # noqa: E402
from uplift_ros.bags.writer import BagWriter  # noqa: E402

RELIABLE = QoSProfile(depth=10)
BEST_EFFORT = QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT)
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)

MATCH_SECONDS = 20.0
"""Discovery takes up to about 2 s; a loaded machine needs more."""


@pytest.fixture
def node(monkeypatch) -> Iterator:
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    monkeypatch.setenv("ROS_DOMAIN_ID", str(100 + os.getpid() % 100))
    context = rclpy.context.Context()
    rclpy.init(context=context)
    node = rclpy.create_node("tester", context=context)
    executor = rclpy.executors.SingleThreadedExecutor(context=context)
    executor.add_node(node)
    yield node
    node.destroy_node()
    rclpy.shutdown(context=context)


class Process:
    """A module of bags/ as a process; killed at the end of the test if it still runs."""

    def __init__(self, module: str, *arguments: object):
        command = [sys.executable, "-m", f"uplift_ros.bags.{module}", *map(str, arguments)]
        self.popen = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def __enter__(self) -> "Process":
        return self

    def __exit__(self, *_) -> None:
        self.popen.kill()
        self.popen.communicate()

    def wait(self) -> tuple[int, str]:
        """Exit code and output."""
        output, _ = self.popen.communicate(timeout=30)
        return self.popen.returncode, output

    def stop(self, interruption: signal.Signals) -> tuple[int, str]:
        self.popen.send_signal(interruption)
        return self.wait()


def until(condition, do=lambda: None, seconds: float = MATCH_SECONDS) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "condition not met in time"
        do()
        time.sleep(0.01)


def publish_to_subscribers(publisher, message, count: int) -> None:
    """Publish `count` messages once somebody listens."""
    until(lambda: publisher.get_subscription_count() > 0)
    for _ in range(count):
        publisher.publish(message)


def spin(node) -> None:
    node.executor.spin_once(timeout_sec=0.01)


@pytest.mark.parametrize("interruption", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_recording_is_a_whole_bag(node, tmp_path, interruption):
    publisher = node.create_publisher(String, "/text", RELIABLE)
    bag = tmp_path / "bag.mcap"
    with Process("record", bag, "--topics", "/text") as recorder:
        publish_to_subscribers(publisher, String(data="hello"), 10)
        publisher.wait_for_all_acked()
        code, output = recorder.stop(interruption)
    assert code == 0
    assert "10  /text" in output
    assert [message.data for _, _, message in read(bag)] == ["hello"] * 10


def test_best_effort_and_latched_publishers_are_both_recorded_with_their_qos(node, tmp_path):
    node.create_publisher(String, "/latched", LATCHED).publish(String(data="before"))
    sensor = node.create_publisher(String, "/sensor", BEST_EFFORT)
    bag = tmp_path / "bag"
    with Process("record", bag, "--topics", "/latched", "/sensor") as recorder:
        publish_to_subscribers(sensor, String(data="now"), 1)
        until(lambda: node.count_subscribers("/latched") > 0)
        recorder.stop(signal.SIGINT)
    with BagReader(bag) as reader:
        policies = {
            topic.name: (topic.qos[0].reliability.name, topic.qos[0].durability.name)
            for topic in reader.topics.values()
        }
    assert policies == {"/latched": ("RELIABLE", "TRANSIENT_LOCAL"), "/sensor": ("BEST_EFFORT", "VOLATILE")}
    assert {message.data for _, _, message in read(bag)} == {"before", "now"}


def test_all_takes_a_topic_that_appears_later(node, tmp_path):
    first = node.create_publisher(String, "/first", RELIABLE)
    bag = tmp_path / "bag.mcap"
    with Process("record", bag, "--all") as recorder:
        publish_to_subscribers(first, String(data="1"), 1)
        later = node.create_publisher(String, "/later", RELIABLE)
        publish_to_subscribers(later, String(data="2"), 1)
        later.wait_for_all_acked()
        recorder.stop(signal.SIGINT)
    assert [message.data for _, _, message in read(bag, ["/first", "/later"])] == ["1", "2"]


def test_a_best_effort_publisher_that_joins_a_reliable_one_is_recorded_too(node, tmp_path):
    reliable = node.create_publisher(String, "/text", RELIABLE)
    bag = tmp_path / "bag.mcap"
    with Process("record", bag, "--topics", "/text") as recorder:
        publish_to_subscribers(reliable, String(data="reliable"), 1)
        reliable.wait_for_all_acked()
        sensor = node.create_publisher(String, "/text", BEST_EFFORT)
        publish_to_subscribers(sensor, String(data="best effort"), 1)
        recorder.stop(signal.SIGINT)
    assert [message.data for _, _, message in read(bag)] == ["reliable", "best effort"]


def test_jpeg_stores_raw_images_compressed(node, tmp_path):
    publisher = node.create_publisher(Image, "/image_raw", RELIABLE)
    image = Image(width=64, height=48, encoding="rgb8", step=192, data=bytes((200, 100, 50)) * 64 * 48)
    image.header.frame_id = "camera"
    bag = tmp_path / "bag.mcap"
    with Process("record", bag, "--jpeg") as recorder:
        publish_to_subscribers(publisher, image, 1)
        publisher.wait_for_all_acked()
        recorder.stop(signal.SIGINT)
    ((topic, _, message),) = read(bag)
    assert (topic, message.header.frame_id) == ("/image_raw/compressed", "camera")
    assert to_bgr(message)[24, 32].tolist() == pytest.approx([50, 100, 200], abs=3)


def test_a_recording_of_some_seconds_ends_by_itself(node, tmp_path):
    with Process("record", tmp_path / "bag.mcap", "--seconds", 0.2) as recorder:
        code, _ = recorder.wait()
    assert code == 0
    assert (tmp_path / "bag.mcap").exists()


def test_a_bag_that_cannot_be_written_is_one_line_and_exit_code_1(tmp_path):
    (tmp_path / "bag").mkdir()
    with Process("record", tmp_path / "bag") as recorder:
        code, output = recorder.wait()
    assert code == 1
    assert output.strip().endswith("exists already, and only a single .mcap file is replaced")


@pytest.fixture
def bag(tmp_path: Path) -> Path:
    """Eleven numbers at intervals of 0.1 s, beginning at 1000 s."""
    path = tmp_path / "numbers.mcap"
    with BagWriter(path) as writer:
        for i in range(11):
            writer.write("/number", 1000 * 10**9 + i * 10**8, message_class("std_msgs/msg/String")(str(i)))
    return path


def played(node, bag: Path, *arguments: object, messages: int) -> list[tuple[float, str]]:
    """Time of arrival and text of the messages that `play` publishes."""
    received: list[tuple[float, str]] = []
    node.create_subscription(String, "/number", lambda m: received.append((time.monotonic(), m.data)), RELIABLE)
    with Process("play", bag, "--wait", *arguments):
        until(lambda: len(received) >= messages, lambda: spin(node))
    return received


def test_a_bag_is_played_at_the_recorded_pace(node, bag):
    received = played(node, bag, messages=11)
    assert [text for _, text in received] == [str(i) for i in range(11)]
    assert received[-1][0] - received[0][0] == pytest.approx(1.0, abs=0.3)


def test_rate_and_offset_shorten_the_playing(node, bag):
    received = played(node, bag, "--rate", 4, "--start-offset", 0.2, messages=9)
    assert [text for _, text in received] == [str(i) for i in range(2, 11)]
    assert received[-1][0] - received[0][0] == pytest.approx(0.2, abs=0.15)


def test_loop_starts_again_at_the_end(node, bag):
    received = played(node, bag, "--rate", 10, "--loop", messages=15)
    assert [text for _, text in received[:15]] == [str(i % 11) for i in range(15)]


def test_clock_runs_through_the_time_of_the_bag(node, bag):
    times: list[int] = []
    node.create_subscription(Clock, "/clock", lambda m: times.append(m.clock.sec * 10**9 + m.clock.nanosec), 100)
    played(node, bag, "--clock", messages=11)
    assert times == sorted(times)
    assert len(times) > 50
    assert 1000 * 10**9 <= times[0] < times[-1] <= 1001 * 10**9


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--topics", "/other"], "has no /other; it has /number"),
        (["--start-offset", "5"], "--start-offset must be from 0 to 1.0, the bag's length, got 5.0"),
        (["--rate", "0"], "must be above 0, got 0"),
    ],
)
def test_what_cannot_be_played_is_told_in_a_line(bag, arguments, reason):
    with Process("play", bag, *arguments) as player:
        code, output = player.wait()
    assert code != 0
    assert reason in output
