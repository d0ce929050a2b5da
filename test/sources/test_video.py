"""Video files and webcams: times, colours, looping, and refused files."""

import itertools
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from uplift_ros.sources import open_source, video, without_password
from uplift_ros.sources.synthetic.synthetic_source import SyntheticSource

OPTIONS = {"loop": False, "width": 0, "height": 0, "horizontal_fov": 1.0}


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Five frames at 20 Hz, 64x48, getting redder."""
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 20.0, (64, 48))
    for red in range(0, 250, 50):
        writer.write(np.full((48, 64, 3), (0, 0, red), np.uint8))
    writer.release()
    return path


class FakeCapture:
    """Replacement of cv2.VideoCapture: one grey frame for every time in `milliseconds`."""

    milliseconds: tuple[float, ...] = ()
    fps = 10.0

    def __init__(self, *_: object) -> None:
        self._next = 0

    def grab(self) -> bool:
        self._next += 1
        return self._next <= len(self.milliseconds)

    def retrieve(self) -> tuple[bool, np.ndarray]:
        return True, np.zeros((48, 64, 3), np.uint8)

    def read(self) -> tuple[bool, np.ndarray | None]:
        return self.retrieve() if self.grab() else (False, None)

    def get(self, key: int) -> float:
        known = {cv2.CAP_PROP_FPS: self.fps, cv2.CAP_PROP_FRAME_COUNT: len(self.milliseconds)}
        return known[key] if key in known else self.milliseconds[self._next - 1]

    def set(self, key: int, value: float) -> bool:
        return True

    def release(self) -> None:
        pass


def times_in_ms(source: video.VideoFile | video.Webcam) -> list[float]:
    return [frame.time / 1e6 for frame in source.frames()]


def test_a_video_has_the_times_of_its_container(clip: Path) -> None:
    source = open_source(str(clip), **OPTIONS)
    assert times_in_ms(source) == [0, 50, 100, 150, 200]
    assert source.fps == 20


def test_a_name_need_not_be_text(clip: Path) -> None:
    renamed = clip.rename(os.fsdecode(os.fsencode(clip.with_name("lat")) + b"\xe9.avi"))
    source = open_source(str(renamed), **OPTIONS)
    assert len(list(source.frames())) == 5
    source.close()


def test_a_video_can_be_read_again(clip: Path) -> None:
    source = open_source(str(clip), **OPTIONS)
    assert times_in_ms(source) == times_in_ms(source)


def test_images_are_rgb_and_have_no_truth(clip: Path) -> None:
    frame = next(itertools.islice(open_source(str(clip), **OPTIONS).frames(), 4, None))
    assert frame.image.shape == (48, 64, 3)
    np.testing.assert_allclose(frame.image.mean((0, 1)), [200, 0, 0], atol=4)
    assert frame.truth is None


def test_a_video_decodes_no_image_that_is_not_used(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    monkeypatch.setattr(video.VideoFile, "_retrieve", lambda _, position: made.append(position))
    for frame in open_source(str(clip), **OPTIONS).frames():
        if frame.time == 100_000_000:
            assert frame.image is frame.image
    assert made == [2]


def test_an_image_asked_for_too_late_is_not_another_frames_image(clip: Path) -> None:
    frames = open_source(str(clip), **OPTIONS).frames()
    first = next(frames)
    next(frames)
    with pytest.raises(RuntimeError, match=r"frame 0 of .*clip\.avi"):
        _ = first.image


def test_a_video_reports_its_number_of_frames(clip: Path) -> None:
    assert open_source(str(clip), **OPTIONS).length == 5


def test_the_time_of_a_looped_video_continues(clip: Path) -> None:
    source = open_source(str(clip), **(OPTIONS | {"loop": True}))
    times = [frame.time for frame in itertools.islice(source.frames(), 12)]
    np.testing.assert_array_equal(np.diff(times), 50_000_000)


def test_a_given_rate_replaces_the_times_of_the_container(clip: Path) -> None:
    source = open_source(str(clip), fps=50.0, **OPTIONS)
    assert times_in_ms(source) == [0, 20, 40, 60, 80]


def test_uneven_times_are_kept(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeCapture, "milliseconds", (40, 73, 140, 141))
    monkeypatch.setattr(cv2, "VideoCapture", FakeCapture)
    assert times_in_ms(open_source(str(clip), **OPTIONS)) == [0, 33, 100, 101]


@pytest.mark.parametrize("milliseconds", [(0, 0, 0, 0), (0, float("nan"), -5, 50)])
def test_times_that_do_not_increase_are_replaced(
    clip: Path, monkeypatch: pytest.MonkeyPatch, milliseconds: tuple[float, ...]
) -> None:
    monkeypatch.setattr(FakeCapture, "milliseconds", milliseconds)
    monkeypatch.setattr(cv2, "VideoCapture", FakeCapture)
    assert times_in_ms(open_source(str(clip), **OPTIONS)) == [0, 100, 200, 300]


@pytest.mark.parametrize("fps", [0.0, float("nan"), 90_000.0])
def test_a_container_without_a_frame_rate_gets_one(clip: Path, monkeypatch: pytest.MonkeyPatch, fps: float) -> None:
    monkeypatch.setattr(FakeCapture, "milliseconds", (0, 0))
    monkeypatch.setattr(FakeCapture, "fps", fps)
    monkeypatch.setattr(cv2, "VideoCapture", FakeCapture)
    assert open_source(str(clip), **OPTIONS).fps == video.FALLBACK_FPS


def test_the_field_of_view_makes_the_camera(clip: Path) -> None:
    camera = open_source(str(clip), **(OPTIONS | {"horizontal_fov": np.pi / 2})).camera
    assert (camera.width, camera.height) == (64, 48)
    assert camera.fx == pytest.approx(32)


def test_a_webcam_is_read_until_it_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeCapture, "milliseconds", (0, 0, 0))
    monkeypatch.setattr(cv2, "VideoCapture", FakeCapture)
    times = times_in_ms(open_source("0", **OPTIONS))
    assert len(times) == 2  # the first frame set the size
    assert times[0] == 0
    assert times[1] > 0


def test_synthetic_is_a_source_with_its_own_size_and_rate() -> None:
    source = open_source("synthetic", **OPTIONS)
    assert isinstance(source, SyntheticSource)
    assert (source.camera.width, source.camera.height, source.fps) == (640, 480, 50.0)


def test_a_missing_video_is_named() -> None:
    with pytest.raises(FileNotFoundError, match=r"source.*nowhere/clip\.mp4"):
        open_source("nowhere/clip.mp4", **OPTIONS)


def test_a_file_that_is_no_video_is_refused(tmp_path: Path) -> None:
    text = tmp_path / "notes.mp4"
    text.write_text("not a video")
    with pytest.raises(ValueError, match="source"):
        open_source(str(text), **OPTIONS)


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="source"):
        open_source(str(tmp_path), **OPTIONS)


@pytest.mark.parametrize("name", ["", "sintetic", "-1"])
def test_an_unknown_source_is_refused_with_those_that_exist(name: str) -> None:
    with pytest.raises(ValueError, match="source"):
        open_source(name, **OPTIONS)


def test_a_camera_that_is_not_there_is_named() -> None:
    with pytest.raises(ValueError, match="source"):
        open_source("63", **OPTIONS)


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("fps", -1.0, "fps"),
        ("fps", float("nan"), "fps"),
        ("width", -640, "width"),
        ("horizontal_fov", 4.0, "horizontal_fov"),
    ],
)
def test_a_value_out_of_range_is_named(clip: Path, option: str, value: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        open_source(str(clip), **(OPTIONS | {option: value}))


def test_a_looped_video_that_is_gone_ends(clip: Path) -> None:
    frames = open_source(str(clip), **(OPTIONS | {"loop": True})).frames()
    first = [next(frames).time for _ in range(7)]
    clip.unlink()
    rest = [frame.time for frame in itertools.islice(frames, 20)]
    np.testing.assert_array_equal(np.diff(first + rest), 50_000_000)
    assert len(first + rest) == 10, "what was open is shown to its end"


def test_a_frame_that_cannot_be_decoded_is_named(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeCapture, "milliseconds", (0, 50))
    monkeypatch.setattr(cv2, "VideoCapture", FakeCapture)
    frame = next(open_source(str(clip), **OPTIONS).frames())
    monkeypatch.setattr(FakeCapture, "retrieve", lambda _: (False, None))
    with pytest.raises(ValueError, match=r"source.*clip\.avi"):
        _ = frame.image


def test_a_webcam_is_configured_with_the_requested_size_and_rate_only(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {}
    monkeypatch.setattr(FakeCapture, "milliseconds", (0, 0))
    monkeypatch.setattr(FakeCapture, "set", lambda _, key, value: asked.update({key: value}))
    monkeypatch.setattr(cv2, "VideoCapture", FakeCapture)
    open_source("0", fps=30.0, **(OPTIONS | {"width": 1280}))
    assert asked == {cv2.CAP_PROP_FPS: 30.0, cv2.CAP_PROP_FRAME_WIDTH: 1280}


def test_an_empty_file_is_called_empty(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    with pytest.raises(ValueError, match=r"empty\.mp4.*0 bytes"):
        open_source(str(tmp_path / "empty.mp4"), **OPTIONS)


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("rtsp://user:secret@camera:554/live@1", "rtsp://camera:554/live@1"),
        ("http://camera/live", "http://camera/live"),
        ("video@home.mp4", "video@home.mp4"),
    ],
)
def test_a_password_is_not_shown(source: str, shown: str) -> None:
    assert without_password(source) == shown
