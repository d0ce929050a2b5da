"""Human3.6M in VideoPose3D's files: joints, cameras, 2D poses, and errors of files that do not fit."""

import numpy as np
import pytest
from support import paper_data, tiny
from support.commands import rows_of

from uplift_ros import cli
from uplift_ros.camera import normalise
from uplift_ros.lab.data.formats import h36m, load
from uplift_ros.models import weights


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = paper_data.write_h36m(tmp_path_factory.mktemp("h36m"))
    paper_data.write_parameters(folder / "camera-parameters.json")
    paper_data.write_source(folder / "h36m_dataset.py")
    weights.save(tiny.uplift("screen"), folder / "uplift.safetensors", {})
    return folder


def takes(folder, subjects=("S9",)):
    return h36m.load_takes(
        folder / "data_3d_h36m.npz", folder / "data_2d_h36m_cpn_ft_h36m_dbb.npz", folder / "metadata.xml", subjects
    )


def test_a_take_is_what_its_camera_sees(folder):
    first, *others = takes(folder)
    assert (first.name, len(others)) == ("S9/Walking/Walking 1", 11)
    assert (first.camera.width, first.camera.height, others[0].camera.height) == (1000, 1002, 1000)
    world = paper_data.motion(5000, 60)
    np.testing.assert_allclose(
        np.linalg.norm(first.truth[:, 3] - first.truth[:, 16], axis=-1),
        np.linalg.norm(world[:, 3] - world[:, 16], axis=-1),
        atol=1e-5,
    )
    assert np.linalg.norm(first.camera.project(first.truth) - first.pixels, axis=-1).mean() < 4


def test_the_screen_is_the_papers(folder):
    take = takes(folder)[0]
    inputs = normalise(take.clip("screen").plane, "screen")
    np.testing.assert_allclose(inputs[..., 0], 2 * take.pixels[..., 0] / 1000 - 1, atol=1e-6)
    np.testing.assert_allclose(inputs[..., 1], 2 * take.pixels[..., 1] / 1000 - 1002 / 1000, atol=1e-6)
    np.testing.assert_allclose(take.camera.project(to_3d(take.clip("canonical").plane)), take.pixels, atol=0.05)


def to_3d(plane):
    return np.concatenate([plane, np.ones_like(plane[..., :1])], -1)


@pytest.mark.parametrize("name", ["camera-parameters.json", "h36m_dataset.py"])
def test_all_files_of_cameras_give_the_same_cameras(folder, name):
    ours, theirs = (h36m.load_cameras(folder / file) for file in ("metadata.xml", name))
    assert set(ours) == set(theirs)
    assert len(ours) == 28
    for key in ours:
        assert ours[key].camera == theirs[key].camera
        assert ours[key].camera.distortion == pytest.approx((-0.2, 0.24, -0.001, -0.003, -0.002))
        np.testing.assert_allclose(ours[key].to_optical(np.ones(3)), theirs[key].to_optical(np.ones(3)), atol=1e-6)


def test_without_keypoints_the_joints_are_motion_capture(folder):
    sequences = load(folder / "data_3d_h36m.npz", 50.0)
    assert len(sequences) == 21
    np.testing.assert_allclose(sequences[0].joints, paper_data.motion(0, 60), atol=1e-6)


def test_training_and_evaluation_have_their_own_subjects(folder, tmp_path, monkeypatch, capsys):
    """The file has the subjects of training and test, also if it is read as motion capture."""
    seen = []
    data, worlds = str(folder / "data_3d_h36m.npz"), h36m.world_sequences
    monkeypatch.setattr(h36m, "world_sequences", lambda *a: seen.append(worlds(*a)) or seen[-1])
    train = ["train", "uplift", "--data", data, "--steps", "1", "--batch", "2", "--workers", "0"]
    assert cli.main([*train, "--out", str(tmp_path)]) == 0
    common = ["--model", str(folder / "uplift.safetensors"), "--stride", "20", "--cameras", "1"]
    assert cli.main(["evaluate", "--data", data, *common]) == 0
    assert cli.main(["evaluate", "--data", data, *common, "--subjects", "S11"]) == 0
    model = ["--data", data, "--model", str(folder / "uplift.safetensors")]
    assert cli.main(["study", "views", *model, "--cameras", "1", "--every", "6", "--frames", "21"]) == 0
    assert cli.main(["plot", "velocity", *model, "--stride", "20", "--out", str(tmp_path / "velocity.png")]) == 0
    subjects = [{sequence.name.split("/")[0] for sequence in sequences} for sequences in seen]
    assert subjects == [set(h36m.TRAINING_SUBJECTS), {"S9", "S11"}, {"S11"}, {"S9", "S11"}, {"S9", "S11"}]
    capsys.readouterr()
    for command, message in (
        ([*train, *paper_data.h36m_options(folder)[2:]], "keypoints, calibration: need --recipe paper"),
        (["evaluate", *paper_data.h36m_options(folder)[:2], "--calibration", data, *common], "keypoints is missing"),
    ):
        assert cli.main(command) == 1
        assert message in capsys.readouterr().err


