"""Metadata of video containers: turned and mirrored, wide pixels, several tracks, cut off, or no video."""

import struct
import tarfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.matroska import element, write_matroska

from uplift_ros.sources import open_source
from uplift_ros.sources.container import ends_early, read_container

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


PICTURES = [np.full((48, 64, 3), 60 + 5 * i, np.uint8) for i in range(20)]
COVER = [np.zeros((96, 128, 3), np.uint8)]


@pytest.mark.parametrize("tracks", [(COVER, PICTURES), (PICTURES, COVER), (COVER, PICTURES, COVER)])
def test_the_longest_track_of_a_matroska_file_is_read(tmp_path, tracks):
    path = write_matroska(tmp_path / "clip.mkv", *tracks)
    assert [track.seconds for track in read_container(path).tracks] == [0.04 * len(track) for track in tracks]
    source = open_source(str(path), **OPTIONS)
    means = [frame.image.mean() for frame in source.frames()]
    np.testing.assert_allclose(means, [picture.mean() for picture in PICTURES], atol=2)
    assert source.missing == 0
    source.close()


def test_what_a_matroska_file_lacks_of_its_longest_track_is_counted(tmp_path):
    path = write_matroska(tmp_path / "clip.mkv", PICTURES)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    source = open_source(str(path), **OPTIONS)
    shown = len(list(source.frames()))
    assert 0 < shown < 20
    assert source.missing == 20 - shown


@pytest.mark.parametrize(
    ("roll", "orientation"),
    [(0.0, lambda image: image), (90.0, np.rot90), (180.0, lambda image: image[::-1, ::-1]),
     (-90.0, lambda image: np.rot90(image, -1))],
)  # fmt: skip
def test_a_rotated_matroska_file_is_upright_whichever_track_is_read(tmp_path, roll, orientation):
    pictures = [cv2.rectangle(picture.copy(), (0, 0), (20, 12), (255, 0, 0), -1) for picture in PICTURES]
    plain = next(open_source(str(write_matroska(tmp_path / "plain.mkv", pictures)), **OPTIONS).frames()).image
    path = write_matroska(tmp_path / "clip.mkv", COVER, pictures, rolls=[0.0, roll])
    image = next(open_source(str(path), **OPTIONS).frames()).image
    np.testing.assert_array_equal(image, orientation(plain))


@pytest.mark.parametrize(("roll", "matrix"), [(None, 0), (90, 6), (180, 2), (-90, 7)])
def test_mirrored_matroska_files_have_the_matrix_of_mp4(tmp_path, roll, matrix):
    pose = element(0x7670, element(0x7673, 180.0), *([] if roll is None else [element(0x7675, float(roll))]))
    entry = element(0xAE, element(0x83, 1), element(0xE0, pose))
    content = element(0x1A45DFA3) + element(0x18538067, element(0x1654AE6B, entry))
    (tmp_path / "clip.mkv").write_bytes(content)
    (track,) = read_container(tmp_path / "clip.mkv").tracks
    expected = {0: np.fliplr, 2: np.flipud, 6: ORIENTATIONS[0, 1, 1, 0], 7: ORIENTATIONS[0, -1, -1, 0]}[matrix]
    image = np.arange(6 * 4 * 3, dtype=np.uint8).reshape(6, 4, 3)
    np.testing.assert_array_equal(track.upright(image), expected(image))


@pytest.mark.skipif(not hasattr(cv2, "imencodemulti"), reason="this OpenCV writes no GIF")
def test_a_gif_that_ends_within_an_image_is_incomplete(tmp_path):
    gif = tmp_path / "clip.gif"
    _, data = cv2.imencodemulti(".gif", PICTURES)
    gif.write_bytes(data)
    source = open_source(str(gif), **OPTIONS)
    assert (len(list(source.frames())), source.missing) == (20, 0)
    gif.write_bytes(data[: len(data) * 3 // 4])
    source = open_source(str(gif), **OPTIONS)
    assert 0 < len(list(source.frames())) < 20
    assert source.missing == 1


def test_a_transport_stream_that_ends_within_a_packet_is_incomplete(tmp_path):
    packet = b"\x47" + bytes(187)
    for content, expected in (
        (3 * packet, False),
        (3 * packet + packet[:100], True),
        (b"\x47" * 10, False),
        (b"", False),
    ):
        (tmp_path / "clip.ts").write_bytes(content)
        assert ends_early(tmp_path / "clip.ts") == expected


@pytest.mark.parametrize("content", [b"hello", bytes(range(256))])
def test_the_code_of_a_format_is_named_only_if_there_is_one(tmp_path, content):
    (tmp_path / "clip.mp4").write_bytes(content)
    with pytest.raises(ValueError, match=r"clip.mp4.*unknown format$"):
        open_source(str(tmp_path / "clip.mp4"), **OPTIONS)


def test_damaged_descriptions_of_tracks_harm_nothing(clip, tmp_path):
    random = np.random.default_rng(0)
    for path in (clip, write_matroska(tmp_path / "clip.mkv", COVER, PICTURES)):
        data = path.read_bytes()
        for end in range(0, len(data), 97):
            path.write_bytes(data[:end])
            read_container(path)
        for _ in range(100):
            changed = np.frombuffer(data, np.uint8).copy()
            changed[random.integers(0, 600, 5)] = random.integers(0, 256, 5)
            path.write_bytes(changed.tobytes())
            read_container(path)
    (tmp_path / "clip.webm").write_bytes(b"\x1aE\xdf\xa3")
    assert read_container(tmp_path / "clip.webm") is None


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


def test_images_inside_of_another_file_are_no_video(tmp_path):
    jpegs = b"".join(cv2.imencode(".jpg", picture)[1].tobytes() for picture in PICTURES)
    (tmp_path / "clip.mjpeg").write_bytes(jpegs)
    assert len(list(open_source(str(tmp_path / "clip.mjpeg"), **OPTIONS).frames())) == 20
    with tarfile.open(tmp_path / "bags.tar", "w") as archive:
        archive.add(tmp_path / "clip.mjpeg", "walk.mcap")
    (tmp_path / "damaged").write_bytes(b"\x89MCAQ0\r\n" + jpegs)
    for name in ("bags.tar", "damaged"):
        with pytest.raises(ValueError, match=rf"{name}.*not a video"):
            open_source(str(tmp_path / name), **OPTIONS)


def test_a_bag_is_no_source_whatever_its_name(tmp_path):
    (tmp_path / "walk.mp4").write_bytes(b"#ROSBAG V2.0\n")
    with pytest.raises(ValueError, match=r"walk\.mp4' is a bag"):
        open_source(str(tmp_path / "walk.mp4"), **OPTIONS)
