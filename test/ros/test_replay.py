"""A recorded bag through the real nodes on simulated time has the same result as `uplift process`."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support import recordings
from uplift_ros.msg import Keyframe2D, Skeletons

from uplift_ros import cli
from uplift_ros.bags.reader import read
from uplift_ros.bags.writer import BagWriter
from uplift_ros.messages.conversion import MessageFactory, skeletons_from_msg, stamp_from_msg
from uplift_ros.messages.typestore import message_class
from uplift_ros.paths import command_script
from uplift_ros.poses import SkeletonFrame
from uplift_ros.sources.synthetic.synthetic_source import SyntheticSource

pytestmark = pytest.mark.usefixtures("blazepose_files")

FPS = 25
IMAGES = 60
STRIDE = 10
LATENCY = 40
"""Frames that the uplifter waits: half its window, for the central head."""

DELAY = 3
"""Frames that the refiner holds back, its default."""

RATE = 0.25
"""Slow enough that a busy machine estimates every key-frame before the next one."""

ROUNDING = 1e-4
"""Metres: messages carry keypoints and scores as float32."""


@pytest.fixture(scope="module")
def recording(tmp_path_factory) -> Path:
    """Images and calibration of the synthetic camera."""
    path = tmp_path_factory.mktemp("bag") / "recording.mcap"
    source, messages = SyntheticSource(320, 240, FPS, moving=False), MessageFactory(message_class)
    with BagWriter(path) as writer:
        for index in range(IMAGES):
            frame = source.frame(index)
            stamp = recordings.START + frame.time
            writer.write("/camera_info", stamp, messages.camera_info(source.camera, stamp, "camera_optical_frame"))
            image = message_class("sensor_msgs/msg/Image")(
                recordings.header(stamp), 240, 320, "rgb8", 0, 3 * 320, frame.image.ravel()
            )
            writer.write("/image_raw", stamp + 1000, image)
    return path


@pytest.fixture
def processed(recording, random_weights, tmp_path) -> tuple[list[int], list[SkeletonFrame]]:
    """Result of `uplift process`: stamps of the key-frames, and skeletons."""
    uplift = {"model": random_weights["uplift"], "latency": LATENCY}
    refiner = {"model": random_weights["refiner"], "method": "synsp", "delay": DELAY}
    params = tmp_path / "params.json"  # JSON is YAML
    params.write_text(json.dumps({"uplift": {"ros__parameters": uplift}, "refiner": {"ros__parameters": refiner}}))
    bag = tmp_path / "processed.mcap"
    arguments = [recording, "--out", bag, "--params", params, "--stride", STRIDE]
    assert cli.main(["process", *map(str, arguments)]) == 0
    keyframes = [stamp_from_msg(message.header.stamp) for _, _, message in read(bag, ["/keyframes"])]
    return keyframes, [skeletons_from_msg(message) for _, _, message in read(bag, ["/skeletons"])]


@pytest.fixture
def graph(start, random_weights, observer):
    """The nodes on simulated time, active and connected."""
    uplift = {"stride_mode": "fixed", "stride": STRIDE, "latency": LATENCY}
    nodes = [
        start("pose_estimator", use_sim_time=True, stride=STRIDE),
        start("uplift", use_sim_time=True, model=random_weights["uplift"], **uplift),
        start("refiner", use_sim_time=True, method="synsp", model=random_weights["refiner"], delay=DELAY),
    ]
    observer.wait_for_connection("pose_estimator", ("uplift", "keyframes"))
    observer.wait_for_connection("uplift", ("refiner", "skeletons/raw"))
    return nodes


@pytest.mark.parametrize("end", ["by state", "at once"])
def test_a_replay_on_sim_time_gives_the_skeletons_that_process_gives(graph, observer, recording, processed, end):
    keyframes, skeletons = processed
    seen, received = observer.collect(Keyframe2D, "keyframes"), observer.collect(Skeletons, "skeletons")
    raw = observer.collect(Skeletons, "skeletons/raw")
    observer.wait_for_connection("pose_estimator")
    observer.wait_for_connection("refiner")
    command = [sys.executable, command_script(), "play", recording, "--clock", "--wait", "--rate", RATE]
    player = subprocess.Popen(list(map(str, command)))
    observer.wait_for(lambda: player.poll() is not None, timeout=120)
    assert player.returncode == 0
    if end == "at once":  # as launch ends all nodes
        for node in graph:
            node.send(signal.SIGINT)
    else:
        observer.wait_for(lambda: len(raw) >= len(skeletons) - LATENCY)
        observer.change_state("uplift", "deactivate")  # publishes the last frames, as the end of a file does
        observer.wait_for(lambda: len(received) >= len(skeletons) - DELAY)
        observer.change_state("refiner", "deactivate")
    observer.wait_for(lambda: len(received) >= len(skeletons))

    assert [stamp_from_msg(message.header.stamp) for message in seen] == keyframes, "the machine did not keep up"
    live = [skeletons_from_msg(message) for message in received]
    assert [frame.stamp for frame in live] == [frame.stamp for frame in skeletons]
    assert ids(live) == ids(skeletons)
    assert len(joints(live)) > IMAGES
    np.testing.assert_allclose(joints(live), joints(skeletons), atol=ROUNDING, rtol=0)


def ids(frames: list[SkeletonFrame]) -> list[list[str]]:
    return [[person.id for person in frame.persons] for frame in frames]


def joints(frames: list[SkeletonFrame]) -> np.ndarray:
    """(N, 17, 3) of all people in all frames."""
    return np.array([person.joints for frame in frames for person in frame.persons])
