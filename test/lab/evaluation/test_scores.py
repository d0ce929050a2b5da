"""Metrics of many clips."""

from dataclasses import replace

import numpy as np
import pytest
from support.people import person3d

from uplift_ros import metrics
from uplift_ros.lab.data.protocols import Clip, Estimate
from uplift_ros.lab.evaluation import scores
from uplift_ros.poses import SkeletonFrame
from uplift_ros.skeleton import LIMB_JOINTS
from uplift_ros.streaming import uncertainty


def estimate(name: str, frames: int, error: float, speed: float = 0.0) -> Estimate:
    """A pose whose joints move along x at `speed` m/s from the pelvis, at 50 Hz, and lie `error` metres too high."""
    truth = np.random.default_rng(len(name)).normal(0, 0.3, (1, 17, 3)).repeat(frames, 0)
    truth[:, 1:, 0] += speed / 50 * np.arange(frames)[:, None] * 17 / 16  # the pelvis counts as a joint at rest
    poses = truth.copy()
    poses[:, 1:, 1] += error * 17 / 16
    indices = np.arange(frames)
    return Estimate(Clip(name, truth, truth[..., :2], np.ones(truth.shape[:2])), poses, indices, indices % 4 == 0)


def test_means_are_of_frames_and_of_classes():
    row = scores.score(
        [estimate("a/walk/1", 10, 0.010), estimate("a/walk/2", 20, 0.010), estimate("a/run/1", 30, 0.04)], 50
    )
    assert row["mpjpe"] == pytest.approx(25.0)
    assert row["mpjpe_class_mean"] == pytest.approx(25.0)
    assert row["frames"] == 60
    uneven = scores.score([estimate("a/walk/1", 30, 0.010), estimate("a/run/1", 10, 0.040)], 50)
    assert uneven["mpjpe"] == pytest.approx(17.5)
    assert uneven["mpjpe_class_mean"] == pytest.approx(25.0)


def test_perfect_poses_score_zero_and_a_wrong_size_is_forgiven_by_n_mpjpe():
    perfect = estimate("a/walk/1", 40, 0.0)
    row = scores.score([perfect], 50)
    assert row["mpjpe"] == row["accel"] == 0
    assert row["keyframe_hz"] == pytest.approx(12.5)
    larger = scores.score([replace(perfect, poses=perfect.truth * 1.1)], 50)
    assert larger["mpjpe"] > 10
    assert larger["n_mpjpe"] == pytest.approx(0, abs=1e-9)


def test_key_frames_and_fast_frames_have_figures_of_their_own():
    slow, fast = estimate("a/walk/1", 20, 0.010, 0.2), estimate("a/run/1", 20, 0.030, 0.8)
    slow.poses[slow.keyframes] = slow.truth[slow.keyframes]
    row = scores.score([slow, fast], 50)
    assert row["mpjpe_fast"] == pytest.approx(30.0)
    assert row["mpjpe_keyframes"] == pytest.approx(15.0)
    assert scores.score([slow], 50)["mpjpe_fast"] is None


def test_balls_of_the_expected_error_are_counted_without_the_pelvis():
    near, far = (estimate("a/walk/1", 10, error) for error in (0.03, 0.04))
    score = uncertainty.score_of(np.float64(0.02))
    assert uncertainty.ball_radius(score) == pytest.approx(0.034)
    person = person3d(near.poses[0], scores=np.full(17, score), covariance=np.ones((17, 6)))
    skeletons = (SkeletonFrame(0, "camera", (person,)),) * 10
    assert scores.score([replace(e, skeletons=skeletons) for e in (near, far)], 50)["ball_coverage"] == 0.5
    assert scores.score([near], 50)["ball_coverage"] is None


def test_the_error_of_speeds_leaves_out_gaps_of_the_truth():
    moving = estimate("a/walk/1", 10, 0.0, speed=0.8)
    velocities = np.zeros((17, 3))
    velocities[1:, 0] = 0.8 * 17 / 16 + 0.1
    people = [person3d(pose, velocities=velocities) for pose in moving.poses]
    skeletons = tuple(SkeletonFrame(0, "camera", (person,)) for person in people)
    moving.clip.truth[4, 9] = np.nan
    error = scores.score([replace(moving, poses=moving.poses.copy(), skeletons=skeletons)], 50, LIMB_JOINTS)[
        "speed_error"
    ]
    assert error == pytest.approx(0.1 * 16 / 17, rel=0.02)


def test_padded_accelerations_are_those_of_the_metric():
    shaky = estimate("a/walk/1", 12, 0.0)
    shaky.poses[::2, 3] += 0.01
    row = scores.score([shaky], 50)
    assert row["accel"] == pytest.approx(metrics.accel(shaky.poses, shaky.truth))
    assert row["accel_padded"] == pytest.approx(metrics.accel(shaky.poses, shaky.truth, zero_padded=True))


def test_every_class_has_its_row():
    rows = scores.by_class(
        [estimate("a/walk/1", 10, 0.010), estimate("b/walk/2#1", 20, 0.040), estimate("a/run/1", 5, 0)]
    )
    assert list(rows) == ["run", "walk"]
    assert rows["walk"]["mpjpe"] == pytest.approx(30.0)
    assert rows["walk"]["frames"] == 30


def test_velocity_intervals_add_up_to_all_frames_and_to_the_whole_error():
    estimates = [estimate("a/walk/1", 20, 0.010, 0.25), estimate("a/run/1", 10, 0.040, 0.83)]
    intervals = scores.by_velocity(estimates, 50)
    assert sum(interval["frames"] for interval in intervals) == 30
    assert intervals[-1]["share_up_to"] == pytest.approx(1.0)
    filled = {(interval["from"], interval["to"]): interval for interval in intervals if interval["frames"]}
    assert list(filled) == [(0.2, 0.3), (0.8, 0.9)]
    assert filled[0.2, 0.3]["mpjpe"] == pytest.approx(10.0)
    assert filled[0.2, 0.3]["share_up_to"] == pytest.approx(2 / 3)
    assert filled[0.8, 0.9]["mpjpe"] == pytest.approx(40.0)
    assert intervals[0]["mpjpe"] is None


@pytest.mark.parametrize(("slope", "expected"), [(2.0, 1.0), (-0.5, -1.0)])
def test_tension_that_follows_the_error_correlates_fully(slope, expected):
    shaky = estimate("a/walk/1", 30, 0.0)
    errors = np.random.default_rng(2).random((30, 17))
    errors[:, 0] = 0
    shaky.poses[..., 1] += errors
    tension = 1.0 + slope * errors
    tension[:, 0] = 77.0  # the pelvis does not count
    assert scores.tension_correlation([replace(shaky, tension=tension)]) == pytest.approx(expected)
