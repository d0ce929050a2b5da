"""Recordings that end before their time, by the real `record` process: killed, or on a full disk."""

import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rclpy.qos import QoSProfile
from std_msgs.msg import String

from uplift_ros.bags.reader import read
from uplift_ros.bags.recover import recover
from uplift_ros.bags.writer import unfinished
from uplift_ros.paths import command_script

RELIABLE = QoSProfile(depth=100)
HEADER = 100
"""Bytes: more than an MCAP file has before its first chunk."""


@pytest.fixture
def publisher(observer):
    return observer.node.create_publisher(String, "/text", RELIABLE)


@pytest.fixture
def record(observer, publisher):
    """Start the recorder, and wait until it listens."""
    started: list[subprocess.Popen] = []

    def listening() -> set[bytes]:
        """Subscribers, once the publisher has matched all of them."""
        infos = observer.node.get_subscriptions_info_by_topic("/text")
        found_all = publisher.get_subscription_count() >= len(infos)
        return {bytes(info.endpoint_gid) for info in infos} if found_all else set()

    def start(bag: Path, *options: str) -> subprocess.Popen:
        killed = listening()  # recorders that were killed seem to listen for some more seconds
        command = [sys.executable, str(command_script()), "record", str(bag), *options, "--topics", "/text"]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))
        observer.wait_for(lambda: listening() - killed)
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def publish_for(publisher, seconds: float) -> list[float]:
    """Publish numbered messages at 50 Hz; return when each was sent."""
    sent: list[float] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        sent.append(time.monotonic())
        publisher.publish(String(data=str(len(sent) - 1)))
        time.sleep(0.02)
    return sent


def any_message_in(folder: Path) -> bool:
    """Whether a recorder that runs has written one."""
    return any(path.stat().st_size > HEADER for path in folder.rglob("*.mcap"))


@pytest.mark.parametrize(
    ("bag", "options"), [("run.mcap", ()), ("run", ("--storage", "sqlite3"))], ids=["mcap", "sqlite3"]
)
def test_a_recorder_that_is_killed_leaves_what_it_has_flushed(record, publisher, tmp_path, bag, options):
    recorder = record(tmp_path / bag, *options)
    publish_for(publisher, 2.5)  # five times as long as a message waits to be flushed
    recorder.send_signal(signal.SIGKILL)
    recorder.wait()
    assert not (tmp_path / bag).exists()
    recover(unfinished(tmp_path / bag), tmp_path / f"whole-{bag}")
    saved = [int(message.data) for _, _, message in read(tmp_path / f"whole-{bag}")]
    assert saved == list(range(saved[0], saved[-1] + 1))
    assert len(saved) > 0


def test_the_next_recording_of_the_name_keeps_what_was_cut_off(record, publisher, observer, tmp_path):
    recorder = record(tmp_path / "run.mcap")
    publish_for(publisher, 1.0)
    recorder.send_signal(signal.SIGKILL)
    recorder.wait()
    second = record(tmp_path / "run.mcap")
    aside = tmp_path / "run.mcap.partial-1"
    observer.wait_for(aside.exists)
    observer.wait_for(lambda: publish_for(publisher, 0.1) and any_message_in(unfinished(tmp_path / "run.mcap")))
    second.send_signal(signal.SIGINT)
    output, _ = second.communicate()
    assert second.returncode == 0
    assert f"`uplift recover {aside} -o BAG`" in output
    assert len(list(read(tmp_path / "run.mcap"))) > 0
    assert recover(aside, tmp_path / "first.mcap").counts["/text"] > 10


@pytest.mark.parametrize(
    ("bag", "options"), [("run.mcap", ()), ("run", ("--storage", "sqlite3"))], ids=["mcap", "sqlite3"]
)
def test_a_full_disk_ends_the_recording_and_names_the_remedy(record, publisher, observer, tmp_path, bag, options):
    recorder = record(tmp_path / bag, *options)
    limit = 4 * 2**20
    resource.prlimit(recorder.pid, resource.RLIMIT_FSIZE, (limit, limit))  # as on a full disk
    text = 2**16 * "x"

    def ended() -> bool:
        publisher.publish(String(data=text))
        return recorder.poll() is not None

    observer.wait_for(ended, timeout=120)
    output, _ = recorder.communicate()
    assert recorder.returncode == 1
    assert "Traceback" not in output
    assert f"bag {tmp_path / bag} cannot be written: " in output
    assert f"`uplift recover {unfinished(tmp_path / bag)} -o BAG`" in output
    saved = recover(unfinished(tmp_path / bag), tmp_path / f"whole-{bag}").counts["/text"]
    assert limit * 0.5 < saved * len(text) < limit
