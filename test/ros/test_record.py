"""`record` and `play` as processes of their own, over DDS on this machine."""

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosgraph_msgs.msg import Clock
from std_msgs.msg import String
from support import recordings

from uplift_ros import cli
from uplift_ros.bags.reader import BagReader, read
from uplift_ros.bags.writer import BagWriter
from uplift_ros.messages.typestore import message_class
from uplift_ros.paths import command_script

RELIABLE = QoSProfile(depth=10)
BEST_EFFORT = QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT)
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class Process:
    """A command of `uplift` as a process; killed at the end of the test if it still runs."""

    def __init__(self, *arguments: object):
        command = [sys.executable, str(command_script()), *map(str, arguments)]
        self.popen = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def __enter__(self) -> "Process":
        return self

    def __exit__(self, *_) -> None:
        self.popen.kill()
        self.popen.communicate()

    def wait(self) -> tuple[int, str]:
        """Exit code and output."""
        output, _ = self.popen.communicate(timeout=120)
        return self.popen.returncode, output

    def stop(self, interruption: signal.Signals) -> tuple[int, str]:
        self.popen.send_signal(interruption)
        return self.wait()


@pytest.fixture
def publish(observer):
    """Publish some messages as soon as the recorder listens, and wait until it has them."""

    def publish(publisher, text: str, count: int = 1) -> None:
        observer.wait_for(lambda: publisher.get_subscription_count() > 0)
        for _ in range(count):
            publisher.publish(String(data=text))
        publisher.wait_for_all_acked()

    return publish


@pytest.mark.parametrize("interruption", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_recording_is_a_whole_bag(observer, publish, tmp_path, interruption):
    publisher = observer.node.create_publisher(String, "/text", RELIABLE)
    bag = tmp_path / "bag.mcap"
    with Process("record", bag, "--topics", "/text") as recorder:
        publish(publisher, "hello", 10)
        code, output = recorder.stop(interruption)
    assert code == 0
    assert "10  /text" in output
    assert [message.data for _, _, message in read(bag)] == ["hello"] * 10


def test_best_effort_and_latched_publishers_are_both_recorded_with_their_qos(observer, publish, tmp_path):
    latched = observer.node.create_publisher(String, "/latched", LATCHED)
    latched.publish(String(data="before"))
    sensor = observer.node.create_publisher(String, "/sensor", BEST_EFFORT)
    bag = tmp_path / "bag"
    with Process("record", bag, "--topics", "/latched", "/sensor") as recorder:
        publish(sensor, "now")
        observer.wait_for(lambda: latched.get_subscription_count() > 0)
        latched.wait_for_all_acked()
        recorder.stop(signal.SIGINT)
    with BagReader(bag) as reader:
        policies = {
            topic.name: (topic.qos[0].reliability.name, topic.qos[0].durability.name)
            for topic in reader.topics.values()
        }
    assert policies == {"/latched": ("RELIABLE", "TRANSIENT_LOCAL"), "/sensor": ("BEST_EFFORT", "VOLATILE")}
    assert {message.data for _, _, message in read(bag)} == {"before", "now"}


def test_all_takes_a_topic_that_appears_later(observer, publish, tmp_path):
    first = observer.node.create_publisher(String, "/first", RELIABLE)
    bag = tmp_path / "bag.mcap"
    with Process("record", bag, "--all") as recorder:
        publish(first, "1")
        later = observer.node.create_publisher(String, "/later", RELIABLE)
        publish(later, "2")
        recorder.stop(signal.SIGINT)
    assert [message.data for _, _, message in read(bag, ["/first", "/later"])] == ["1", "2"]


def test_a_best_effort_publisher_that_joins_a_reliable_one_is_recorded_too(observer, publish, tmp_path):
    reliable = observer.node.create_publisher(String, "/text", RELIABLE)
    bag = tmp_path / "bag.mcap"
    with Process("record", bag, "--topics", "/text") as recorder:
        publish(reliable, "reliable")
        sensor = observer.node.create_publisher(String, "/text", BEST_EFFORT)
        publish(sensor, "best effort")
        recorder.stop(signal.SIGINT)
    assert [message.data for _, _, message in read(bag)] == ["reliable", "best effort"]


def test_a_recording_as_sqlite3_is_played_back(observer, publish, tmp_path):
    publisher = observer.node.create_publisher(String, "/number", RELIABLE)
    with Process("record", tmp_path / "bag", "--storage", "sqlite3", "--topics", "/number") as recorder:
        publish(publisher, "hello")
        recorder.stop(signal.SIGINT)
    assert (tmp_path / "bag" / "bag.db3").is_file()
    assert [text for _, text in played(observer, tmp_path / "bag", messages=1)] == ["hello"]


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "soon"])
def test_a_recording_of_no_time_is_refused_and_nothing_is_written(tmp_path, seconds):
    with Process("record", tmp_path / "bag.mcap", "--seconds", seconds) as recorder:
        code, output = recorder.wait()
    assert code == 2
    assert re.search(f"--seconds: .*{seconds}$", output, re.MULTILINE)
    assert not list(tmp_path.iterdir())


