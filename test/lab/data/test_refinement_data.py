"""Training clips of the refinement networks."""

import numpy as np
import pytest
from support import tiny
from support.paper_data import motion as walk
from support.wandering import SEQUENCES, motion

from uplift_ros.lab.data.mocap import Sequence
from uplift_ros.lab.data.pose_noise import PoseNoise
from uplift_ros.lab.data.refinement_data import ClipSampler, noise_pairs, random_rotations, uplifter_pairs
from uplift_ros.skeleton import H36M17


def sampler(pairs=(), batch: int = 16) -> ClipSampler:
    return ClipSampler(SEQUENCES, 8, batch, np.random.default_rng(3), pairs)


def test_clips_are_root_relative_in_metres():
    noisy, true = sampler().draw()
    assert noisy.shape == true.shape == (16, 8, 51)
    assert noisy.isfinite().all()
    assert true.unflatten(-1, (17, 3))[:, :, 0].abs().max() == 0
    assert noisy.unflatten(-1, (17, 3))[:, :, 0].abs().max() == 0


def test_half_of_the_batch_is_of_pairs_whose_truth_is_moved_by_the_mean_error():
    pair = (motion(40, 4), motion(40, 5))
    noisy, true = (clips.unflatten(-1, (17, 3)).numpy() for clips in sampler([pair]).draw())
    estimated, known = (poses - poses[:, :1] for poses in pair)
    for given, other, source, source_other in zip(noisy[8:], true[8:], [estimated] * 8, [known] * 8, strict=True):
        distances = []
        for flipped in (False, True):
            whole = np.stack([source, source_other])
            if flipped:
                whole = whole[:, :, H36M17.flip] * (-1, 1, 1)
            for start in range(33):
                cut = whole[:, start : start + 8].copy()
                cut[1] += (cut[0] - cut[1]).mean(0)
                size = (cut * [given, other]).sum() / (cut**2).sum()
                distances.append(np.abs(size * cut - [given, other]).max())
        assert min(distances) < 1e-5


def test_pairs_shorter_than_a_clip_are_left_out():
    short, long = (motion(7), motion(7)), (motion(9), motion(9))
    assert sampler([short, long]).pairs == [long]
    assert sampler([short, long]).draw()[0].shape == (16, 8, 51)
    with pytest.raises(ValueError, match="pairs"):
        sampler([short])


def test_pairs_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="pairs"):
        sampler([(motion(9), motion(8))])


def test_people_stand_upright_before_every_camera():
    rotations = random_rotations(np.random.default_rng(6), 500)
    np.testing.assert_allclose(rotations @ rotations.swapaxes(1, 2), np.tile(np.eye(3), (500, 1, 1)), atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(rotations), 1.0)
    up = rotations @ [0, 0, 1]
    assert (-up[:, 1] > np.cos(np.radians(31))).all()  # y points down
    assert up[:, 2].min() < -0.3 < 0.3 < up[:, 2].max()  # seen from above and from below


def test_noise_pairs_are_the_same_at_every_call():
    first, again = (noise_pairs(SEQUENCES, PoseNoise())[0] for _ in range(2))
    np.testing.assert_array_equal(first[0], again[0])
    assert first[0].shape == first[1].shape == (120, 17, 3)


WALKS = [Sequence(f"synthetic/{start}", walk(start, 60).astype(np.float32)) for start in (0, 300)]


def test_every_sequence_gives_an_uplifters_estimate_and_the_truth_of_the_same_frames_by_its_seed():
    first, again, other = (uplifter_pairs(tiny.uplift(), WALKS, seed) for seed in (0, 0, 1))
    assert len(first) == 2
    for estimate, truth in first:
        assert estimate.shape == truth.shape
        assert 20 < len(truth) <= 60
        assert np.isfinite(estimate).all()
    np.testing.assert_array_equal(first[0][0], again[0][0])
    assert not np.array_equal(first[0][1][:20], other[0][1][:20])
