"""The measured errors of a detector are those that were simulated."""

from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.signal import lfilter
from support.bright_person import BrightPerson
from support.paper_data import motion

from uplift_ros import cli, estimators
from uplift_ros.lab.data.detector_noise import DetectorNoise
from uplift_ros.lab.data.mocap import Sequence
from uplift_ros.lab.studies import detector_errors
from uplift_ros.lab.studies.detector_errors import (
    LIMB_ENDS,
    LINES,
    SYNTHETIC_FPS,
    posed_people,
    remaining_slope,
    split_errors,
    swapped_sides,
    synthetic_table,
    video_table,
)
from uplift_ros.sources.synthetic.motion import pose
from uplift_ros.sources.synthetic.synthetic_source import SyntheticSource
from uplift_ros.sources.video import VideoFile

Z_UP_TO_OPTICAL = np.array([[0.0, 1, 0], [0, 0, -1], [-1, 0, 0]])


@pytest.fixture
def walk():
    """(200, 17, 2) pixels of the synthetic person, whose torso has 96."""
    return np.stack([pose(frame / SYNTHETIC_FPS)[:, 1:] for frame in range(200)]) * (200, -200) + (300, 500)


def test_errors_are_split_into_offset_drift_and_jitter(rng):
    takes, frames = 40, 500
    keep = np.exp(-1 / SYNTHETIC_FPS / 0.4)
    drift = lfilter([np.sqrt(1 - keep**2)], [1, -keep], rng.standard_normal((takes, frames + 100, 4, 2)), axis=1)[
        :, 100:
    ]
    offset = rng.standard_normal((takes, 1, 4, 2))
    errors = 0.03 * offset + 0.04 * drift + 0.01 * rng.standard_normal(drift.shape)
    assert split_errors(errors) == pytest.approx((0.03, 0.04, 0.4, 0.01), rel=0.1)


def test_people_in_poses_of_motion_capture_are_seen_whole(rng):
    walk = Sequence("walk", motion(0, 100))
    found, true = posed_people(BrightPerson(), [walk], 6, rng)
    assert found.shape == true.shape == (6, 17, 2)
    assert np.isfinite(found).all()
    assert ((true > 0) & (true < (640, 480))).mean() > 0.95


def test_the_remaining_slope_is_the_estimated_one_over_the_true_one(rng):
    true = np.broadcast_to(pose(0.0)[:, 1:] * (200, -200) + (300, 500), (50, 17, 2)).copy()
    right, left = LINES["hips"]
    tilt = rng.normal(0, 10, 50)
    true[:, left, 1] += tilt
    true[:, right, 1] -= tilt
    estimated = true.copy()
    estimated[:, [right, left], 1] = 0.4 * true[:, [right, left], 1] + 0.6 * true[:, [right, left], 1].mean(1)[:, None]
    estimated[0] = np.nan
    assert remaining_slope(estimated, true, right, left) == pytest.approx((0.4, 1.0), abs=0.02)


def test_swapped_sides_are_detected_if_the_sides_are_apart(walk):
    points = walk.copy()
    points[10, [12, 15]], points[10, [13, 16]] = walk[10, [15, 12]], walk[10, [16, 13]]
    unit = np.full(len(walk), 96.0)
    unit[50:] = 1e6  # too close together, in torso lengths
    swapped = swapped_sides(points, walk, unit, LIMB_ENDS["arms"])
    assert np.flatnonzero(swapped == 1).tolist() == [10]
    assert np.isnan(swapped[50:]).all()


def test_the_table_has_errors_and_images_without_a_person(rng, walk):
    noise = DetectorNoise(far=0.0, absent=0.0, inversion=0.0, reversal=0.0, swap=0.0)
    person = np.stack([pose(frame / SYNTHETIC_FPS) for frame in range(200)]) @ Z_UP_TO_OPTICAL.T + (0, 0, 2000 / 200)
    (found,), _ = noise.apply(rng, person[None], 1 / SYNTHETIC_FPS, np.ones(1))
    found = 2000 * found + (300, 500)
    found[:10] = np.nan
    rows = synthetic_table([(found, walk)] * 2)
    assert rows[-1] == "no person found in 5.00 % of images"
    (mean,) = [row for row in rows if row.startswith("mean error")]
    assert 6 < float(mean.split()[2]) < 12


def test_a_clip_without_truth_gives_jitter_losses_and_misses(rng, walk):
    still = np.repeat(walk[:1], 200, axis=0)
    points = still + 0.96 * rng.standard_normal(still.shape)  # 1 % of the torso
    points[50, 3] += 200
    points[100] = np.nan
    _, name, fps, images, jitter, lost, arms, legs, missed, _ = (
        c.strip() for c in video_table("clip", points, 25.0).split("|")
    )
    assert (name, fps) == ("clip", "25")
    assert float(jitter) == pytest.approx(1.0, rel=0.1)
    assert float(lost) == pytest.approx(100 / 17 / int(images), abs=0.01)
    assert (arms, legs) == ("0.0", "0.0")
    assert float(missed) == pytest.approx(0.5, abs=0.1)


def video(path: Path, pictures: Iterable[np.ndarray]) -> Path:
    """An .avi file at SYNTHETIC_FPS of RGB pictures of 640x480."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), SYNTHETIC_FPS, (640, 480))
    for picture in pictures:
        writer.write(picture[..., ::-1])
    writer.release()
    return path


def test_images_of_a_clip_without_a_person_are_unknown(tmp_path):
    path = video(tmp_path / "clip.avi", (np.full((480, 640, 3), grey, np.uint8) for grey in (100, 0, 200)))
    clip = VideoFile(path, fps=0.0, loop=False, horizontal_fov=1.0)
    points, fps = detector_errors.video_take(BrightPerson(), clip, path.name)
    assert (points.shape, fps) == ((3, 17, 2), SYNTHETIC_FPS)
    assert np.isnan(points).all((1, 2)).tolist() == [False, True, False]
    assert points[2, 0, 0] > points[0, 0, 0], "further right the brighter the image is"


@pytest.mark.usefixtures("blazepose_files")
def test_one_command_measures_on_the_synthetic_camera_and_on_clips(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(detector_errors, "VIEWPOINTS", detector_errors.VIEWPOINTS[2:3])
    monkeypatch.setattr(detector_errors, "PERIOD", 2.6)
    source = SyntheticSource(fps=SYNTHETIC_FPS)
    path = video(tmp_path / "walk.avi", (source.frame(index).image for index in range(5)))
    assert cli.main(["study", "detector", "--video", str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    (mean,) = [line for line in lines if line.startswith("mean error")]
    assert 0 < float(mean.split()[2]) < 15
    assert "no person found in 0.00 % of images" in lines
    assert lines[-1].startswith("| walk.avi | 25 | 3 |")


def test_a_missing_clip_is_reported_before_any_measurement(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(estimators, "create", lambda *_, **__: pytest.fail("minutes of work begin"))
    assert cli.main(["study", "detector", "--video", str(tmp_path / "nowhere.mp4")]) == 1
    assert "no video file" in capsys.readouterr().err
