import numpy as np
import pytest
from support import tiny

from uplift_ros.models.mirrored import Mirrored
from uplift_ros.skeleton import mirror


@pytest.fixture
def poses():
    return np.random.default_rng(0).normal(size=(4, 17, 2))


@pytest.fixture
def windows():
    """Two windows that see all four poses, and one that sees two."""
    windows = np.zeros((3, tiny.uplift().config.tokens), int)
    windows[:, 5:25:5] = [(1, 2, 3, 4), (4, 3, 2, 1), (0, 1, 0, 2)]
    return windows


@pytest.fixture
def network():
    return tiny.uplifting()


NONE_KNOWN = np.empty((0, 0))


def test_the_mirror_image_of_a_pose_gives_the_mirror_image_of_the_result(network, poses, windows):
    mirrored = Mirrored(network)
    lifted, other = mirrored(poses, NONE_KNOWN, windows), mirrored(mirror(poses), NONE_KNOWN, windows)
    np.testing.assert_allclose(other.sequence, mirror(lifted.sequence), atol=1e-5)
    np.testing.assert_allclose(mirrored.central(other.hidden), mirror(mirrored.central(lifted.hidden)), atol=1e-5)
    alone = network(poses, NONE_KNOWN, windows).sequence
    assert np.abs(network(mirror(poses), NONE_KNOWN, windows).sequence - mirror(alone)).max() > 1e-3


def test_it_is_the_mean_of_both_results(network, poses, windows):
    own, other = (network(p, NONE_KNOWN, windows) for p in (poses, mirror(poses)))
    lifted = Mirrored(network)(poses, NONE_KNOWN, windows)
    np.testing.assert_allclose(lifted.sequence, (own.sequence + mirror(other.sequence)) / 2, atol=1e-5)
    central = (network.central(own.hidden) + mirror(network.central(other.hidden))) / 2
    np.testing.assert_allclose(Mirrored(network).central(lifted.hidden), central, atol=1e-5)


def test_known_tokens_stand_for_their_poses(network, poses, windows):
    mirrored = Mirrored(network)
    lifted = mirrored(poses, NONE_KNOWN, windows)
    order = np.array([0, 3, 4, 1, 2])[windows]  # poses 3 and 4 are new, 1 and 2 known
    again = mirrored(poses[2:], lifted.tokens[:2], order)
    np.testing.assert_allclose(again.sequence, lifted.sequence, atol=1e-5)
    np.testing.assert_allclose(again.tokens, lifted.tokens[2:], atol=1e-5)
