"""Refinement of whole sequences: the streaming methods and the baselines."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter1d
from support import tiny
from support.refining import frames_of, joints_of, refine

from uplift_ros.lab.data.refiners import Refiner, refine_sequence
from uplift_ros.lab.smoothnet import SmoothNet, SmoothNetConfig
from uplift_ros.streaming.refiner import StreamingRefiner

POSES = np.cumsum(np.random.default_rng(0).normal(0, 0.01, (40, 17, 3)), axis=0) + np.random.default_rng(1).normal(
    0, 0.3, (17, 3)
)
RELATIVE = POSES - POSES[:, :1]


def streamed_by(method: str, delay: int) -> np.ndarray:
    """POSES after the node's refiner, root-relative."""
    refined = joints_of(refine(StreamingRefiner(method, delay, tiny.refining()), frames_of({"p1": POSES})))
    return refined - refined[:, :1]


@pytest.mark.parametrize("delay", [0, 3, 7])
@pytest.mark.parametrize("method", ["none", "one_euro", "savgol", "synsp"])
def test_whole_sequences_are_refined_as_in_a_stream(method, delay):
    network = tiny.synsp() if method == "synsp" else None
    refined, _ = Refiner(method, network, delay=delay).refine(POSES)
    np.testing.assert_allclose(refined, streamed_by(method, delay), atol=1e-5)


@pytest.mark.parametrize("frames", [1, 2, 5])
@pytest.mark.parametrize("method", ["none", "one_euro", "savgol", "gaussian", "synsp"])
def test_short_sequences_keep_their_length(method, frames):
    refined, _ = Refiner(method, tiny.synsp() if method == "synsp" else None).refine(POSES[:frames])
    assert refined.shape == (frames, 17, 3)
    assert np.isfinite(refined).all()


def test_gaussian_looks_no_further_than_the_delay():
    expected = gaussian_filter1d(RELATIVE, 3.0, axis=0, truncate=7 / 3)
    np.testing.assert_allclose(Refiner("gaussian").refine(POSES)[0], expected)
    later = POSES.copy()
    later[28:] += 1.0 * np.arange(17)[:, None]
    np.testing.assert_array_equal(Refiner("gaussian").refine(later)[0][:21], Refiner("gaussian").refine(POSES)[0][:21])


def test_a_network_that_changes_nothing_leaves_the_poses():
    network = SmoothNet(SmoothNetConfig(width=8, inner=4, blocks=1)).eval()
    with torch.no_grad():  # leaky ReLUs of slope 1 and identities
        network.encode[1].negative_slope = 1.0
        for linear in (network.encode[0], network.decode):
            linear.weight.copy_(torch.eye(8))
            linear.bias.zero_()
        network.blocks[0].layers[3].weight.zero_()
        network.blocks[0].layers[3].bias.zero_()
    np.testing.assert_allclose(Refiner("smoothnet", network).refine(POSES)[0], RELATIVE, atol=1e-6)


def test_branches_differ_and_share_their_tension():
    results = {branch: Refiner("synsp", tiny.synsp(), branch).refine(POSES) for branch in ("position", "acceleration")}
    (position, tension), (acceleration, same) = results.values()
    assert not np.allclose(position, acceleration)
    np.testing.assert_array_equal(tension, same)
    assert tension.shape == (40, 17)


@pytest.mark.parametrize(("network", "delay"), [(None, -1), (tiny.synsp(), 8)])
def test_delays_out_of_range_are_refused(network, delay):
    with pytest.raises(ValueError, match="delay"):
        Refiner("synsp" if network else "savgol", network, delay=delay)


def test_a_whole_sequence_has_the_full_average_at_every_frame():
    whole = refine_sequence(tiny.synsp(), RELATIVE.reshape(1, 40, 51)).reshape(40, 17, 3)
    streamed = streamed_by("synsp", 7)
    # Away from the ends the two are one; a stream has no windows that begin before it, and pads instead.
    np.testing.assert_allclose((whole - whole[:, :1])[7:33], streamed[7:33], atol=1e-5)
    assert refine_sequence(tiny.synsp(), RELATIVE[:3].reshape(1, 3, 51)).shape == (1, 3, 51)