def test_a_recording_of_some_seconds_ends_by_itself(tmp_path):
    with Process("record", tmp_path / "bag.mcap", "--seconds", 0.2) as recorder:
        code, _ = recorder.wait()
    assert code == 0
    assert (tmp_path / "bag.mcap").exists()


def test_a_bag_that_cannot_be_written_is_one_line_and_exit_code_1(tmp_path):
    (tmp_path / "bag").mkdir()
    with Process("record", tmp_path / "bag") as recorder:
        code, output = recorder.wait()
    assert code == 1
    (line,) = output.splitlines()
    assert re.search(rf"bag {tmp_path / 'bag'} exists .*\.mcap", line)


@pytest.fixture
def bag(tmp_path: Path) -> Path:
    """Eleven numbers at intervals of 0.1 s, beginning at 1000 s."""
    path = tmp_path / "numbers.mcap"
    with BagWriter(path) as writer:
        for i in range(11):
            writer.write("/number", 1000 * 10**9 + i * 10**8, message_class("std_msgs/msg/String")(str(i)))
    return path


def played(observer, bag: Path, *arguments: object, messages: int) -> list[tuple[float, str]]:
    """Time of arrival and text of the messages that `play` publishes."""
    received: list[tuple[float, str]] = []
    observer.node.create_subscription(
        String, "/number", lambda m: received.append((time.monotonic(), m.data)), RELIABLE
    )
    with Process("play", bag, "--wait", *arguments):
        observer.wait_for(lambda: len(received) >= messages)
    return received


def test_a_bag_is_played_at_the_recorded_pace(observer, bag):
    received = played(observer, bag, messages=11)
    assert [text for _, text in received] == [str(i) for i in range(11)]
    assert received[-1][0] - received[0][0] > 0.5


def write_rosbag2(path: Path, storage: StoragePlugin) -> Path:
    """By rosbags alone, in the newest version, which Jazzy and later write."""
    store = get_typestore(Stores.ROS2_JAZZY)
    with Writer(path, version=9, storage_plugin=storage) as writer:
        connection = writer.add_connection("/number", "std_msgs/msg/String", typestore=store)
        for i in range(3):
            data = store.serialize_cdr(store.types["std_msgs/msg/String"](str(i)), "std_msgs/msg/String")
            writer.write(connection, 1000 * 10**9 + i * 10**8, data)
    return path


def write_plain_mcap(path: Path) -> Path:
    """By the mcap library alone: no metadata.yaml, no QoS."""
    mcap = pytest.importorskip("mcap.writer", reason="the mcap library is not installed")
    with path.open("wb") as stream:
        writer = mcap.Writer(stream)
        writer.start(profile="ros2")
        schema = writer.register_schema("std_msgs/msg/String", "ros2msg", b"string data")
        channel = writer.register_channel("/number", "cdr", schema)
        for i in range(3):
            time_ = 1000 * 10**9 + i * 10**8
            writer.add_message(channel, time_, b"\x00\x01\x00\x00\x02\x00\x00\x00" + f"{i}\0".encode(), time_)
        writer.finish()
    return path


@pytest.mark.parametrize(
    "storage", [*StoragePlugin, None], ids=lambda storage: storage.name if storage else "plain mcap"
)
def test_a_bag_recorded_elsewhere_is_played(observer, tmp_path, storage):
    bag = write_rosbag2(tmp_path / "bag", storage) if storage else write_plain_mcap(tmp_path / "bag.mcap")
    assert [text for _, text in played(observer, bag, messages=3)] == ["0", "1", "2"]


def test_rate_and_offset_shorten_the_playing(observer, bag):
    received = played(observer, bag, "--rate", 4, "--start-offset", 0.2, messages=9)
    assert [text for _, text in received] == [str(i) for i in range(2, 11)]
    assert received[-1][0] - received[0][0] == pytest.approx(0.2, abs=0.15)


def test_loop_starts_again_at_the_end(observer, bag):
    received = played(observer, bag, "--rate", 10, "--loop", messages=15)
    assert [text for _, text in received[:15]] == [str(i % 11) for i in range(15)]


def test_a_topic_with_another_version_of_our_message_is_left_out_and_reported(tmp_path):
    store = get_typestore(Stores.ROS2_JAZZY)
    store.register(get_types_from_msg("string name", "uplift_ros/msg/SkeletonInfo"))
    with Writer(tmp_path / "old", version=8, storage_plugin=StoragePlugin.MCAP) as writer:
        connection = writer.add_connection("/skeleton_info", "uplift_ros/msg/SkeletonInfo", typestore=store)
        message = store.types["uplift_ros/msg/SkeletonInfo"]("h36m17")
        writer.write(connection, 10**12, store.serialize_cdr(message, "uplift_ros/msg/SkeletonInfo"))
    with Process("play", tmp_path / "old") as player:
        code, output = player.wait()
    assert code == 0
    assert re.search("/skeleton_info is not played: .*uplift_ros/msg/SkeletonInfo", output)


