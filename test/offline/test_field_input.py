"""Input of cameras, bags and videos from the field: intrinsics in metres, and missing data is counted."""

import re

import cv2
import numpy as np
import pytest
from support import clips, recordings
from support.pictures import exif

from uplift_ros.bags import recording
from uplift_ros.bags.reader import read
from uplift_ros.camera import Camera
from uplift_ros.intrinsics import Calibration
from uplift_ros.offline import image_sequence
from uplift_ros.offline.image_sequence import BagSequence, VideoSequence
from uplift_ros.poses import ScaleSource

SIZE = (recordings.CAMERA.width, recordings.CAMERA.height)


def write(folder, monkeypatch, change=lambda message: None, image=lambda stamp, pixels: None, topic="/cam/image_raw"):
    """A bag of clips.write_bag, with every camera_info changed, and the images that `image` replaces."""
    whole = recordings.camera_info

    def changed(stamp):
        message = whole(stamp)
        change(message)
        return message

    with monkeypatch.context() as patch:
        patch.setattr(recordings, "camera_info", changed)
        return clips.write_bag(
            folder / "in.mcap",
            lambda stamp, pixels: image(stamp, pixels) or recordings.compressed_image(stamp, pixels),
            f"{topic}/compressed",
            "/cam/camera_info",
        )


def cameras(path, **options) -> set:
    """The cameras of the images of a bag."""
    sequence = BagSequence(path, **options)
    found = {frame.camera and frame.camera.for_image(*SIZE) for frame in sequence.images()}
    sequence.close()
    return found


def cropped(message) -> None:
    message.width, message.height = 640, 480
    message.k = np.array([500.0, 0, 319.5, 0, 500, 199.5, 0, 0, 1])
    message.roi.x_offset, message.roi.y_offset, message.roi.width, message.roi.height = 160, 80, 320, 240


def binned(message) -> None:
    message.width, message.height, message.binning_x, message.binning_y = 640, 480, 2, 2
    message.k = np.array([1000.0, 0, 319.5, 0, 1000, 239.5, 0, 0, 1])


def distorted(message) -> None:
    message.k, message.d = np.array([600.0, 0, 170, 0, 600, 110, 0, 0, 1]), np.array([-0.3, 0.1, 0, 0, 0])


@pytest.mark.parametrize(
    ("change", "topic"), [(cropped, "/cam/image_raw"), (binned, "/cam/image_raw"), (distorted, "/cam/image_rect_color")]
)
def test_images_of_a_bag_have_the_camera_that_took_them_as_they_are(
    uplift_process, tmp_path, monkeypatch, change, topic
):
    plain = write(tmp_path, monkeypatch).rename(tmp_path / "plain.mcap")
    assert uplift_process(plain, "-o", tmp_path / "expected.mcap") == 0
    assert uplift_process(write(tmp_path, monkeypatch, change, topic=topic), "-o", tmp_path / "out.mcap") == 0
    expected, results = (recording.load(tmp_path / name) for name in ("expected.mcap", "out.mcap"))
    assert results.camera == expected.camera == recordings.CAMERA
    for frame, same in zip(results.skeletons, expected.skeletons, strict=True):
        np.testing.assert_allclose(frame.persons[0].joints, same.persons[0].joints)


def turned_by_exif(orientation: int, turns: int):
    """A message maker: pictures lie as the sensor was held, and EXIF says how to turn them upright."""

    def make(stamp, picture):
        message = recordings.compressed_image(stamp, np.rot90(picture, turns).copy())
        data = message.data.tobytes()
        message.data = np.frombuffer(data[:2] + exif(orientation) + data[2:], np.uint8)
        return message

    return make


