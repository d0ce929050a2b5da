"""The uplifter's own output as training data of the refiner."""

import numpy as np
from support import tiny

from uplift_ros.lab.data.mocap import Sequence
from uplift_ros.lab.training.uplifter_pairs import uplifter_pairs
from uplift_ros.sources.synthetic.motion import pose

SEQUENCES = [
    Sequence(f"synthetic/{start}", np.stack([pose((start + frame) / 50) for frame in range(60)]).astype(np.float32))
    for start in (0, 300)
]


def test_every_sequence_gives_estimate_and_truth_of_the_same_frames():
    pairs = uplifter_pairs(tiny.uplift(), SEQUENCES, seed=0)
    assert len(pairs) == 2
    for estimate, truth in pairs:
        assert estimate.shape == truth.shape
        assert 20 < len(truth) <= 60
        assert np.isfinite(estimate).all()


def test_the_seed_decides_cameras_noise_and_strides():
    first, again, other = (uplifter_pairs(tiny.uplift(), SEQUENCES, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first[0][0], again[0][0])
    assert not np.array_equal(first[0][1][:20], other[0][1][:20])
