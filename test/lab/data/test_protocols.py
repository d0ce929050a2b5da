"""Evaluation protocols: offline as in the paper, online as the nodes run."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from support.paper_data import motion

from uplift_ros.camera import camera_to_canonical_rotation, normalise
from uplift_ros.lab.data import protocols
from uplift_ros.lab.data.mocap import Sequence
from uplift_ros.lab.data.refiners import Refiner
from uplift_ros.lab.evaluation import scores
from uplift_ros.models.configs import compact
from uplift_ros.skeleton import H36M17


@pytest.fixture(scope="module")
def clip():
    joints = motion(0, 131).astype(np.float32)
    return next(protocols.project_sequences([Sequence("a/b/c", joints)], 50.0, cameras=1, noise="none", seed=0))


def test_projected_clips_are_repeatable_and_depend_on_the_seed(clip):
    joints = motion(0, 20).astype(np.float32)

    def project_sequences(seed, noise="detector"):
        return list(protocols.project_sequences([Sequence("a/b/c", joints)], 50.0, cameras=2, noise=noise, seed=seed))

    first, again, other = project_sequences(0), project_sequences(0), project_sequences(1)
    assert len(first) == 2
    np.testing.assert_array_equal(first[1].plane, again[1].plane)
    assert not np.allclose(first[1].plane, other[1].plane)
    assert not np.allclose(first[0].plane, project_sequences(0, "none")[0].plane)


@pytest.mark.parametrize("stride", [4, 10, 20])
def test_offline_poses_on_the_grid_are_those_of_their_own_window(small_compact, clip, stride):
    estimate = protocols.offline(small_compact, clip, stride)
    config = small_compact.config
    frame = 60  # its window lies inside the clip
    frames = frame + (np.arange(config.tokens) - config.centre) * config.token_stride
    inputs = normalise(clip.plane[frames], "canonical", clip.scores[frames])
    mask = torch.from_numpy(frames % stride == 0)[None]
    central, _ = small_compact(torch.from_numpy(inputs).float()[None], mask)
    if frame % stride == 0:
        expected = central[0].numpy() @ camera_to_canonical_rotation(clip.plane[frame, 0], "canonical")
        np.testing.assert_allclose(estimate.poses[frame], expected, atol=1e-4)
    between = (estimate.poses[60] + estimate.poses[62]) / 2
    np.testing.assert_allclose(estimate.poses[61], between, atol=1e-12)


def test_offline_covers_every_frame_and_marks_the_key_frames(small_compact, clip):
    estimate = protocols.offline(small_compact, clip, 10)
    assert list(estimate.frames) == list(range(131))
    assert list(np.flatnonzero(estimate.keyframes)) == list(range(0, 131, 10))


def test_offline_refuses_strides_that_the_network_does_not_know(small_compact, clip):
    with pytest.raises(ValueError, match="stride"):
        protocols.offline(small_compact, clip, 3)


@pytest.mark.parametrize("latency", [0, 4])
def test_online_has_every_frame_up_to_the_last_key_frame(small_compact, clip, latency):
    estimate = protocols.online(small_compact, clip, protocols.fixed(small_compact.config, 10), latency)
    assert list(estimate.frames) == list(range(131))
    assert list(np.flatnonzero(estimate.keyframes)) == list(range(0, 131, 10))


def test_an_adaptive_stride_has_more_key_frames_if_motion_is_fast(small_compact, clip):
    def adaptive(**changes):
        return replace(protocols.adaptive(small_compact.config, **changes), look_back=None)

    always_fast = protocols.online(small_compact, clip, adaptive(velocity_threshold=1e-9, hold_frames=50), 0)
    never_fast = protocols.online(small_compact, clip, adaptive(velocity_threshold=1e9, stride_medium=20), 0)
    assert never_fast.keyframes.sum() == 7
    assert always_fast.keyframes.sum() > 25


def test_flipping_changes_nothing_if_the_network_is_symmetric(clip):
    """A network whose poses are its inputs' mirror images for mirrored inputs."""
    symmetric = Mirrored(lambda inputs: np.concatenate([inputs, inputs[..., :1] ** 2], -1))
    plain = protocols.offline(symmetric, clip, 4)
    np.testing.assert_allclose(protocols.offline(symmetric, clip, 4, flip=True).poses, plain.poses, atol=1e-6)


def test_flipping_averages_out_asymmetric_errors(clip):
    lopsided = Mirrored(lambda inputs: np.full((*inputs.shape[:-1], 3), [0.1, 0.0, 0.2]))
    assert np.abs(protocols.offline(lopsided, clip, 4).poses).max() > 0.2
    flipped = protocols.offline(lopsided, clip, 4, flip=True)
    lengths = np.linalg.norm(flipped.poses[flipped.keyframes], axis=-1)
    np.testing.assert_allclose(lengths, 0.2, atol=1e-6)  # x is gone, z stays


