"""Synthetic noise on true 3D motion."""

import numpy as np
import pytest

from uplift_ros.lab.data.pose_noise import KEYFRAME_INTERVALS, PoseNoise

POSES = np.cumsum(np.random.default_rng(1).normal(0, 0.01, (40, 88, 17, 3)), axis=1)


def errors(noise: PoseNoise, seed: int = 2) -> np.ndarray:
    return noise.apply(np.random.default_rng(seed), POSES) - POSES


def test_the_root_has_no_error_without_interpolation():
    assert (errors(PoseNoise(interpolated=0.0))[:, :, 0] == 0).all()


def test_poses_are_unchanged_without_width_and_interpolation():
    assert (errors(PoseNoise(width=0.0, interpolated=0.0)) == 0).all()


def test_clips_differ_in_how_large_their_errors_are():
    size = errors(PoseNoise(width=0.12, interpolated=0.0, jittered=0.0)).std((1, 2, 3))
    assert size.max() < 0.12 / np.sqrt(12) * 1.2
    assert size.min() < 0.2 * size.max()


def test_errors_grow_with_the_width():
    small, large = (errors(PoseNoise(width=width, interpolated=0.0)) for width in (0.05, 0.1))
    np.testing.assert_allclose(large, 2 * small)


def test_some_errors_are_correlated_in_time_and_some_are_not():
    error = errors(PoseNoise(interpolated=0.0))[:, :, 1:].reshape(len(POSES), 88, -1)
    correlation = (error[:, 1:] * error[:, :-1]).mean((1, 2)) / (error**2).mean((1, 2))
    assert correlation.max() > 0.7
    assert correlation.min() < 0.2


def test_jittered_clips_have_large_errors_that_are_new_at_every_frame():
    error = errors(PoseNoise(width=0.12, interpolated=0.0, jittered=1.0))[:, :, 1:]
    size = error.std((1, 2, 3)) * np.sqrt(12)
    assert size.min() > 0.9 * 0.06
    course = error.reshape(len(POSES), 88, -1)
    correlation = (course[:, 1:] * course[:, :-1]).mean((1, 2)) / (course**2).mean((1, 2))
    assert np.abs(correlation).max() < 0.1


def test_in_half_of_the_jittered_clips_all_joints_share_the_error_of_the_root():
    error = errors(PoseNoise(interpolated=0.0, jittered=1.0))[:, :, 1:]
    shared = error.mean(2).std((1, 2)) / error.std((1, 2, 3))
    assert 10 < (shared > 0.5).sum() < 30
    assert ((shared > 0.6) | (shared < 0.35)).all()


def test_interpolated_clips_are_exact_at_their_keyframes_only_and_smooth_between():
    intervals = set()
    for error, poses in zip(errors(PoseNoise(width=0.0, interpolated=1.0)), POSES, strict=True):
        keyframes = np.flatnonzero(np.abs(error).max((1, 2)) < 1e-9)
        (interval,) = set(np.diff(keyframes))
        intervals.add(interval)
        inside = slice(keyframes[0], keyframes[-1] + 1)
        smoothed = np.abs(np.diff((poses + error)[inside], 2, axis=0)).mean()
        assert smoothed < 0.6 * np.abs(np.diff(poses[inside], 2, axis=0)).mean()
    assert intervals == set(KEYFRAME_INTERVALS)


def test_interpolation_spoils_no_frame_beyond_the_margin():
    """A constant motion is interpolated exactly, and constant at the ends only."""
    walk = np.arange(88.0)[None, :, None, None] * np.ones((40, 1, 17, 3))
    noise = PoseNoise(width=0.0, interpolated=1.0)
    error = noise.apply(np.random.default_rng(3), walk) - walk
    assert np.abs(error[:, noise.margin : -noise.margin]).max() < 1e-9
    assert np.abs(error).max() > 0.5


@pytest.mark.parametrize("frames", [1, 5, 25])
def test_short_clips_can_be_interpolated_too(frames):
    noisy = PoseNoise(interpolated=1.0).apply(np.random.default_rng(4), POSES[:, :frames])
    assert np.isfinite(noisy).all()
