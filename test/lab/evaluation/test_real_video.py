"""`uplift evaluate --video`: the pipeline on a clip whose joints are known."""

import shutil

import cv2
import numpy as np
import pytest
import yaml
from scipy.spatial.transform import Rotation
from support import tiny
from support.bright_person import BrightPerson
from support.commands import rows_of

from uplift_ros import cli
from uplift_ros.lab.evaluation.reference import load_reference
from uplift_ros.models import weights
from uplift_ros.sources.synthetic.synthetic_source import SyntheticSource
from uplift_ros.streaming import uncertainty

FPS, FRAMES = 25.0, 51
TURN = Rotation.from_euler("xyz", (100, 20, 5), degrees=True).as_matrix()
SHIFT = np.array([0.3, -0.2, 1.0])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A clip of the synthetic person with its truth in a world frame, the camera's calibration, and tiny networks."""
    folder = tmp_path_factory.mktemp("clip")
    source = SyntheticSource(320, 240, FPS, moving=False)
    writer = cv2.VideoWriter(str(folder / "clip.mp4"), cv2.VideoWriter_fourcc(*"mp4v"), FPS, (320, 240))
    truth = []
    for index in range(FRAMES):
        frame = source.frame(index)
        writer.write(cv2.cvtColor(frame.image, cv2.COLOR_RGB2BGR))
        truth.append(frame.truth)
    writer.release()
    world = (np.stack(truth) - SHIFT) @ TURN
    np.savez(folder / "truth.npz", fps=FPS, joints=world, rotation_front=TURN, translation_front=SHIFT)
    write_camera(folder / "camera.yaml", source.camera)
    weights.save(tiny.uplift(), folder / "uplift.safetensors", {})
    shutil.copy(uncertainty.path_of("compact"), folder / "uplift.quality.json")
    weights.save(tiny.synsp(), folder / "synsp.safetensors", {})
    return folder


def write_camera(path, camera, **changed):
    values = {
        "image_width": camera.width,
        "image_height": camera.height,
        "camera_name": "front",
        "camera_matrix": {"rows": 3, "cols": 3, "data": camera.matrix.ravel().tolist()},
        "distortion_model": "plumb_bob",
        "distortion_coefficients": {"rows": 1, "cols": 5, "data": [0.0] * 5},
    }
    path.write_text(yaml.safe_dump({key: value for key, value in (values | changed).items() if value is not None}))


def options(folder, *more, video="clip.mp4", reference="truth.npz", camera="camera.yaml"):
    model = ["--model", str(folder / "uplift.safetensors"), "--refiner-model", str(folder / "synsp.safetensors")]
    where = ["--video", folder / video, "--reference", folder / reference, "--camera", folder / camera]
    return ["evaluate", *map(str, where), *model, *more]


@pytest.fixture(scope="module")
def rows(folder):
    more = ["--stride", "20", "10", "--refine", "none", "savgol", "--upsample", "model", "linear"]
    return rows_of(folder, *options(folder, *more))


def test_every_stride_refinement_and_upsampling_has_a_row_and_so_has_the_detector_s_own_3d(rows):
    own = [row for row in rows if row["model"] != "detector"]
    assert [(row["stride"], row["refine"], row["upsample"]) for row in own] == [
        (stride, refine, upsample)
        for stride in (20, 10)
        for refine in ("none", "savgol")
        for upsample in ("model", "linear")
    ]
    assert [row["stride"] for row in rows if row["model"] == "detector"] == [1, 10, 20]


def test_rows_have_the_keys_of_motion_capture_and_those_of_a_real_body(rows):
    keys = "model stride mode latency_frames noise refine mpjpe mpjpe_scaled n_mpjpe p_mpjpe mpjpe_keyframes accel "
    keys += "keyframe_hz frames bone_variation scale tilt root_error coverage cpu_per_second relative_cost"
    assert all(set(keys.split()) <= set(row) for row in rows)
    assert all(0.9 < row["coverage"] <= 1.0 for row in rows)
    assert rows[0]["relative_cost"] == 1.0
    assert all((row["ball_coverage"] is None) == (row["model"] == "detector") for row in rows)


