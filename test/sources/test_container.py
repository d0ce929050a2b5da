"""Metadata of video containers: turned and mirrored, wide pixels, several tracks, cut off, or no video."""

import struct
from pathlib import Path

import cv2
import numpy as np
import pytest

from uplift_ros.sources import open_source
from uplift_ros.sources.container import read_container

OPTIONS = {"loop": False, "width": 0, "height": 0, "horizontal_fov": 1.0}
ONE = 1 << 16
SIZE = (96, 64)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Twenty frames at 20 Hz, white in the upper left corner, red in the upper right one."""
    path = tmp_path / "clip.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 20.0, SIZE)
    image = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    image[:32, :32], image[:32, -32:] = 255, (0, 0, 255)
    for _ in range(20):
        writer.write(image)
    writer.release()
    return path


def set_matrix(path: Path, a: int, b: int, c: int, d: int) -> Path:
    data = bytearray(path.read_bytes())
    struct.pack_into(">5i", data, data.index(b"tkhd") + 44, a * ONE, b * ONE, 0, c * ONE, d * ONE)
    path.write_bytes(data)
    return path


def with_index_first(path: Path) -> Path:
    """File for the web: moov before mdat, with the offsets of the samples moved by its length."""
    data = path.read_bytes()
    begin = data.index(b"moov") - 4
    moov = bytearray(data[begin:])
    at = moov.index(b"stco") + 8
    (count,) = struct.unpack_from(">I", moov, at)
    for place in range(at + 4, at + 4 + 4 * count, 4):
        struct.pack_into(">I", moov, place, struct.unpack_from(">I", moov, place)[0] + len(moov))
    head = struct.unpack(">I", data[:4])[0]
    path.write_bytes(data[:head] + moov + data[head:begin])
    return path


ORIENTATIONS = {
    (1, 0, 0, 1): lambda image: image,
    (-1, 0, 0, 1): np.fliplr,
    (1, 0, 0, -1): np.flipud,
    (-1, 0, 0, -1): lambda image: np.rot90(image, 2),
    (0, 1, -1, 0): lambda image: np.rot90(image, -1),  # clockwise, as phones are held
    (0, -1, 1, 0): np.rot90,
    (0, 1, 1, 0): lambda image: image.transpose(1, 0, 2),
    (0, -1, -1, 0): lambda image: np.rot90(image, 2).transpose(1, 0, 2),
}


@pytest.mark.parametrize("matrix", ORIENTATIONS)
def test_images_of_all_eight_orientations_are_upright(clip, matrix):
    plain = next(open_source(str(clip), **OPTIONS).frames()).image
    source = open_source(str(set_matrix(clip, *matrix)), **OPTIONS)
    image = next(source.frames()).image
    np.testing.assert_array_equal(image, ORIENTATIONS[matrix](plain))
    assert (source.camera.width, source.camera.height) == image.shape[1::-1]


class WidePixels:
    """Replacement of cv2.VideoCapture: pixels 4:3."""

    def __init__(self, path: str) -> None:
        self._capture = self.real(path)

    def get(self, key: int) -> float:
        return {cv2.CAP_PROP_SAR_NUM: 4.0, cv2.CAP_PROP_SAR_DEN: 3.0}.get(key) or self._capture.get(key)

    def __getattr__(self, name: str):
        return getattr(self._capture, name)


@pytest.mark.parametrize(("matrix", "aspect"), [((1, 0, 0, 1), 4 / 3), ((0, 1, -1, 0), 3 / 4)])
def test_pixels_that_are_no_squares_are_so_in_the_camera(clip, monkeypatch, matrix, aspect):
    monkeypatch.setattr(WidePixels, "real", cv2.VideoCapture, raising=False)
    monkeypatch.setattr(cv2, "VideoCapture", WidePixels)
    camera = open_source(str(set_matrix(clip, *matrix)), **OPTIONS).camera
    assert camera.fx == pytest.approx(camera.width / 2 / np.tan(0.5))
    assert camera.fy / camera.fx == pytest.approx(aspect)


@pytest.mark.parametrize("name", ["2024-05-01T10:20:30.mp4", "rtsp:1.mp4", "100%d.mp4"])
def test_files_of_any_name_are_read_where_one_is(clip, monkeypatch, name):
    clip.rename(clip.with_name(name))
    monkeypatch.chdir(clip.parent)
    assert len(list(open_source(name, **OPTIONS).frames())) == 20


def test_frames_that_a_cut_off_file_lacks_are_counted(clip):
    whole = with_index_first(clip)
    source = open_source(str(whole), **OPTIONS)
    assert (len(list(source.frames())), source.missing) == (20, 0)
    whole.write_bytes(whole.read_bytes()[: -whole.stat().st_size // 4])
    source = open_source(str(whole), **OPTIONS)
    shown = len(list(source.frames()))
    assert shown < 20
    assert source.missing == 20 - shown


def test_a_recording_without_its_index_is_named_as_one(clip):
    data = clip.read_bytes()
    clip.write_bytes(data[: data.index(b"moov") - 4])
    with pytest.raises(ValueError, match=r"clip\.mp4.*moov"):
        open_source(str(clip), **OPTIONS)


def with_thumbnail(path: Path) -> Path:
    """Insert a track of one frame before the video; moov is the last box, so no offset changes."""
    data = path.read_bytes()
    begin, end = data.index(b"moov") - 4, data.index(b"trak") - 4
    (size,) = struct.unpack_from(">I", data, end)
    track = bytearray(data[end : end + size])
    for box, offset, value in ((b"tkhd", 24, 40), (b"tkhd", 16, 2), (b"stts", 12, 1), (b"stsz", 12, 1)):
        struct.pack_into(">I", track, track.index(box) + offset, value)  # duration in ms, id, frames
    (length,) = struct.unpack_from(">I", data, begin)
    path.write_bytes(data[:begin] + struct.pack(">I", length + size) + data[begin + 4 : end] + track + data[end:])
    return path


def test_a_thumbnail_before_the_video_is_not_taken_for_it(clip):
    plain = next(open_source(str(clip), **OPTIONS).frames()).image
    thumbnail, track = read_container(with_thumbnail(clip)).tracks
    assert (thumbnail.seconds, track.seconds) == (0.04, 1.0)
    source = open_source(str(clip), **OPTIONS)
    np.testing.assert_array_equal(next(source.frames()).image, plain)
    assert (len(list(source.frames())), source.missing) == (20, 0)
    source.close()


@pytest.mark.parametrize(("roll", "matrix"), [(None, 0), (90, 6), (180, 2), (-90, 7)])
def test_mirrored_matroska_files_have_the_matrix_of_mp4(tmp_path, roll, matrix):
    rolled = b"" if roll is None else b"\x76\x75\x88" + struct.pack(">d", roll)
    inside = b"\x76\x73\x88" + struct.pack(">d", 180.0) + rolled
    head = b"\x1aE\xdf\xa3" + bytes(300) + b"\x76\x70" + bytes([128 + len(inside)]) + inside + bytes(300)
    (tmp_path / "clip.mkv").write_bytes(head)
    (track,) = read_container(tmp_path / "clip.mkv").tracks
    expected = {0: np.fliplr, 2: np.flipud, 6: ORIENTATIONS[0, 1, 1, 0], 7: ORIENTATIONS[0, -1, -1, 0]}[matrix]
    image = np.arange(6 * 4 * 3, dtype=np.uint8).reshape(6, 4, 3)
    np.testing.assert_array_equal(track.upright(image), expected(image))


@pytest.mark.parametrize("content", [b"", b"hello", bytes(range(256))])
def test_the_code_of_a_format_is_named_only_if_there_is_one(tmp_path, content):
    (tmp_path / "clip.mp4").write_bytes(content)
    with pytest.raises(ValueError, match=r"clip.mp4.*unknown format$"):
        open_source(str(tmp_path / "clip.mp4"), **OPTIONS)


def test_other_formats_say_nothing_and_damaged_ones_no_more(clip, tmp_path):
    (tmp_path / "clip.mkv").write_bytes(b"\x1aE\xdf\xa3" + bytes(100))
    assert read_container(tmp_path / "clip.mkv") is None
    data = clip.read_bytes()
    for end in range(0, len(data), 97):
        clip.write_bytes(data[:end])
        read_container(clip)


def test_an_address_is_a_stream_and_no_missing_file(monkeypatch):
    asked = []

    class Capture:
        def __init__(self, address: str) -> None:
            asked.append(address)

        def read(self):
            return True, np.zeros((48, 64, 3), np.uint8)

        def get(self, _key: int) -> float:
            return 0.0

    monkeypatch.setattr(cv2, "VideoCapture", Capture)
    camera = open_source("rtsp://camera.local:554/main", **OPTIONS).camera
    assert (asked, camera.width) == (["rtsp://camera.local:554/main"], 64)


def test_a_bag_is_no_source_whatever_its_name(tmp_path):
    (tmp_path / "walk.mp4").write_bytes(b"#ROSBAG V2.0\n")
    with pytest.raises(ValueError, match=r"walk\.mp4' is a bag"):
        open_source(str(tmp_path / "walk.mp4"), **OPTIONS)