@pytest.mark.parametrize(("orientation", "turns"), [(3, 2), (6, 1), (8, 3)])
def test_images_that_exif_rotates_have_the_rotated_camera(tmp_path, monkeypatch, orientation, turns):
    def change(message) -> None:  # the sensor's own: its principal point is not in the middle
        message.width, message.height = (320, 240) if turns == 2 else (240, 320)
        message.k = np.array([500.0, 0, message.width // 2 - 10, 0, 510, message.height // 2 + 10, 0, 0, 1])
        message.d = np.zeros(5)

    path = write(tmp_path, monkeypatch, change, turned_by_exif(orientation, turns))
    sequence = BagSequence(path)
    image = next(sequence.images())
    height, width = image.image().shape[:2]
    camera = image.camera.for_image(width, height)
    sequence.close()
    expected = {3: (500, 510, 169, 109), 6: (510, 500, 149, 110), 8: (510, 500, 170, 129)}[orientation]
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == expected
    assert (camera.width, camera.height) == (width, height)


def test_rectified_images_of_another_name_are_known_by_the_parameter(tmp_path, monkeypatch):
    path = write(tmp_path, monkeypatch, distorted)
    assert cameras(path) == {Camera(600, 600, 170, 110, *SIZE, (-0.3, 0.1, 0, 0, 0))}
    assert cameras(path, rectified=True) == {recordings.CAMERA}


def test_a_given_calibration_of_rectified_images_is_not_applied_as_that_of_raw_ones(tmp_path, monkeypatch):
    p = (500.0, 0, 159.5, 0, 0, 500, 119.5, 0, 0, 0, 1, 0)
    given = Calibration(*SIZE, (600.0, 0, 170, 0, 600, 110, 0, 0, 1), (-0.3, 0.1, 0, 0, 0), "plumb_bob", p)
    path = write(tmp_path, monkeypatch, topic="/cam/image_rect_color")
    assert cameras(path, intrinsics=given) == {recordings.CAMERA}


def test_an_image_turned_upright_by_exif_has_the_camera_turned_with_it(uplift_process, tmp_path, monkeypatch):
    path = write(tmp_path, monkeypatch, image=turned_by_exif(6, turns=0))
    assert uplift_process(path, "-o", tmp_path / "out.mcap") == 0
    results = recording.load(tmp_path / "out.mcap")
    assert {(keyframe.width, keyframe.height) for keyframe in results.keyframes} == {(240, 320)}
    assert results.camera == recordings.CAMERA.turned()
    assert {person.scale_source for frame in results.skeletons for person in frame.persons} == {ScaleSource.PRIOR}


def of_no_use(message) -> None:
    message.width = message.height = 0


def test_an_unusable_camera_info_leaves_people_without_scale_and_names_the_remedy(
    uplift_process, tmp_path, monkeypatch, capsys
):
    path = write(tmp_path, monkeypatch, of_no_use)
    assert uplift_process(path, "-o", tmp_path / "out.mcap") == 0
    said = capsys.readouterr().out
    assert re.search(r"unusable_camera_info \(1\): camera_info\.width and height .*0x0.*--fov", said)
    results = recording.load(tmp_path / "out.mcap")
    assert {person.scale_source for frame in results.skeletons for person in frame.persons} == {ScaleSource.NONE}


def test_images_of_another_size_than_camera_info_put_people_nowhere_between(
    uplift_process, tmp_path, monkeypatch, capsys
):
    """From image 15 on images are a little smaller, with the same camera_info."""

    def smaller(stamp, picture):
        is_late = stamp >= recordings.START + 15 * 10**9 // clips.FPS
        return recordings.compressed_image(stamp, cv2.resize(picture, (304, 228)) if is_late else picture)

    path = write(tmp_path, monkeypatch, image=smaller)
    assert uplift_process(path, "-o", tmp_path / "out.mcap") == 0
    assert "wrong_camera_info" in capsys.readouterr().out
    people = [person for frame in recording.load(tmp_path / "out.mcap").skeletons for person in frame.persons]
    placed = [person.joints[0, 2] for person in people if person.scale_source is ScaleSource.PRIOR]
    without = [np.abs(person.joints[0]).max() for person in people if person.scale_source is ScaleSource.NONE]
    assert min(placed) > 0.9 * max(placed) > 1
    assert max(without) < 1e-3


CALIBRATION = """
image_width: 320
image_height: 240
camera_matrix: {rows: 3, cols: 3, data: [500, 0, 159.5, 0, 500, 119.5, 0, 0, 1]}
distortion_coefficients: {rows: 1, cols: 5, data: [0, 0, 0, 0, 0]}
"""


def test_a_calibration_file_serves_bags_and_videos(uplift_process, tmp_path, monkeypatch, capsys):
    (tmp_path / "eye.yaml").write_text(CALIBRATION)
    path = write(tmp_path, monkeypatch, of_no_use)
    video = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(video), cv2.VideoWriter_fourcc(*"MJPG"), 25, SIZE)
    for i in range(12):
        writer.write(cv2.resize(clips.picture(i), SIZE))
    writer.release()
    for source in (path, video):
        assert uplift_process(source, "-o", tmp_path / "out.mcap", "--camera-info", tmp_path / "eye.yaml") == 0
        assert recording.load(tmp_path / "out.mcap").camera == recordings.CAMERA
        assert "guessed_fov" not in capsys.readouterr().out


def test_a_field_of_view_is_given_in_degrees_and_one_that_was_guessed_is_reported_once(
    uplift_process, clip, tmp_path, monkeypatch, capsys
):
    for source in (clip, write(tmp_path, monkeypatch, of_no_use)):
        assert uplift_process(source, "-o", tmp_path / "out.mcap", "--fov", "90") == 0
        camera = recording.load(tmp_path / "out.mcap").camera
        assert camera.fx == pytest.approx(camera.width / 2)
        assert "guessed_fov" not in capsys.readouterr().out
    assert uplift_process(clip, "-o", tmp_path / "out.mcap") == 0
    assert len(re.findall(r"guessed_fov \(1\): .*\b57 degrees", capsys.readouterr().out)) == 1


@pytest.mark.parametrize("fov", ["0", "180", "wide"])
def test_a_field_of_view_of_no_camera_is_refused(uplift_process, clip, tmp_path, fov):
    with pytest.raises(SystemExit):
        uplift_process(clip, "-o", tmp_path / "out.mcap", "--fov", fov)


# ---------------------------------------------------------------- missing data


def test_one_image_that_cannot_be_decoded_costs_itself_and_is_named(uplift_process, tmp_path, monkeypatch, capsys):
    broken = recordings.START + 10 * 10**9 // clips.FPS  # at the second key-frame
    seconds = f"{broken // 10**9}.400000000"

    def empty(stamp, pixels):
        return recordings.compressed_image(stamp, pixels) if stamp != broken else message_without_data(stamp, pixels)

    path = write(tmp_path, monkeypatch, image=empty)
    assert uplift_process(path, "-o", tmp_path / "out" / "in.mcap") == 3
    said = capsys.readouterr().out
    assert "30 frames" in said
    assert re.search(rf"lost_image \(1\): .*\b{seconds}: .*'jpeg' \(0 bytes\)", said)
    ((_, _, diagnostics),) = read(tmp_path / "out" / "in.mcap", ["/diagnostics"])
    assert seconds in diagnostics.status[0].message
    results = recording.load(tmp_path / "out" / "in.mcap")
    stamps = {keyframe.stamp for keyframe in results.keyframes}
    assert broken not in stamps
    assert broken + 10**9 // clips.FPS in stamps  # the next image in its place


def message_without_data(stamp, pixels):
    message = recordings.compressed_image(stamp, pixels)
    message.data = np.empty(0, np.uint8)
    return message


def test_what_was_made_of_an_incomplete_input_is_made_again(uplift_process, tmp_path, monkeypatch, capsys):
    def empty_at_first(stamp, pixels):
        return message_without_data(stamp, pixels) if stamp == recordings.START else None

    path = write(tmp_path, monkeypatch, image=empty_at_first)
    assert uplift_process(path, "-o", tmp_path / "out") == 3
    assert uplift_process(path, "-o", tmp_path / "out") == 3
    assert "skipping" not in capsys.readouterr().out
    write(tmp_path, monkeypatch)
    assert uplift_process(path, "-o", tmp_path / "out") == 0
    assert uplift_process(path, "-o", tmp_path / "out") == 0
    assert "skipping" in capsys.readouterr().out


def test_images_from_before_1970_cost_themselves(uplift_process, tmp_path, monkeypatch, capsys):
    def early(stamp, pixels):
        if stamp < recordings.START + 2 * 10**8:
            message = recordings.compressed_image(stamp, pixels)
            message.header.stamp.sec = -5
            return message
        return None

    assert uplift_process(write(tmp_path, monkeypatch, image=early), "-o", tmp_path / "out.mcap") == 3
    said = capsys.readouterr().out
    assert "lost_image (5): " in said
    assert "header.stamp" in said
    assert "got -5.0" in said


@pytest.mark.parametrize(("without_time", "lost"), [({12}, 1), ({12, 13}, 2), ({0}, 0), ({0, 1, 2}, 2)])
def test_images_without_a_time_cost_themselves(uplift_process, tmp_path, monkeypatch, capsys, without_time, lost):
    def at_zero(stamp, pixels):
        index = round((stamp - recordings.START) * clips.FPS / 10**9)
        return recordings.compressed_image(0 if index in without_time else stamp, pixels)

    assert uplift_process(write(tmp_path, monkeypatch, image=at_zero), "-o", tmp_path / "out.mcap") == 3 * (lost > 0)
    said = capsys.readouterr().out
    assert f"{clips.FRAMES - lost} frames" in said
    assert (f"lost_image ({lost}): " in said) == (lost > 0)


@pytest.mark.parametrize(
    "changed",
    [lambda i: 0, lambda i: i * 40_000, lambda i: i * 40 * 10**9, lambda i: -i * 4 * 10**7],
    ids=["of one time", "in microseconds", "in seconds", "backwards"],
)
def test_stamps_that_do_not_advance_as_time_does_are_reported(uplift_process, tmp_path, monkeypatch, capsys, changed):
    def stamped(stamp, pixels):
        index = round((stamp - recordings.START) * clips.FPS / 10**9)
        return recordings.compressed_image(recordings.START + changed(index), pixels)

    assert uplift_process(write(tmp_path, monkeypatch, image=stamped), "-o", tmp_path / "out.mcap") == 3
    assert re.search(r"odd_stamps \(1\): .*\b30 images", capsys.readouterr().out)


def test_jumps_and_pauses_are_no_recorded_time(uplift_process, tmp_path, monkeypatch, capsys):
    def jumping(stamp, pixels):
        index = (stamp - recordings.START) * clips.FPS // 10**9
        stamp += (0, -3600 * 10**9, 7200 * 10**9)[index // 10]
        return recordings.compressed_image(stamp, pixels)

    assert uplift_process(write(tmp_path, monkeypatch, image=jumping), "-o", tmp_path / "out.mcap") == 0
    assert "30 frames" in (said := capsys.readouterr().out)
    assert " 1.1 s in " in said  # three parts of nine periods of 40 ms
    assert "jump (1): " in said


def test_a_chunk_whose_checksum_is_wrong_costs_itself(uplift_process, tmp_path, monkeypatch, capsys):
    begin, end = (recordings.START + i * 10**9 // clips.FPS for i in (10, 14))
    path = recordings.with_wrong_checksum(write(tmp_path, monkeypatch), begin, end)
    assert uplift_process(path, "-o", tmp_path / "out" / "in.mcap") == 3
    said = capsys.readouterr().out
    assert f"{clips.FRAMES - 4} frames" in said
    assert re.search(r"lost_frames \(1\): .*\b4 of 30 .*in\.mcap: .*\.400 to \d+\.520 s", said)
    results = recording.load(tmp_path / "out" / "in.mcap")
    assert not any(begin <= keyframe.stamp < end for keyframe in results.keyframes)
    assert uplift_process(path, "-o", tmp_path / "out") == 3  # again


def test_a_bag_that_was_cut_off_is_processed_up_to_there(uplift_process, tmp_path, monkeypatch, capsys):
    end = recordings.START + 20 * 10**9 // clips.FPS
    path = recordings.with_wrong_checksum(write(tmp_path, monkeypatch), end, 2 * end)  # images 20 to 29 in a chunk
    path.write_bytes(path.read_bytes()[: 9 * path.stat().st_size // 10])
    assert uplift_process(path, "-o", tmp_path / "out.mcap") == 3
    said = capsys.readouterr().out
    assert "20 frames" in said
    assert re.search(r"lost_frames \(1\): in\.mcap: .*byte \d", said)


def test_a_video_that_was_cut_off_is_incomplete(uplift_process, clip, tmp_path, monkeypatch, capsys):
    video_file = image_sequence.VideoFile
    monkeypatch.setattr(video_file, "_count_missing", lambda video, count, seconds: setattr(video, "missing", 28))
    assert uplift_process(clip, "-o", tmp_path / "out.mcap") == 3
    assert "lost_frames (1): 28 of 30 " in capsys.readouterr().out
    video = VideoSequence(clip, 0.0, 0.9, "camera")
    assert len(list(video.images())) == clips.FRAMES
    assert [problem.kind for problem in video.problems] == ["lost_frames"]