class Mirrored:
    """Replacement of a network: its central head returns `lift` of the 2D pose at the centre."""

    config = replace(compact(), scores=False)

    def __init__(self, lift):
        self.lift = lift

    def pose_tokens(self, inputs):
        return torch.from_numpy(self.lift(inputs.numpy())).float()

    def place(self, tokens, mask):
        placed = torch.zeros(*mask.shape, 17, 3)
        placed[mask] = tokens
        return placed

    def temporal(self, placed, mask):
        return placed

    def central(self, placed):
        return placed[:, self.config.centre]


def test_linear_interpolation_of_key_frames_is_exact_on_lines_and_cubic_on_cubics(clip):
    time = np.arange(131)[:, None, None] / 131 - np.random.default_rng(0).random((1, 17, 3))
    for degree in (1, 3):
        motion = time**degree
        motion -= motion[:, :1]
        wrong_between = motion.copy()
        keyframes = np.arange(131) % 10 == 0
        wrong_between[~keyframes] = 9.0
        given = protocols.Estimate(clip, wrong_between, np.arange(131), keyframes)
        np.testing.assert_allclose(protocols.between_keyframes(given, degree).poses, motion, atol=1e-9)


def test_frames_after_the_last_key_frame_hold_its_pose(clip):
    poses = np.cumsum(np.random.default_rng(0).normal(size=(25, 17, 3)), 0)
    given = protocols.Estimate(clip, poses, np.arange(25), np.arange(25) % 10 == 0)
    held = protocols.between_keyframes(given, 3).poses
    np.testing.assert_allclose(held[20:], np.broadcast_to(poses[20] - poses[20, 0], (5, 17, 3)))


@pytest.mark.parametrize("keyframes", [1, 2])
def test_few_key_frames_lower_the_degree_of_the_spline(clip, keyframes):
    poses = np.random.default_rng(0).normal(size=(12, 17, 3))
    given = protocols.Estimate(clip, poses, np.arange(12), np.isin(np.arange(12), [0, 10][:keyframes]))
    between = protocols.between_keyframes(given, 3).poses
    relative = poses - poses[:, :1]
    expected = relative[0] if keyframes == 1 else (relative[0] + relative[10]) / 2
    np.testing.assert_allclose(between[5], expected)


def test_noise_on_the_truth_is_uniform_on_every_coordinate_and_drawn_once(clip):
    (first,), (again,) = (list(protocols.disturbed_truth([clip], 0.1, seed=3)) for _ in range(2))
    np.testing.assert_array_equal(first.poses, again.poses)
    noise = first.poses - (clip.truth - clip.truth[:, :1])
    assert np.abs(noise).max() < 0.05
    np.testing.assert_allclose(noise.std((0, 2)), 0.1 / np.sqrt(12), rtol=0.15)
    assert abs(np.corrcoef(noise[1:].ravel(), noise[:-1].ravel())[0, 1]) < 0.05


def test_refinement_keeps_frames_and_smooths(clip):
    (noisy,) = protocols.disturbed_truth([clip], 0.1, seed=0)
    refined = protocols.refine(noisy, Refiner("savgol"))
    assert len(refined.poses) == len(noisy.poses)
    before, after = (scores.score([estimate], 50.0) for estimate in (noisy, refined))
    assert after["accel"] < 0.5 * before["accel"]


def test_rigid_refinement_of_a_stream_gives_one_set_of_bone_lengths(small_compact, clip):
    estimate = protocols.online(small_compact, clip, protocols.fixed(small_compact.config, 10), 4)
    parents, children = np.transpose(H36M17.bones)
    spread = {}
    for rigid in (False, True):
        poses = protocols.refine(estimate, Refiner("savgol", rigid=rigid)).poses
        lengths = np.linalg.norm(poses[:, children] - poses[:, parents], axis=-1)[50:]
        spread[rigid] = (lengths.std(0) / lengths.mean(0)).mean()
    assert spread[True] < 0.2 * spread[False]


def test_velocities_of_the_stage_are_scored(small_compact, clip):
    estimate = protocols.online(small_compact, clip, protocols.fixed(small_compact.config, 10), 4)
    refined = protocols.refine(estimate, Refiner("savgol", rigid=True))
    error = scores.score([refined], 50.0)["speed_error"]
    truth = 50 * np.gradient(clip.truth, axis=0)[refined.frames]
    assert error > 0.01
    right = tuple(
        replace(frame, persons=(replace(frame.persons[0], velocities=velocities),))
        for frame, velocities in zip(refined.skeletons, truth, strict=True)
    )
    assert scores.score([replace(refined, skeletons=right)], 50.0)["speed_error"] == pytest.approx(0.0, abs=1e-6)
    assert scores.score([estimate], 50.0)["speed_error"] is None
