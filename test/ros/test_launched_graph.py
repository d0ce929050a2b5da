"""demo.launch.py with real nodes over DDS. Needs launch_ros."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from uplift_ros.msg import Keyframe2D, Skeletons

pytest.importorskip("launch_ros", reason="launch_ros is not installed")

DEMO = Path(__file__).parents[2] / "launch" / "demo.launch.py"
NODES = ("camera", "pose_estimator", "uplift", "refiner", "visualizer")
STRIDE = 8

LAUNCH = """
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
arguments = [argument.split(":=", 1) for argument in sys.argv[2:]]
included = IncludeLaunchDescription(PythonLaunchDescriptionSource(sys.argv[1]), launch_arguments=arguments)
service = LaunchService()
service.include_launch_description(LaunchDescription([included]))
service.run()
"""


def interrupt(process: subprocess.Popen) -> None:
    """What Ctrl-C does: the launch process and all its nodes get SIGINT."""
    os.killpg(process.pid, signal.SIGINT)
    process.wait(timeout=30)


@pytest.fixture
def launched(tmp_path, random_weights):
    """The launch process and its log."""
    parameters = {f"/**/{node}": {"ros__parameters": {"model": path}} for node, path in random_weights.items()}
    # Both are said again as arguments or not: one must give way, the other must not.
    parameters["/**/uplift"]["ros__parameters"] |= {"stride": 20, "latency": 12}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(parameters))
    arguments = [f"params_file:={tmp_path}/params.yaml", f"stride:={STRIDE}", "rviz:=false", "namespace:=front"]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", LAUNCH, str(DEMO), *arguments],
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        yield process, tmp_path / "log"
        if process.poll() is None:
            interrupt(process)


def test_the_demo_runs_with_the_given_parameters_and_ends_cleanly(launched, observer):
    process, log = launched
    keyframes = observer.collect(Keyframe2D, "/front/keyframes")
    skeletons = observer.collect(Skeletons, "/front/skeletons")
    observer.wait_for(lambda: len(keyframes) > 3 and len(skeletons) > 50, timeout=60)
    assert keyframes[-1].stride == STRIDE
    assert observer.integer_parameter("/front/uplift", "stride") == STRIDE
    assert observer.integer_parameter("/front/uplift", "latency") == 12
    stamps = [skeleton.header.stamp.sec * 10**9 + skeleton.header.stamp.nanosec for skeleton in skeletons]
    assert stamps == sorted(set(stamps))
    interrupt(process)
    ended = re.findall(r"\[(\w+)-\d+\]: process has finished cleanly", log.read_text())
    assert sorted(ended) == sorted(NODES), log.read_text()
