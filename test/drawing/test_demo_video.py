from pathlib import Path

import cv2
import numpy as np
import pytest
from support.clocks import FRAME, START
from support.recordings import CAMERA, header, person, skeletons, waving, write_run

from uplift_ros.bags.reader import BagError
from uplift_ros.bags.writer import BagWriter
from uplift_ros.drawing.demo_video import CHART_HEIGHT, PANEL_HEIGHT, render
from uplift_ros.messages.typestore import message_class


def frames_of(path: Path) -> list[np.ndarray]:
    """Decoded frames, RGB."""
    video = cv2.VideoCapture(str(path))
    frames = []
    while True:
        read, frame = video.read()
        if not read:
            return frames
        frames.append(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))


def rendered(tmp_path: Path, **run) -> list[np.ndarray]:
    render(write_run(tmp_path / "run.mcap", **run), tmp_path / "run.mp4")
    return frames_of(tmp_path / "run.mp4")


def test_a_second_at_50_hz_is_51_frames_of_image_view_and_chart(tmp_path):
    frames = rendered(tmp_path, frames=51)
    assert len(frames) == 51
    width = round(CAMERA.width * PANEL_HEIGHT / CAMERA.height) + PANEL_HEIGHT
    assert frames[0].shape == (PANEL_HEIGHT + CHART_HEIGHT, width, 3)
    assert cv2.VideoCapture(str(tmp_path / "run.mp4")).get(cv2.CAP_PROP_FPS) == 50


def test_a_slower_camera_is_shown_at_the_same_speed(tmp_path):
    assert len(rendered(tmp_path, frames=21, period=2 * FRAME)) == 41


def test_between_keyframes_the_refined_skeleton_is_projected_into_the_image(tmp_path):
    frame = rendered(tmp_path, frames=8)[5]
    scale = PANEL_HEIGHT / CAMERA.height
    x, y = (CAMERA.project(waving(0.1))[5] * scale).round().astype(int)
    red, _, blue = frame[y, x].astype(int)
    assert red - blue > 80, "the left knee is warm"


def test_only_keyframes_have_the_rings_of_detected_keypoints(tmp_path):
    frames = rendered(tmp_path, frames=16)
    x, y = (CAMERA.project(waving(0.2))[2] * PANEL_HEIGHT / CAMERA.height).round().astype(int)
    whites = [(frame[y - 8 : y + 9, x - 8 : x + 9].min(-1) > 150).sum() for frame in frames[9:12]]
    assert whites[1] > whites[0] + 5
    assert whites[1] > whites[2] + 5


def test_the_true_pose_is_named_if_there_is_one(tmp_path):
    legend = (slice(30, 48), slice(652, 760))
    with_truth, without = rendered(tmp_path, frames=3)[0], rendered(tmp_path, frames=3, truth=None)[0]
    assert with_truth[legend].max() > without[legend].max() + 40


def test_without_images_the_skeleton_stands_in_the_dark(tmp_path):
    frames = rendered(tmp_path, frames=3, images=False)
    assert len(frames) == 3
    assert np.median(frames[0][:PANEL_HEIGHT, :600]) < 10


def test_raw_images_are_shown_in_their_own_colours(tmp_path):
    data = np.tile(np.array((20, 40, 220), np.uint8), 64 * 48)
    image = message_class("sensor_msgs/msg/Image")
    with BagWriter(tmp_path / "run.mcap") as writer:
        for i in range(3):
            stamp = START + i * FRAME
            writer.write("/image_raw", stamp, image(header(stamp), 48, 64, "bgr8", 0, 192, data))
    render(tmp_path / "run.mcap", tmp_path / "run.mp4")
    np.testing.assert_allclose(frames_of(tmp_path / "run.mp4")[2][240, 320], (220, 40, 20), atol=12)


def test_people_may_come_and_go(tmp_path):
    with BagWriter(tmp_path / "run.mcap") as writer:
        for i, names in enumerate(([], ["p1"], ["p1", "p2"], [])):
            stamp = START + i * FRAME
            people = [person(waving(0.0) + np.array((k, 0, 0)), name) for k, name in enumerate(names)]
            writer.write("/skeletons", stamp, skeletons(stamp, *people))
    render(tmp_path / "run.mcap", tmp_path / "run.mp4")
    views = [frame[:PANEL_HEIGHT, PANEL_HEIGHT:].astype(int) for frame in frames_of(tmp_path / "run.mp4")]
    brightness = [int((view.max(-1) > 110).sum()) for view in views]
    assert brightness[0] < brightness[1] < brightness[2]
    assert brightness[3] < brightness[1]


def test_a_bag_without_anything_to_see_is_rejected(tmp_path):
    with BagWriter(tmp_path / "run.mcap") as writer:
        writer.write("/ground_truth", START, skeletons(START, person(waving(0.0))))
    with pytest.raises(BagError, match="bag"):
        render(tmp_path / "run.mcap", tmp_path / "run.mp4")


def test_nothing_is_left_at_the_path_when_rendering_fails(tmp_path):
    with pytest.raises(BagError, match="bag"):
        render(tmp_path / "none.mcap", tmp_path / "run.mp4")
    assert not list(tmp_path.iterdir())


def test_codecs_that_are_missing_print_nothing(tmp_path, capfd):
    rendered(tmp_path, frames=2)
    assert capfd.readouterr().err == ""


def test_a_folder_that_takes_no_video_is_reported(tmp_path):
    (tmp_path / "file").touch()
    write_run(tmp_path / "run.mcap", frames=2)
    with pytest.raises(OSError, match="file"):
        render(tmp_path / "run.mcap", tmp_path / "file" / "run.mp4")


def test_a_kind_of_file_that_opencv_does_not_write_is_named(tmp_path):
    write_run(tmp_path / "run.mcap", frames=2)
    with pytest.raises(OSError, match=r"run\.odd"):
        render(tmp_path / "run.mcap", tmp_path / "run.odd")
    assert [path.name for path in tmp_path.iterdir()] == ["run.mcap"]
