"""Images of videos and bags with the intrinsics that belong to them, as `uplift process` finds them."""

import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from support import clips, recordings
from support.clocks import FRAME

from uplift_ros.bags import recording
from uplift_ros.bags.writer import BagWriter
from uplift_ros.offline import image_sequence
from uplift_ros.poses import ScaleSource


def write_two_cameras(path: Path) -> Path:
    with BagWriter(path) as writer:
        for side, brightness in (("left", 100), ("right", 0)):
            for i in range(clips.FRAMES):
                stamp = recordings.START + i * FRAME
                image = np.full((recordings.CAMERA.height, recordings.CAMERA.width, 3), brightness, np.uint8)
                writer.write(f"/{side}/image_raw", stamp, clips.raw_image(stamp, image))
                writer.write(f"/{side}/camera_info", stamp, recordings.camera_info(stamp))
    return path


def test_several_image_topics_are_listed_to_choose_from(uplift_process, tmp_path, capsys):
    source = write_two_cameras(tmp_path / "in.mcap")
    assert uplift_process(source, "-o", tmp_path / "out.mcap") == 1
    assert re.search("--image-topic .*/left/image_raw, /right/image_raw", capsys.readouterr().err)


@pytest.mark.parametrize(("topic", "people"), [("left/image_raw", 1), ("/right/image_raw", 0)])
def test_the_image_topic_can_be_chosen_and_brings_its_intrinsics(uplift_process, tmp_path, topic, people):
    source = write_two_cameras(tmp_path / "in.mcap")
    assert uplift_process(source, "-o", tmp_path / "out.mcap", "--image-topic", topic) == 0
    results = recording.load(tmp_path / "out.mcap")
    assert {len(frame.persons) for frame in results.skeletons} == {people}
    assert results.camera == recordings.CAMERA


@pytest.mark.parametrize(
    ("option", "named"),
    [
        ("--image-topic", "msg/Image on /odd, .*/left/image_raw, /right/image_raw"),
        ("--camera-info-topic", "msg/CameraInfo on /odd, .*/left/camera_info, /right"),
    ],
)
def test_a_topic_that_is_not_there_is_answered_with_those_that_are(uplift_process, tmp_path, capsys, option, named):
    source = write_two_cameras(tmp_path / "in.mcap")
    # a later option of the same name counts
    code = uplift_process(source, "-o", tmp_path / "out.mcap", "--image-topic", "left/image_raw", option, "odd")
    assert code == 1
    assert re.search(named, capsys.readouterr().err)


def test_intrinsics_from_elsewhere_can_be_chosen(uplift_process, tmp_path):
    source = clips.write_bag(tmp_path / "in.mcap", topic="/cam/image_raw/compressed", info="/calibration")
    assert uplift_process(source, "-o", tmp_path / "found.mcap") == 0
    assert uplift_process(source, "-o", tmp_path / "named.mcap", "--camera-info-topic", "/calibration") == 0
    for name in ("found.mcap", "named.mcap"):
        assert recording.load(tmp_path / name).camera == recordings.CAMERA


@pytest.mark.parametrize("options", [(), ("--camera-info-topic", "")], ids=["the bag has none", "none is wanted"])
def test_without_intrinsics_skeletons_have_no_scale_and_the_summary_says_so(uplift_process, tmp_path, capsys, options):
    source = clips.write_bag(tmp_path / "in.mcap", info="/camera_info" if options else "")
    assert uplift_process(source, "-o", tmp_path / "out.mcap", *options) == 0
    assert "; no_camera_info (" in capsys.readouterr().out
    assert "/camera_info" not in clips.topics(tmp_path / "out.mcap")
    results = recording.load(tmp_path / "out.mcap")
    assert {person.scale_source for frame in results.skeletons for person in frame.persons} == {ScaleSource.NONE}


def test_intrinsics_of_another_image_size_are_not_used_and_the_summary_says_so(uplift_process, tmp_path, capsys):
    source = clips.write_bag(
        tmp_path / "in.mcap", lambda stamp, image: recordings.compressed_image(stamp, cv2.resize(image, clips.SIZE))
    )
    assert uplift_process(source, "-o", tmp_path / "out.mcap") == 0
    assert "; wrong_camera_info (" in capsys.readouterr().out


