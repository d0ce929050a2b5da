"""`uplift process` with the parameter use_depth: people in the size that the depth images of a bag measure."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from support import clips, recordings, tiny

from uplift_ros import cli
from uplift_ros.bags import recording
from uplift_ros.bags.writer import BagWriter
from uplift_ros.messages.typestore import message_class
from uplift_ros.poses import ScaleSource

LARGER = 1.15
"""How many times farther away depth sees the person than a person of the parameter's height would be."""


@pytest.fixture
def with_depth(estimator, tmp_path) -> Path:
    """Parameters with use_depth."""
    return tiny.write_parameters(tmp_path, use_depth="true")


def write_bag(path: Path, metres: float, late: int = 0, without_time: int | None = None) -> Path:
    """The pictures, with flat depth images that come `late` nanoseconds after them and by their stamps.

    Args:
        without_time: number of a depth image whose stamp is no time.
    """
    with BagWriter(path) as writer:
        for i in range(clips.FRAMES):
            stamp = recordings.START + i * 10**9 // clips.FPS
            writer.write("/camera_info", stamp, recordings.camera_info(stamp))
            size = (recordings.CAMERA.width, recordings.CAMERA.height)
            image = cv2.resize(clips.picture(i), size)
            writer.write("/image_raw", stamp, clips.raw_image(stamp, image))
            depth = np.full(size[::-1], 1000 * metres, np.uint16)
            message = message_class("sensor_msgs/msg/Image")(
                recordings.header(stamp + late), *depth.shape, "16UC1", 0, 2 * size[0], depth.view(np.uint8).ravel()
            )
            if i == without_time:
                message.header.stamp.nanosec = 2**31
            writer.write("/depth", stamp + late + 5_000_000, message)
    return path


def process(source: Path, out: Path, parameters: Path, *arguments: str) -> int:
    return cli.main(["process", str(source), "-o", str(out), "--params", str(parameters), *arguments])


def pelvis_distance(bag: Path) -> float:
    """Mean, in metres, over the skeletons."""
    frames = recording.load(bag).raw_skeletons
    return float(np.mean([person.joints[0, 2] for frame in frames for person in frame.persons]))


def scales(bag: Path) -> set[ScaleSource]:
    return {person.scale_source for frame in recording.load(bag).raw_skeletons for person in frame.persons}


def test_people_have_the_size_that_depth_measures(with_depth, parameters, tmp_path):
    plain = write_bag(tmp_path / "in.mcap", 1.0)
    assert process(plain, tmp_path / "assumed.mcap", parameters, "--image-topic", "image_raw") == 0
    assumed = pelvis_distance(tmp_path / "assumed.mcap")
    source = write_bag(tmp_path / "measured_in.mcap", LARGER * assumed)
    assert process(source, tmp_path / "measured.mcap", with_depth) == 0
    assert scales(tmp_path / "assumed.mcap") == {ScaleSource.PRIOR}
    assert scales(tmp_path / "measured.mcap") == {ScaleSource.DEPTH}
    assert LARGER * assumed < pelvis_distance(tmp_path / "measured.mcap") < LARGER * assumed + 0.2  # behind the skin


def test_depth_of_another_time_is_not_used_and_counted(with_depth, tmp_path, capsys):
    source = write_bag(tmp_path / "in.mcap", 3.0, late=20_000_000)
    assert process(source, tmp_path / "out.mcap", with_depth, "--stride", "10") == 0
    assert "no_depth (6)" in capsys.readouterr().out
    assert scales(tmp_path / "out.mcap") == {ScaleSource.PRIOR}


def test_a_depth_image_without_a_time_costs_itself(with_depth, tmp_path, capsys):
    source = write_bag(tmp_path / "in.mcap", 3.0, without_time=10)
    assert process(source, tmp_path / "out.mcap", with_depth, "--stride", "10") == 0
    assert "no_depth (1)" in capsys.readouterr().out


def test_a_bag_without_the_depth_topic_is_refused(with_depth, tmp_path, capsys):
    source = write_bag(tmp_path / "in.mcap", 3.0)
    assert process(source, tmp_path / "out.mcap", with_depth, "--depth-topic", "aligned") == 1
    assert "/aligned" in capsys.readouterr().err
    assert not (tmp_path / "out.mcap").exists()


def test_a_video_is_refused(with_depth, clip, tmp_path, capsys):
    assert process(clip, tmp_path / "out.mcap", with_depth) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "use_depth" in line
