import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from uplift_ros import metrics

seeds = st.integers(0, 2**32 - 1)


def poses(seed: int, frames: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.0, 0.4, (frames, 17, 3))


def rotation(seed: int) -> np.ndarray:
    return Rotation.random(None, np.random.default_rng(seed)).as_matrix()


@pytest.mark.parametrize("metric", [metrics.mpjpe, metrics.n_mpjpe, metrics.p_mpjpe, metrics.accel])
@given(seed=seeds)
def test_a_perfect_prediction_has_no_error(metric, seed):
    assert metric(poses(seed), poses(seed)) == pytest.approx(0.0, abs=1e-9)


def test_mpjpe_of_one_joint_off_by_17_mm_is_one_millimetre():
    truth = poses(0)
    predicted = truth.copy()
    predicted[:, 13, 1] += 0.017
    assert metrics.mpjpe(predicted, truth) == pytest.approx(1.0)


def test_mpjpe_charges_a_misplaced_root_to_all_other_joints():
    truth = poses(0)
    predicted = truth.copy()
    predicted[:, 0, 2] += 0.017
    assert metrics.mpjpe(predicted, truth) == pytest.approx(16.0)


@given(seed=seeds, shift=st.tuples(*[st.floats(-10, 10)] * 3))
def test_mpjpe_ignores_where_the_person_stands(seed, shift):
    predicted, truth = poses(seed), poses(seed + 1)
    assert metrics.mpjpe(predicted + np.array(shift), truth) == pytest.approx(metrics.mpjpe(predicted, truth))


@given(seed=seeds, scale=st.floats(0.1, 10))
def test_n_mpjpe_ignores_the_size_of_the_prediction(seed, scale):
    predicted, truth = poses(seed), poses(seed + 1)
    assert metrics.n_mpjpe(scale * predicted, truth) == pytest.approx(metrics.n_mpjpe(predicted, truth))


@given(seed=seeds, scale=st.floats(0.1, 10), shift=st.tuples(*[st.floats(-10, 10)] * 3))
def test_p_mpjpe_ignores_rotation_size_and_place(seed, scale, shift):
    predicted, truth = poses(seed), poses(seed + 1)
    moved = scale * predicted @ rotation(seed).T + np.array(shift)
    assert metrics.p_mpjpe(moved, truth) == pytest.approx(metrics.p_mpjpe(predicted, truth))


@given(seed=seeds)
def test_p_mpjpe_does_not_forgive_a_mirrored_pose(seed):
    truth = poses(seed)
    assert metrics.p_mpjpe(truth * (-1, 1, 1), truth) > 1.0


@given(seed=seeds)
@settings(max_examples=25)
def test_no_small_similarity_beats_the_procrustes_alignment(seed):
    random = np.random.default_rng(seed)
    pose, target = poses(seed, 1), poses(seed + 1, 1)
    aligned = metrics.procrustes(pose, target)
    best = ((aligned - target) ** 2).sum()
    centre = aligned.mean(1, keepdims=True)
    turn = Rotation.from_rotvec(random.normal(0, 0.05, 3)).as_matrix()
    other = random.uniform(0.95, 1.05) * (aligned - centre) @ turn.T + centre + random.normal(0, 0.01, 3)
    assert ((other - target) ** 2).sum() >= best - 1e-12


@given(seed=seeds)
def test_scaling_can_only_help_the_squared_error(seed):
    predicted, truth = metrics.root_relative(poses(seed, 1)), metrics.root_relative(poses(seed + 1, 1))
    factor = (predicted * truth).sum() / (predicted**2).sum()
    assert ((factor * predicted - truth) ** 2).sum() <= ((predicted - truth) ** 2).sum() + 1e-12


def test_accel_of_an_error_that_grows_quadratically_is_its_second_derivative():
    truth = poses(0, 10)
    predicted = truth.copy()
    predicted[:, 1:, 0] += 0.001 * np.arange(10)[:, None] ** 2  # second difference 2 mm at 16 of 17 joints
    assert metrics.accel(predicted, truth) == pytest.approx(2.0 * 16 / 17)


@given(seed=seeds)
def test_accel_ignores_an_error_that_drifts_evenly(seed):
    truth = poses(seed, 8)
    drift = np.random.default_rng(seed).normal(0, 0.1, (17, 3)) * np.arange(8)[:, None, None]
    assert metrics.accel(truth + drift, truth) == pytest.approx(0.0, abs=1e-6)


@given(seed=seeds, frames=st.integers(3, 30))
def test_zero_padding_shrinks_accel_by_its_share_of_frames(seed, frames):
    predicted, truth = poses(seed, frames), poses(seed + 1, frames)
    padded = metrics.accel(predicted, truth, zero_padded=True)
    assert padded == pytest.approx(metrics.accel(predicted, truth) * (frames - 2) / frames)


def test_velocity_of_one_joint_at_one_metre_per_second_is_a_seventeenth():
    sequence = np.repeat(poses(0, 1), 6, 0)
    sequence[:, 16, 0] += np.arange(6) / 50
    np.testing.assert_allclose(metrics.velocity(sequence, 50.0), np.full(5, 1 / 17))


@given(seed=seeds)
def test_velocity_ignores_the_motion_of_the_whole_person(seed):
    sequence = poses(seed, 6)
    walk = np.random.default_rng(seed).normal(0, 1, (6, 1, 3))
    np.testing.assert_allclose(metrics.velocity(sequence + walk, 50.0), metrics.velocity(sequence, 50.0))


@pytest.mark.parametrize("shape", [(17, 3), (5, 17, 2), (4, 17, 3), (0, 17, 3)])
def test_arrays_of_another_shape_are_rejected_with_both_shapes(shape):
    with pytest.raises(ValueError, match="poses"):
        metrics.mpjpe(np.zeros(shape), np.zeros((5, 17, 3)))


def test_acceleration_of_two_frames_is_rejected():
    with pytest.raises(ValueError, match="frames"):
        metrics.accel(poses(0, 2), poses(1, 2))
