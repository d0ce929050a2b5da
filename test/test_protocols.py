"""Evaluation protocols: offline as in the paper, online as the nodes run."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from uplift_ros.camera import canonicalise
from uplift_ros.evaluation import protocols
from uplift_ros.models.uplift import UpliftUpsample, compact
from uplift_ros.online.refiner import StreamingRefiner
from uplift_ros.online.stride import AdaptiveStride, FixedStride
from uplift_ros.sources.motion import pose
from uplift_ros.training.mocap import Sequence


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    network = UpliftUpsample(replace(compact(), temporal_width=32, temporal_blocks=1, spatial_blocks=1)).eval()
    return network.requires_grad_(False)


@pytest.fixture(scope="module")
def clip():
    joints = np.stack([pose(frame / 50) for frame in range(131)]).astype(np.float32)
    return next(protocols.film([Sequence("a/b/c", joints)], 50.0, cameras=1, noise="none", seed=0))


def test_filming_is_repeatable_and_the_seed_matters(clip):
    joints = np.stack([pose(frame / 50) for frame in range(20)]).astype(np.float32)

    def film(seed, noise="detector"):
        return list(protocols.film([Sequence("a/b/c", joints)], 50.0, cameras=2, noise=noise, seed=seed))

    first, again, other = film(0), film(0), film(1)
    assert len(first) == 2
    np.testing.assert_array_equal(first[1].plane, again[1].plane)
    assert not np.allclose(first[1].plane, other[1].plane)
    assert not np.allclose(first[0].plane, film(0, "none")[0].plane)


@pytest.mark.parametrize("stride", [4, 10, 20])
def test_offline_poses_on_the_grid_are_those_of_their_own_window(model, clip, stride):
    estimate = protocols.offline(model, clip, stride)
    config = model.config
    frame = 60  # its window lies inside the clip
    frames = frame + (np.arange(config.tokens) - config.centre) * config.token_stride
    canonical = canonicalise(clip.plane[frames])
    mask = torch.from_numpy(frames % stride == 0)[None]
    central, _ = model(torch.from_numpy(canonical.inputs).float()[None], mask)
    if frame % stride == 0:
        expected = central[0].numpy() @ canonical.rotation[config.centre]
        np.testing.assert_allclose(estimate.poses[frame], expected, atol=1e-4)
    between = (estimate.poses[60] + estimate.poses[62]) / 2
    np.testing.assert_allclose(estimate.poses[61], between, atol=1e-12)


def test_offline_covers_every_frame_and_marks_the_key_frames(model, clip):
    estimate = protocols.offline(model, clip, 10)
    assert list(estimate.frames) == list(range(131))
    assert list(np.flatnonzero(estimate.keyframes)) == list(range(0, 131, 10))


def test_offline_refuses_strides_that_the_network_does_not_know(model, clip):
    with pytest.raises(ValueError, match="stride"):
        protocols.offline(model, clip, 3)


@pytest.mark.parametrize("latency", [0, 4])
def test_online_comes_out_at_every_frame_up_to_the_last_key_frame(model, clip, latency):
    estimate = protocols.online(model, clip, FixedStride(10, 2), 10, latency)
    assert list(estimate.frames) == list(range(131))
    assert list(np.flatnonzero(estimate.keyframes)) == list(range(0, 131, 10))


def test_adaptive_stride_spends_key_frames_where_motion_is_fast(model, clip):
    always_fast = protocols.online(model, clip, AdaptiveStride(20, 4, 1e-9, 50, s_out=2), 20, 0)
    never_fast = protocols.online(model, clip, AdaptiveStride(20, 4, 1e9, 50, s_out=2), 20, 0)
    assert never_fast.keyframes.sum() == 7
    assert always_fast.keyframes.sum() > 25


def test_perfect_poses_score_zero_and_a_wrong_size_is_forgiven_by_n_mpjpe(clip):
    frames = np.arange(len(clip.truth))
    keyframes = frames % 10 == 0
    perfect = protocols.Estimate(clip, clip.truth, frames, keyframes)
    scores = protocols.score([perfect], 50.0)
    assert scores["mpjpe"] == pytest.approx(0, abs=1e-3)
    assert scores["accel"] == pytest.approx(0, abs=1e-3)
    assert scores["keyframe_hz"] == pytest.approx(50 * 14 / 131)
    assert scores["frames"] == 131
    larger = protocols.score([replace(perfect, poses=clip.truth * 1.1)], 50.0)
    assert larger["mpjpe"] > 10
    assert larger["n_mpjpe"] == pytest.approx(0, abs=1e-3)


def test_refinement_keeps_frames_and_smooths(clip):
    rng = np.random.default_rng(0)
    frames = np.arange(len(clip.truth))
    noisy = clip.truth + rng.normal(0, 0.02, clip.truth.shape)
    estimate = protocols.Estimate(clip, noisy, frames, frames % 10 == 0)
    refined = protocols.refine(estimate, StreamingRefiner("savgol", 7), 50.0)
    assert len(refined.poses) == len(estimate.poses)
    before, after = (protocols.score([e], 50.0) for e in (estimate, refined))
    assert after["accel"] < 0.5 * before["accel"]