def test_a_loop_of_nothing_that_can_be_played_ends(tmp_path):
    store = get_typestore(Stores.ROS2_JAZZY)
    store.register(get_types_from_msg("string name", "unheard_of/msg/Word"))
    with Writer(tmp_path / "foreign", version=8, storage_plugin=StoragePlugin.MCAP) as writer:
        connection = writer.add_connection("/word", "unheard_of/msg/Word", typestore=store)
        for second in (0, 1):
            message = store.types["unheard_of/msg/Word"]("word")
            writer.write(connection, second * 10**9, store.serialize_cdr(message, "unheard_of/msg/Word"))
    with Process("play", tmp_path / "foreign", "--loop") as player:
        code, output = player.wait()
    assert code == 0
    assert "/word is not played" in output


def test_only_the_topics_asked_for_are_played(observer, tmp_path):
    with BagWriter(tmp_path / "two.mcap") as writer:
        for topic in ("/number", "/other"):
            for i in range(2):
                writer.write(topic, 1000 * 10**9 + i * 10**8, message_class("std_msgs/msg/String")(topic))
    others = observer.collect(String, "/other", RELIABLE)
    received = played(observer, tmp_path / "two.mcap", "--topics", "/number", "--loop", messages=5)
    assert [text for _, text in received[:5]] == ["/number"] * 5
    assert others == []


@pytest.fixture
def on_terminal():
    """Run a command of `uplift` on a terminal of its own; return the progress that it shows."""

    def run(*arguments: object) -> str:
        terminal, end = pty.openpty()
        fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))  # rows and columns
        command = [sys.executable, str(command_script()), *map(str, arguments)]
        subprocess.run(command, stderr=end, stdout=subprocess.DEVNULL, timeout=120, check=True)
        return os.read(terminal, 100_000).decode()

    return run


def test_a_bar_on_a_terminal_shows_how_far_playing_is(on_terminal, bag):
    shown = on_terminal("play", bag, "--rate", 2)
    assert re.search(r"\b\d\d%\|", shown), shown
    assert "100%" in shown
    assert "1.0/1.0 s" in shown


def test_recording_on_a_terminal_counts_messages_and_time(on_terminal, observer, tmp_path):
    publisher = observer.node.create_publisher(String, "/latched", LATCHED)
    publisher.publish(String(data="before"))
    shown = on_terminal("record", tmp_path / "bag.mcap", "--topics", "/latched", "--seconds", 5)
    assert re.search(r"\b1 messages in 00:0\d", shown), shown


def test_clock_runs_through_the_time_of_the_bag(observer, bag):
    times: list[int] = []
    observer.node.create_subscription(
        Clock, "/clock", lambda m: times.append(m.clock.sec * 10**9 + m.clock.nanosec), 100
    )
    played(observer, bag, "--clock", messages=11)
    assert times == sorted(times)
    assert len(times) > 50
    assert 1000 * 10**9 <= times[0] < times[-1] <= 1001 * 10**9


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--topics", "/other"], "/other.*/number"),
        (["--start-offset", "5"], r"--start-offset .*\b1\.0.*5\.0"),
        (["--start-offset", "1", "--loop"], r"--loop .*--start-offset 1\.0"),
        (["--rate", "0"], "--rate: .*0$"),
        (["--rate", "fast"], "--rate: .*fast$"),
    ],
)
def test_what_cannot_be_played_is_reported_in_a_line(bag, arguments, named):
    with Process("play", bag, *arguments) as player:
        code, output = player.wait()
    assert code != 0
    assert re.search(named, output, re.MULTILINE)


def test_a_damaged_chunk_is_not_played_and_the_exit_code_reports_it(observer, tmp_path):
    bag = tmp_path / "bag.mcap"
    with BagWriter(bag) as writer:
        for i in range(10):
            writer.write("/text", recordings.START + i, message_class("std_msgs/msg/String")(f"{i}"))
    recordings.with_wrong_checksum(bag, recordings.START + 3, recordings.START + 6)
    received = observer.collect(String, "/text")
    with Process("play", bag, "--wait") as player:
        code, output = player.wait()
    observer.wait_for(lambda: len(received) >= 7)
    assert [message.data for message in received] == list("0126789")
    assert code == 3
    assert re.search(r"bag\.mcap: .*\d\.000 to \d+\.000 s .*crc", output)


@pytest.mark.parametrize("topic", ["a+b", "//x"])
def test_a_name_that_no_topic_can_have_is_refused_before_a_file_is_made(tmp_path, topic, capsys):
    assert cli.main(["record", str(tmp_path / "bag"), "--topics", topic]) == 1
    assert re.search(f"--topics .*{re.escape(topic)}", capsys.readouterr().err)
    assert list(tmp_path.iterdir()) == []