def test_evaluate_prints_the_papers_protocol(folder, capsys):
    options = ["--model", str(folder / "uplift.safetensors"), "--stride", "4", "20", "--flip", "--subjects", "S9"]
    rows = rows_of(folder, "evaluate", *paper_data.h36m_options(folder), *options)
    assert [(row["stride"], row["noise"], row["frames"]) for row in rows] == [
        (4, "recorded", 720),
        (20, "recorded", 720),
    ]
    for row in rows:
        all_frames, key_frames = row["protocol"]["all_frames"], row["protocol"]["key_frames"]
        assert all_frames["frame_mean"]["mpjpe"] == pytest.approx(row["mpjpe"])
        assert all_frames["frame_mean"]["p_mpjpe"] == pytest.approx(row["p_mpjpe"])
        assert all_frames["action_mean"]["mpjpe"] == pytest.approx(row["mpjpe_class_mean"])
        assert key_frames["frame_mean"]["mpjpe"] == pytest.approx(row["mpjpe_keyframes"])
    printed = capsys.readouterr().out
    assert f"{rows[0]['protocol']['all_frames']['action_mean']['n_mpjpe']:.1f}" in printed


def replaced(folder, tmp_path, **files):
    """Options with other files in place of those of the folder."""
    options = paper_data.h36m_options(folder)
    for option, path in files.items():
        options[options.index(f"--{option}") + 1] = str(path)
    return ["evaluate", *options, "--model", str(folder / "uplift.safetensors"), "--stride", "4"]


def test_files_of_other_forms_are_refused_in_a_line_that_says_what_fits(folder, tmp_path, capsys):
    np.savez(tmp_path / "3d.npz", positions_3d={"S9": {"Walking": np.zeros((5, 16, 3))}})
    np.savez(tmp_path / "plain.npz", positions_3d=np.zeros((5, 17, 3)))
    np.savez(tmp_path / "2d.npz", positions_2d={"S9": {"Walking 1": [np.zeros((60, 16, 2))] * 4}})
    (tmp_path / "cameras.xml").write_text("<w0>[1 2 3]</w0>")
    (tmp_path / "other.py").write_text("h36m_cameras_intrinsic_params = open('created', 'w')")
    (tmp_path / "broken.py").write_text("def")
    paper_data.write_metadata(tmp_path / "moved.xml", first=1)
    joints = np.full((5, 17, 3), np.nan)
    np.savez(tmp_path / "nan.npz", positions_3d={"S9": {"Walking": joints}})
    swapped = folder / "data_2d_h36m_cpn_ft_h36m_dbb.npz"
    for files, message in (
        ({"data": tmp_path / "3d.npz"}, "'positions_3d', S9, Walking"),
        ({"data": tmp_path / "plain.npz"}, "plain.npz, array 'positions_3d'"),
        ({"data": swapped}, "'positions_3d'; give --data data_3d_h36m.npz"),
        ({"keypoints": folder / "data_3d_h36m.npz"}, "'positions_2d'; give --keypoints"),
        ({"keypoints": tmp_path / "2d.npz"}, "S9, Walking 1, camera 0"),
        ({"calibration": tmp_path / "cameras.xml"}, "cameras.xml"),
        ({"calibration": tmp_path / "other.py"}, "other.py"),
        ({"calibration": tmp_path / "broken.py"}, "broken.py"),
        ({"data": tmp_path / "nan.npz"}, "S9, Walking, (5, 17, 3): must be finite"),
        ({"calibration": tmp_path / "moved.xml"}, "give --calibration"),
        ({"calibration": tmp_path / "none.xml"}, "none.xml"),
    ):  # fmt: skip
        assert cli.main([*replaced(folder, tmp_path, **files), "--subjects", "S9"]) == 1
        errors = capsys.readouterr().err
        assert message in errors
        assert errors.count("\n") == 1


def test_cameras_and_subjects_that_are_missing_are_asked_for(folder, capsys):
    options = paper_data.h36m_options(folder)
    assert cli.main(["evaluate", *options[:4], "--model", str(folder / "uplift.safetensors"), "--stride", "4"]) == 1
    assert "calibration is missing" in capsys.readouterr().err
    assert cli.main([*replaced(folder, None), "--subjects", "S2"]) == 1
    assert "subject S2" in capsys.readouterr().err