def test_a_detector_that_sees_the_drawn_person_in_3d_is_near_the_truth(rows):
    every_frame = next(row for row in rows if row["model"] == "detector" and row["stride"] == 1)
    assert every_frame["p_mpjpe"] < 90
    assert every_frame["keyframe_hz"] == pytest.approx(FPS, rel=0.05)
    assert every_frame["root_error"] is None


def test_splines_are_made_rigid_and_leave_the_network_s_row_as_it_is(folder):
    more = ["--stride", "10", "--refine", "savgol", "--upsample"]
    linear, after = rows_of(folder, *options(folder, *more, "linear", "model"))[:2]
    (free, *_) = rows_of(folder, *options(folder, *more, "linear", "--no-rigid"))
    (alone, *_) = rows_of(folder, *options(folder, *more, "model"))
    assert linear["bone_variation"] < 0.7 * free["bone_variation"]
    assert after["mpjpe"] == pytest.approx(alone["mpjpe"])
    assert linear["mpjpe"] != pytest.approx(alone["mpjpe"])


def test_the_detector_runs_once_on_an_image_for_all_strides_and_refinements(folder, monkeypatch):
    estimator = BrightPerson()
    monkeypatch.setattr("uplift_ros.estimators.create", lambda *_, **__: estimator)
    rows = rows_of(folder, *options(folder, "--stride", "4", "20", "--refine", "none", "savgol"))
    assert [row["model"] == "detector" for row in rows] == [False] * 4
    assert estimator.images == 26  # of 51 images at 25 Hz every 2nd at stride 4; those of stride 20 are among them


def test_the_reference_is_turned_into_the_frame_of_the_camera(folder):
    reference = load_reference(folder / "truth.npz", folder / "camera.yaml")
    truth = SyntheticSource(320, 240, FPS, moving=False).frame(10).truth
    np.testing.assert_allclose(reference.joints[10], truth, atol=1e-9)
    between = (reference.joints[10] + reference.joints[11]) / 2
    stamps = np.array([10.5 / FPS * 1e9, 1e12])
    np.testing.assert_allclose(reference.at(stamps)[0], between, atol=1e-6)
    assert np.isnan(reference.at(stamps)[1]).all()


def test_joints_of_the_other_views_count_if_there_are_any(folder):
    with np.load(folder / "truth.npz") as values:
        joints = values["joints"]
        np.savez(folder / "without.npz", **values, joints_without_front=joints + 1.0)
    reference = load_reference(folder / "without.npz", folder / "camera.yaml")
    np.testing.assert_allclose(reference.joints, (joints + 1.0) @ TURN.T + SHIFT)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"camera_name": "rear"}, "rotation_rear"),
        ({"camera_matrix": None}, "camera_matrix"),
        ({"image_width": 640}, "image_width"),
    ],
)
def test_a_camera_that_does_not_fit_is_refused(folder, changed, message, capsys):
    write_camera(folder / "other.yaml", SyntheticSource(320, 240, FPS).camera, **changed)
    assert cli.main(options(folder, "--stride", "20", camera="other.yaml")) == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ((), "stride"),
        (("--stride", "4", "--noise", "detector"), "noise"),
        (("--stride", "4", "--refine", "gaussian"), "refine"),
        (("--stride", "4", "--person", "p9"), "person"),
    ],
)
def test_options_that_a_video_cannot_have_are_refused(folder, more, message, capsys):
    assert cli.main(options(folder, *more)) == 1
    assert message in capsys.readouterr().err


def test_a_video_without_reference_is_refused(folder, capsys):
    assert cli.main(["evaluate", "--video", str(folder / "clip.mp4"), "--stride", "4"]) == 1
    assert "--reference" in capsys.readouterr().err
    assert cli.main(["evaluate", "--stride", "4"]) == 1
    assert "data" in capsys.readouterr().err
