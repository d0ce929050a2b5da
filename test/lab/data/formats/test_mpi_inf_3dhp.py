"""MPI-INF-3DHP as it is distributed."""

import numpy as np
import pytest
from scipy.io import savemat
from support import paper_data, tiny
from support.commands import rows_of

from uplift_ros import cli
from uplift_ros.lab.data.formats import mpi_inf_3dhp
from uplift_ros.lab.data.formats.mpi_inf_3dhp import FROM_17, FROM_28, load_takes
from uplift_ros.lab.training import train_uplift
from uplift_ros.models import weights

h5py = pytest.importorskip("h5py")


def seen(frames):
    """Joints in millimetres in an optical frame, and their pixels."""
    joints = 1000 * (paper_data.motion(0, frames) @ np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]]) + (0, 0.5, 4))
    return joints, 1500 * joints[..., :2] / joints[..., 2:] + (1010, 1030)


def write_training(folder, frames=30):
    joints, pixels = seen(frames)
    full = [np.zeros((frames, 28, size)) for size in (2, 3)]
    full[0][:, list(FROM_28)], full[1][:, list(FROM_28)] = pixels, joints
    (folder / "S1" / "Seq1").mkdir(parents=True)
    cells = [paper_data.objects([part.reshape(frames, -1)] * 14)[:, None] for part in full]
    savemat(folder / "S1" / "Seq1" / "annot.mat", {"annot2": cells[0], "annot3": cells[1]})
    return folder


def write_test(folder, frames=30):
    arrays = [np.zeros((frames, 1, 17, size)) for size in (2, 3)]
    joints, pixels = seen(frames)
    arrays[0][:, 0, list(FROM_17)], arrays[1][:, 0, list(FROM_17)] = pixels, joints
    valid = np.ones((frames, 1))
    valid[10] = 0
    (folder / "TS1").mkdir()
    with h5py.File(folder / "TS1" / "annot_data.mat", "w") as file:
        for name, array in zip(("annot2", "annot3", "valid_frame"), (*arrays, valid), strict=True):
            file[name] = array
    return folder


def test_training_sequences_of_25_hz_are_brought_to_50(tmp_path):
    takes = load_takes(write_training(tmp_path), None)
    assert len(takes) == 8
    joints, pixels = seen(30)
    np.testing.assert_allclose(takes[0].truth[::2], joints / 1000, atol=1e-5)
    np.testing.assert_allclose(takes[0].pixels[::2], pixels, atol=1e-3)
    camera = takes[0].camera
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == pytest.approx((1500, 1500, 1010, 1030), abs=1e-2)


def test_the_papers_recipe_trains_on_it(tmp_path, monkeypatch):
    monkeypatch.setitem(train_uplift.VARIANTS, "n81", lambda: tiny.uplift().config)
    options = ["--recipe", "paper", "--variant", "n81", "--steps", "2", "--batch", "4", "--out", str(tmp_path / "out")]
    assert cli.main(["train", "uplift", "--data", str(write_training(tmp_path)), *options]) == 0
    _, config, provenance = weights.read_header(str(tmp_path / "out" / "n81.safetensors"))
    assert (config["normalisation"], provenance["configuration"]) == ("screen", "h36m")


def test_runs_of_valid_test_frames_are_evaluated(tmp_path):
    write_test(tmp_path)
    assert [len(take.truth) for take in load_takes(tmp_path, 50.0)] == [10, 19]
    weights.save(tiny.uplift("screen"), tmp_path / "uplift.safetensors", {})
    options = ["--data", str(tmp_path), "--model", str(tmp_path / "uplift.safetensors"), "--stride", "4"]
    (row,) = rows_of(tmp_path, "evaluate", *options, "--test-rate", "50")
    assert row["frames"] == 29


def test_what_does_not_fit_is_refused_in_a_line(tmp_path, capsys):
    write_test(tmp_path)
    options = ["evaluate", "--data", str(tmp_path), "--stride", "4"]
    assert cli.main(options) == 1
    assert "test-rate" in capsys.readouterr().err
    with h5py.File(tmp_path / "TS1" / "annot_data.mat", "a") as file:
        del file["annot2"]
        file["annot2"] = np.zeros((30, 1, 14, 2))
    assert cli.main([*options, "--test-rate", "50"]) == 1
    assert "array 'annot2'" in capsys.readouterr().err
    with pytest.raises(ValueError, match="training sequence"):
        mpi_inf_3dhp.load_takes(tmp_path, None)