def test_an_uncalibrated_camera_counts_as_none(uplift_process, tmp_path, capsys, monkeypatch):
    def uncalibrated(stamp):
        message = calibrated(stamp)
        message.k = np.zeros(9)
        return message

    calibrated = recordings.camera_info
    monkeypatch.setattr(recordings, "camera_info", uncalibrated)
    assert uplift_process(clips.write_bag(tmp_path / "in.mcap"), "-o", tmp_path / "out.mcap") == 0
    assert "; no_camera_info (" in capsys.readouterr().out


def test_intrinsics_may_change_during_a_recording(tmp_path):
    with BagWriter(tmp_path / "in.mcap") as writer:
        for time, focal in ((1, 500.0), (2, None), (3, 600.0), (4, None)):
            if focal is None:
                writer.write("/image_raw", time, clips.raw_image(time, clips.picture(0)))
            else:
                info = recordings.camera_info(time)
                info.k = np.array([focal, 0, 160, 0, focal, 120, 0, 0, 1])
                writer.write("/camera_info", time, info)
    frames = image_sequence.BagSequence(tmp_path / "in.mcap").images()
    assert [frame.camera.for_image(320, 240).fx for frame in frames] == [500, 600]


def test_images_before_the_first_camera_info_have_it_too(tmp_path):
    with BagWriter(tmp_path / "in.mcap") as writer:
        writer.write("/image_raw", 1, clips.raw_image(1, clips.picture(0)))
        writer.write("/camera_info", 2, recordings.camera_info(2))
    (frame,) = image_sequence.BagSequence(tmp_path / "in.mcap").images()
    assert frame.camera.for_image(320, 240) == recordings.CAMERA


def test_a_bag_without_images_is_reported_with_its_topics(uplift_process, tmp_path, capsys):
    with BagWriter(tmp_path / "in.mcap") as writer:
        writer.write("/camera_info", 1, recordings.camera_info(1))
    assert uplift_process(tmp_path / "in.mcap", "-o", tmp_path / "out.mcap") == 1
    assert re.search(r"in\.mcap .*images.*/camera_info", capsys.readouterr().err)


def test_images_without_time_are_refused(uplift_process, tmp_path, capsys):
    source = clips.write_bag(tmp_path / "in.mcap", lambda _, image: clips.raw_image(0, image), "/image_raw")
    assert uplift_process(source, "-o", tmp_path / "out.mcap") == 1
    assert re.search(r"/image_raw .*header\.stamp", capsys.readouterr().err)
    assert not (tmp_path / "out.mcap").exists()


def test_several_topics_of_intrinsics_none_beside_the_images_are_listed_to_choose_from(
    uplift_process, tmp_path, capsys
):
    source = tmp_path / "in.mcap"
    with BagWriter(source) as writer:
        image = np.full((recordings.CAMERA.height, recordings.CAMERA.width, 3), 100, np.uint8)
        writer.write("/front/image_raw", recordings.START, clips.raw_image(recordings.START, image))
        for side in ("left", "right"):
            writer.write(f"/{side}/camera_info", recordings.START, recordings.camera_info(recordings.START))
    assert uplift_process(source, "-o", tmp_path / "out.mcap") == 1
    topics = "/front/camera_info.*--camera-info-topic .*/left/camera_info, /right/camera_info"
    assert re.search(topics, capsys.readouterr().err)


def test_a_stream_that_states_no_length_is_read_to_its_end_and_reported(tmp_path):
    image = cv2.imencode(".jpg", np.full((60, 80, 3), 100, np.uint8))[1].tobytes()
    (tmp_path / "clip.mjpeg").write_bytes(7 * image)
    video = image_sequence.VideoSequence(tmp_path / "clip.mjpeg", 0.0, 0.9, "camera")
    assert video.length == 0
    assert len(list(video.images())) == 7
    assert [problem.kind for problem in video.problems] == ["unknown_length"]
    video.close()
