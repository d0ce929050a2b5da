"""Detector noise has the sizes, the correlation and the rates that its parameters say."""

from dataclasses import replace

import numpy as np
import pytest

from uplift_ros.lab.data.detector_noise import DetectorNoise
from uplift_ros.skeleton import H36M17
from uplift_ros.sources.synthetic.motion import pose

NONE = DetectorNoise(offset=0.0, drift=0.0, jitter=0.0, far=0.0, absent=0.0, inversion=0.0, swap=0.0)
ANKLE, ELBOW, HEAD = (H36M17.index(joint) for joint in ("right_ankle", "left_elbow", "head"))


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def plane():
    """(200, 50, 17, 2): a torso of 0.2, every joint in its own place, nobody moves."""
    joints = np.linspace(1.0, 2.0, 34).reshape(17, 2)
    joints[0], joints[8] = (0, 0), (0, -0.2)
    return np.broadcast_to(joints, (200, 50, 17, 2)).copy()


def errors(noise, rng, plane, level=1.0):
    return noise.apply(rng, plane, 0.02, np.full(len(plane), level)) - plane


@pytest.mark.parametrize(
    ("part", "value", "joint", "deviation"),
    [
        ("jitter", 0.1, ANKLE, 0.1),
        ("offset", 1.0, ANKLE, 0.026),
        ("offset", 2.0, HEAD, 0.058),
        ("drift", 1.0, ELBOW, 0.041),
        ("drift", 2.0, HEAD, 0.064),
    ],
)
def test_noise_has_the_size_that_its_parameter_says(rng, plane, part, value, joint, deviation):
    disturbed = errors(replace(NONE, **{part: value}), rng, plane)[:, :, joint]
    assert disturbed.std() == pytest.approx(0.2 * deviation, rel=0.1)


@pytest.mark.parametrize(
    ("part", "joint", "correlation"),
    [
        ("offset", ANKLE, 1.0),
        ("drift", ELBOW, np.exp(-0.02 / 0.2)),
        ("drift", HEAD, np.exp(-0.02 / 0.8)),
        ("jitter", ANKLE, 0),
    ],
)
def test_offset_is_constant_drift_slow_and_jitter_white(rng, plane, part, joint, correlation):
    disturbed = errors(replace(NONE, **{part: 1.0}), rng, plane)[:, :, joint]
    neighbours = (disturbed[:, 1:] * disturbed[:, :-1]).mean() / (disturbed**2).mean()
    assert neighbours == pytest.approx(correlation, abs=0.03)


def test_hips_err_with_the_pelvis_and_the_spine_with_its_neighbours(rng, plane):
    disturbed = errors(replace(NONE, offset=1.0, drift=1.0), rng, plane)
    pelvis, hip, spine, thorax = (disturbed[:, :, joint] for joint in (0, 1, 7, 8))
    assert np.corrcoef(pelvis.ravel(), hip.ravel())[0, 1] > 0.75
    np.testing.assert_allclose(spine, (pelvis + thorax) / 2, atol=1e-12)


def test_level_one_is_a_real_detector_on_real_people(rng):
    """8.6 % of the torso length on average, misses and swaps apart."""
    joints = np.stack([pose(frame / 25)[:, 1:] * (1, -1) for frame in range(100)])
    plane = np.broadcast_to(joints, (100, 100, 17, 2)) / 4
    torso = np.linalg.norm(plane[0, :, 8] - plane[0, :, 0], axis=-1).mean()
    noise = replace(DetectorNoise(), far=0.0, absent=0.0, inversion=0.0, swap=0.0)
    distance = np.linalg.norm(errors(noise, rng, plane), axis=-1).mean()
    assert distance / torso == pytest.approx(0.086, abs=0.003)


def test_level_zero_leaves_the_sequence_as_it_is(rng):
    plane = rng.normal(size=(3, 20, 17, 2))
    np.testing.assert_array_equal(DetectorNoise().apply(rng, plane, 0.02, np.zeros(3)), plane)


def test_level_scales_rates(rng, plane):
    noise = replace(NONE, absent=0.02)
    half, full = (np.isnan(errors(noise, rng, plane, level)[:, :, ANKLE, 0]).mean() for level in (0.5, 1.0))
    assert full == pytest.approx(0.02, rel=0.3)
    assert half == pytest.approx(0.01, rel=0.4)


def test_absent_joints_are_missing_for_a_while_and_never_the_pelvis(rng, plane):
    absent = np.isnan(errors(replace(NONE, absent=0.05), rng, plane)[..., 0])
    assert not absent[:, :, [0, 7, 8]].any()
    stays = absent[:, 1:] & absent[:, :-1]
    assert stays.sum() / absent[:, :-1].sum() > 0.8  # episodes of 10 frames


def test_far_joints_land_a_torso_length_away(rng, plane):
    disturbed = errors(replace(NONE, far=0.05), rng, plane)[:, :, ANKLE]
    moved = np.abs(disturbed).max(-1) > 0
    assert moved.mean() == pytest.approx(0.05, rel=0.3)
    around = disturbed[moved] + plane[0, 0, ANKLE] - plane[0, 0, 0]
    assert around.std() == pytest.approx(0.2, rel=0.1)


def test_inversion_swaps_left_and_right_limbs(rng):
    plane = np.broadcast_to(np.arange(17.0)[:, None], (1, 1, 17, 2)).copy()
    swapped = replace(NONE, inversion=1.0).apply(rng, plane, 0.02, np.ones(1))
    np.testing.assert_array_equal(swapped[0, 0, :, 0], H36M17.flip)


def test_a_swapped_limb_is_that_of_somebody_beside(rng, plane):
    """Whole below hip or shoulder, or only its end; one to two torso lengths away."""
    disturbed = errors(replace(NONE, swap=1.0), rng, plane)
    knee, ankle = disturbed[:, :, 2], disturbed[:, :, 3]
    aside = np.abs(ankle[..., 0]) / 0.2
    assert aside.min() >= 1 - 1e-9
    assert aside.max() <= 2 + 1e-9
    whole = np.abs(knee).max((1, 2)) > 0
    assert 0.3 < whole.mean() < 0.7
    np.testing.assert_allclose(knee[whole], ankle[whole], atol=1e-12)
    np.testing.assert_array_equal(disturbed[:, :, [0, 1, 4, 8, 11, 14]], 0)


def test_errors_grow_with_the_person(rng, plane):
    near, far = (errors(replace(NONE, jitter=0.1), rng, size * plane).std() for size in (2.0, 1.0))
    assert near == pytest.approx(2 * far, rel=0.05)
