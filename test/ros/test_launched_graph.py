"""demo.launch.py and multi_camera.launch.py with real nodes over DDS. Needs launch_ros."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from builtin_interfaces.msg import Time
from rclpy.duration import Duration
from std_msgs.msg import Header
from support import recordings
from support.places import ROOT
from uplift_ros.msg import Keyframe2D, Skeletons

from uplift_ros.bags.reader import read
from uplift_ros.nodes import qos
from uplift_ros.paths import command_script

pytest.importorskip("launch_ros", reason="launch_ros is not installed")

FOLDER = ROOT / "launch"
LAUNCH_TEST = Path(__file__).with_name("launch_demo.py")
NODES = ("camera", "pose_estimator", "uplift", "refiner", "visualizer")
STRIDE = 8
START_TIMEOUT = 120.0

LAUNCH = """
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
arguments = [argument.split(":=", 1) for argument in sys.argv[2:]]
included = IncludeLaunchDescription(PythonLaunchDescriptionSource(sys.argv[1]), launch_arguments=arguments)
service = LaunchService()
service.include_launch_description(LaunchDescription([included]))
sys.exit(service.run())
"""


def interrupt(process: subprocess.Popen) -> None:
    """Do what Ctrl-C does: send SIGINT to the launch process and all its nodes."""
    os.killpg(process.pid, signal.SIGINT)
    process.wait(timeout=30)


@pytest.fixture
def params_file(tmp_path, random_weights) -> Path:
    """Small images and small networks for all nodes, and two parameters that arguments of a launch file meet."""
    parameters = {node: {"model": path} for node, path in random_weights.items()}
    parameters["uplift"] |= {"stride": 20, "latency": 12}
    parameters["camera"] = {"width": 320, "height": 240}
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump({f"/**/{node}": {"ros__parameters": own} for node, own in parameters.items()}))
    return path


@pytest.fixture
def launch(tmp_path, params_file):
    """Launch a file with arguments; return the launch process and its log."""
    launched = []

    def run(file: str, *arguments: str) -> tuple[subprocess.Popen, Path]:
        log = tmp_path / "log"
        command = [sys.executable, "-c", LAUNCH, str(FOLDER / file), f"params_file:={params_file}", *arguments]
        with log.open("w") as stream:
            launched.append(subprocess.Popen(command, stdout=stream, stderr=subprocess.STDOUT, start_new_session=True))
        return launched[-1], log

    yield run
    for process in launched:
        if process.poll() is None:
            interrupt(process)


def ended_cleanly(log: Path) -> list[str]:
    """The nodes that did, sorted."""
    return sorted(re.findall(r"\[(\w+)-\d+\]: process has finished cleanly", log.read_text()))


def test_the_demo_runs_with_the_given_parameters_and_ends_cleanly(launch, observer):
    process, log = launch("demo.launch.py", f"stride:={STRIDE}", "rviz:=false", "namespace:=front")
    keyframes = observer.collect(Keyframe2D, "/front/keyframes")
    skeletons = observer.collect(Skeletons, "/front/skeletons")
    observer.wait_for(lambda: len(keyframes) > 3 and len(skeletons) > 50, timeout=START_TIMEOUT)
    assert keyframes[-1].stride == STRIDE
    assert observer.integer_parameter("/front/uplift", "stride") == STRIDE
    assert observer.integer_parameter("/front/uplift", "latency") == 12
    stamps = [skeleton.header.stamp.sec * 10**9 + skeleton.header.stamp.nanosec for skeleton in skeletons]
    assert stamps == sorted(set(stamps))
    interrupt(process)
    assert ended_cleanly(log) == sorted(NODES), log.read_text()


def test_two_cameras_give_skeletons_each_in_its_namespace_and_frame(launch, observer):
    skeletons = {camera: observer.collect(Skeletons, f"/{camera}/skeletons") for camera in ("front", "rear")}
    process, log = launch("multi_camera.launch.py", "cameras:=front,rear", "sources:=synthetic,synthetic", "stride:=20")
    observer.wait_for(lambda: all(len(received) > 20 for received in skeletons.values()), timeout=2 * START_TIMEOUT)
    for camera, received in skeletons.items():
        assert {message.header.frame_id for message in received} == {f"{camera}_optical_frame"}
    interrupt(process)
    assert ended_cleanly(log) == sorted(2 * NODES), log.read_text()


@pytest.fixture
def player(tmp_path, monkeypatch):
    """A command `ros2 bag play` as rosbag2 brings it, for launch: `uplift play`, without the options that it lacks."""
    index = tmp_path / "prefix/share/ament_index/resource_index/packages"
    index.mkdir(parents=True)
    (index / "ros2bag").touch()
    monkeypatch.setenv("AMENT_PREFIX_PATH", f"{os.environ['AMENT_PREFIX_PATH']}{os.pathsep}{tmp_path / 'prefix'}")
    (tmp_path / "bin").mkdir()
    script = tmp_path / "bin/ros2"
    script.write_text(PLAYER.format(python=sys.executable, uplift=command_script()))
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}{os.pathsep}{os.environ['PATH']}")


PLAYER = """#!/bin/sh
exec {python} {uplift} play "$3" --clock --wait --topics /image_raw/compressed
"""


def test_the_last_skeletons_of_a_replay_are_refined_before_the_launch_ends(launch, player, observer, tmp_path):
    bag = recordings.write_run(tmp_path / "walk.mcap", frames=100)
    raw, refined = observer.collect(Skeletons, "/skeletons/raw"), observer.collect(Skeletons, "/skeletons")
    process, log = launch("replay.launch.py", f"bag:={bag}", "stride:=10", "image_transport:=compressed")
    observer.wait_for(lambda: process.poll() is not None, timeout=2 * START_TIMEOUT)
    assert ended_cleanly(log) == ["player", "pose_estimator", "refiner", "uplift", "visualizer"], log.read_text()
    assert len(raw) > 80
    assert [message.header.stamp for message in refined] == [message.header.stamp for message in raw]


def test_a_replay_whose_player_fails_ends(launch, player, observer, tmp_path):
    process, log = launch("replay.launch.py", f"bag:={tmp_path / 'nowhere.mcap'}")
    observer.wait_for(lambda: process.poll() is not None, timeout=START_TIMEOUT)
    assert re.search("player .*exit code 1", log.read_text())
    assert process.returncode == 1


def test_rosbag2_records_every_skeleton_of_bursts(launch, observer, tmp_path):
    pytest.importorskip("rosbag2_py", reason="rosbag2 is not installed")
    publisher = observer.node.create_publisher(Skeletons, "/skeletons", qos.poses())
    process, _ = launch("record.launch.py", f"bag:={tmp_path / 'walk'}")
    observer.wait_for(publisher.get_subscription_count, timeout=START_TIMEOUT)
    for stamp in range(600):  # in one burst, thirty times that of a stride of 20
        publisher.publish(Skeletons(header=Header(stamp=Time(sec=stamp + 1))))
    assert publisher.wait_for_all_acked(Duration(seconds=30))
    interrupt(process)
    assert len(list(read(tmp_path / "walk", ["/skeletons"]))) == 600


def test_the_demo_passes_under_launch_testing(params_file):
    pytest.importorskip("launch_testing", reason="launch_testing is not installed")
    command = [sys.executable, "-m", "launch_testing.launch_test", str(LAUNCH_TEST), f"params_file:={params_file}"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "Ran 1 test" in result.stderr
