"""Arrays of motion capture are loaded as h36m17, metres, z up, at the networks' rate; other files are refused."""

import numpy as np
import pytest
from support.paper_data import motion

from uplift_ros.lab.data import archive
from uplift_ros.lab.data.formats import load
from uplift_ros.lab.data.formats.joints import load_npz
from uplift_ros.lab.data.mocap import FROM_H36M32, motion_class, resample


def test_human36ms_own_joints_become_the_17(tmp_path):
    joints = np.full((40, 32, 3), 9.0)
    joints[:, list(FROM_H36M32)] = motion(0, 40)
    np.savez(tmp_path / "h36m.npz", fps=50, **{"S1/Walking/Walking 1": joints})
    (sequence,) = load(tmp_path / "h36m.npz", 50.0)
    np.testing.assert_allclose(sequence.joints, motion(0, 40), atol=1e-6)
    assert motion_class(sequence.name) == "Walking"


@pytest.mark.parametrize(("fps", "frames"), [(100.0, 51), (30.0, 167), (50.0, 101)])
def test_resampling_keeps_times_and_linear_motion(fps, frames):
    ramp = np.broadcast_to(np.arange(101)[:, None, None] / fps, (101, 17, 3)).astype(np.float32)
    at_50 = resample(ramp, fps, 50.0)
    assert len(at_50) == frames
    np.testing.assert_allclose(at_50[:, 0, 0], np.arange(frames) / 50, atol=1e-5)


def test_a_file_beyond_the_size_limit_is_refused_unread(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "walk.npz", fps=50, walk=np.zeros((100, 17, 3)))
    monkeypatch.setattr(archive, "MAX_ARCHIVE_BYTES", 100 * 17 * 3 * 8)
    with pytest.raises(ValueError, match=r"walk\.npz"):
        load_npz(tmp_path / "walk.npz")


def test_an_array_of_objects_is_refused_unread(tmp_path):
    np.savez(tmp_path / "walk.npz", fps=50, walk=np.array([print], object))
    with pytest.raises(ValueError, match="'walk'"):
        load_npz(tmp_path / "walk.npz")


def test_files_without_motion_capture_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load(tmp_path / "nowhere.npz", 50.0)
    with pytest.raises(ValueError, match="folder"):
        load(tmp_path, 50.0)
    (tmp_path / "a.txt").touch()
    with pytest.raises(ValueError, match=r"a\.txt"):
        load(tmp_path / "a.txt", 50.0)
    (tmp_path / "b.npz").touch()
    with pytest.raises(ValueError, match=r"b\.npz"):
        load(tmp_path / "b.npz", 50.0)


@pytest.mark.parametrize(
    ("arrays", "named"),
    [
        ({"walk": np.zeros((5, 17, 3))}, "fps"),
        ({"fps": 50, "walk": np.zeros((5, 16, 3))}, "walk"),
        ({"fps": 50, "walk": np.full((5, 17, 3), np.nan)}, "walk"),
    ],
)
def test_npz_files_of_another_form_are_refused_by_name(tmp_path, arrays, named):
    np.savez(tmp_path / "data.npz", **arrays)
    with pytest.raises(ValueError, match=named):
        load(tmp_path / "data.npz", 50.0)


def test_a_file_that_holds_no_sequence_is_refused(tmp_path):
    np.savez(tmp_path / "empty.npz", fps=50)
    with pytest.raises(ValueError, match=r"empty\.npz"):
        load(tmp_path / "empty.npz", 50.0)


@pytest.mark.parametrize("fps", [0.5, -50.0, 1001.0])
def test_a_rate_that_no_camera_has_is_refused(tmp_path, fps):
    np.savez(tmp_path / "take.npz", fps=fps, walk=np.zeros((3, 17, 3)))
    with pytest.raises(ValueError, match="array 'fps'"):
        load(tmp_path / "take.npz", 50.0)


def test_a_file_that_vanished_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"gone\.npz"):
        load_npz(tmp_path / "gone.npz")
