"""`uplift study quality`: whether scores and covariance match the errors."""

import json
from dataclasses import replace

import numpy as np
import pytest
from support.paper_data import motion

from uplift_ros import cli
from uplift_ros.lab.studies.calibration import UNSEEN, Rated, check, fit
from uplift_ros.models import weights
from uplift_ros.models.uplift import UpliftUpsample
from uplift_ros.poses import Source
from uplift_ros.sources.synthetic.motion import pose
from uplift_ros.streaming import uncertainty

FRAMES = 2000
RATE = 50.0
DEVIATION = 0.04
"""Metres on each axis of every joint's error."""


@pytest.fixture
def rated() -> Rated:
    """A person at 4 m whose joints, the pelvis too, have errors of DEVIATION, with the matching covariance."""
    rng = np.random.default_rng(0)
    truth = np.repeat((pose(0.0) - pose(0.0)[0] + (0.0, 0.0, 4.0))[None], FRAMES, axis=0)
    poses = truth + rng.normal(0, DEVIATION, truth.shape)
    poses[:, 1:] += (poses - truth)[:, :1]  # the pelvis's error moves all
    covariance = np.zeros((FRAMES, 17, 6))
    covariance[..., [0, 3, 5]] = 2 * DEVIATION**2
    covariance[:, 0, [0, 3, 5]] = DEVIATION**2
    sources = np.where(np.arange(FRAMES) % 10 == 0, Source.KEYFRAME, Source.UPSAMPLED)
    seconds = np.full(FRAMES, 0.0)
    found = np.linalg.norm(poses - truth - (poses - truth)[:, :1], axis=-1)
    return Rated(poses, truth, uncertainty.score_of(found), covariance, sources, seconds)


def test_scores_that_follow_from_the_errors_order_them_perfectly(rated):
    figures = check([rated])
    assert figures["spearman"] == pytest.approx(1.0)
    assert figures["within_joints"] == pytest.approx(1.0)
    for tenth in figures["reliability"]:
        assert tenth["expected"] == pytest.approx(tenth["found"], rel=0.01)


def test_scores_that_are_all_equal_order_nothing(rated):
    figures = check([replace(rated, scores=np.full_like(rated.scores, 0.5))])
    assert figures["spearman"] is None
    assert figures["within_joints"] is None


def test_a_covariance_as_large_as_the_errors_has_a_mean_squared_distance_of_one(rated):
    figures = check([rated])
    assert figures["mahalanobis"] == pytest.approx({"root_relative": 1.0, "pelvis": 1.0, "placed": 1.0}, rel=0.05)
    for inside in figures["coverage"].values():
        assert {float(part): share for part, share in inside.items()} == pytest.approx(
            {0.5: 0.5, 0.9: 0.9, 0.99: 0.99}, abs=0.03
        )


def test_key_frames_and_frames_between_them_have_figures_of_their_own(rated):
    by_source = check([rated])["by_source"]
    assert set(by_source) == {"KEYFRAME", "UPSAMPLED"}
    assert by_source["KEYFRAME"][1] == pytest.approx(np.sqrt(8 / np.pi) * DEVIATION, rel=0.05)


def test_the_fitted_model_expects_the_errors_that_were_found(rated):
    model = fit([replace(rated, scores=np.ones_like(rated.scores))], RATE)
    joints = rated.poses[0] - rated.poses[0, 0]
    scores, _ = model.predict(joints, rated.poses[0, 0], np.zeros(17), 0.0, np.ones(17))
    assert uncertainty.error_of(scores)[1:] == pytest.approx(np.full(16, rated.errors.mean()), rel=0.15)


def test_errors_that_the_detectors_scores_stand_for_are_counted_once(rated):
    """Half of all joints have a score below 1 and, besides other errors, one as large as the score stands for."""
    stated = np.random.default_rng(1).choice([0.0, 0.1], rated.scores.shape)
    stated[:, 0] = 0.0
    poses = rated.truth + (rated.poses - rated.truth) * (1 + stated / rated.errors.mean())[..., None]
    known = replace(rated, poses=poses, scores=uncertainty.score_of(stated))
    model = fit([known], RATE)
    joints = poses - poses[:, :1]
    expected = model.expected(joints, uncertainty.joint_speeds(joints, RATE), known.seconds, known.scores)[:, 1:]
    for part in (0.0, 0.1):
        chosen = stated[:, 1:] == part
        assert expected[chosen].mean() == pytest.approx(known.errors[chosen].mean(), rel=0.15)


def test_balls_hold_nine_of_ten_errors_of_every_joint_the_worse_joints_in_larger_balls(rated):
    worse = np.where(np.arange(17) == 13, 3.0, 1.0)[:, None]
    spread = replace(rated, poses=rated.truth + (rated.poses - rated.truth) * worse)
    certain = np.ones_like(spread.scores)
    model = fit([replace(spread, scores=certain)], RATE)
    joints = spread.poses - spread.poses[:, :1]
    speeds = uncertainty.joint_speeds(joints, RATE)
    scores = uncertainty.score_of(model.expected(joints, speeds, spread.seconds, certain))
    balls = check([replace(spread, scores=scores)])["balls"]
    assert balls["coverage"] == pytest.approx(0.9, abs=0.02)
    by_joint = balls["by_joint"]
    assert by_joint["nose"] == pytest.approx(0.9, abs=0.02)
    assert by_joint["left_wrist"] + by_joint["right_wrist"] == pytest.approx(1.8, abs=0.02)  # fitted together


@pytest.fixture
def command(tmp_path):
    """The command with networks without an error model; motion capture is in data.npz. Returns the exit code."""
    weights.save(weights.load("compact", UpliftUpsample), tmp_path / "uplift.safetensors", {})
    takes = {f"x/box/{start}": motion(start, 61) for start in (0, 300)}
    np.savez(tmp_path / "data.npz", fps=RATE, **takes)
    model = ["--model", str(tmp_path / "uplift.safetensors")]
    return lambda *options: cli.main(["study", "quality", *model, *map(str, options)])


def test_errors_are_measured_and_written_beside_the_weights_and_then_checked(command, tmp_path, capsys):
    data = tmp_path / "data.npz"
    assert command("--fit", data, "--data", data, "--sequences", 1, "--json", tmp_path / "figures.json") == 0
    provenance = json.loads((tmp_path / "uplift.quality.json").read_text())["provenance"]
    assert provenance == {"data": "data.npz", "seed": 0, "latency": 4}
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures == json.loads(capsys.readouterr().out)
    distance = figures["raw"]["mahalanobis"]["root_relative"]
    assert distance * UNSEEN**2 == pytest.approx(1.0, abs=0.2), "fitted on the same clips"
    assert figures["raw"]["joints"] == figures["refined"]["joints"] > 0


def test_all_sequences_are_taken_if_no_number_is_given(command, tmp_path, capsys):
    joints = []
    for options in (("--fit", tmp_path / "data.npz", "--sequences", 1), ()):
        assert command("--data", tmp_path / "data.npz", *options) == 0
        joints.append(json.loads(capsys.readouterr().out)["raw"]["joints"])
    assert joints[1] == 2 * joints[0]


def test_errors_that_were_not_measured_yet_are_asked_for(command, tmp_path, capsys):
    assert command("--data", tmp_path / "data.npz") == 1
    assert "--fit" in capsys.readouterr().err


def test_a_study_without_data_is_refused(command, tmp_path, capsys):
    assert command() == 1
    assert "--fit, --data" in capsys.readouterr().err
    assert command("--data", tmp_path / "data.npz", "--sequences", -1) == 1
    assert "sequences" in capsys.readouterr().err
