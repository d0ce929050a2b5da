"""Training windows: bodies, cameras, noise and key-frame masks are what they claim to be."""

import numpy as np
import pytest

from uplift_ros.camera import canonicalise
from uplift_ros.models.uplift import compact
from uplift_ros.skeleton import H36M17
from uplift_ros.sources.motion import pose
from uplift_ros.training.mocap import CANONICAL_CHAIN, Sequence, chain_length, load_npz, motion_class
from uplift_ros.training.noise import DetectorNoise
from uplift_ros.training.uplift import WindowSampler, random_mask
from uplift_ros.training.virtual_camera import random_views, rotation_xyz, surrounding_views


@pytest.fixture(scope="module")
def sequences():
    """Four seconds of the synthetic person, as motion capture."""
    joints = np.stack([pose(frame / 50) for frame in range(200)]).astype(np.float32)
    return [Sequence("synthetic/walk/1", joints)]


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_npz_files_are_read(tmp_path, sequences):
    path = tmp_path / "data.npz"
    np.savez(path, fps=50, **{"walk": sequences[0].joints})
    loaded, fps = load_npz(path)
    assert fps == 50
    assert loaded[0].name == "walk"
    np.testing.assert_array_equal(loaded[0].joints, sequences[0].joints)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"walk": np.zeros((5, 17, 3))}, "fps"),
        ({"fps": 50, "walk": np.zeros((5, 16, 3))}, "walk.*17, 3.*16, 3"),
        ({"fps": 50, "walk": np.full((5, 17, 3), np.nan)}, "walk.*finite"),
    ],
)
def test_npz_files_of_another_form_are_refused_by_name(tmp_path, arrays, message):
    path = tmp_path / "data.npz"
    np.savez(path, **arrays)
    with pytest.raises(ValueError, match=message):
        load_npz(path)


def test_a_file_that_is_no_npz_is_refused(tmp_path):
    path = tmp_path / "data.npz"
    path.write_text("not an archive")
    with pytest.raises(ValueError, match="not an npz file"):
        load_npz(path)


def test_the_motion_class_is_the_takes_folder():
    assert motion_class("cmu/salsa/10#2") == "salsa"
    assert motion_class("jump") == "jump"


def test_windows_have_the_networks_shapes_and_canonical_bodies(sequences, rng):
    config = compact()
    batch = WindowSampler(sequences, config, 16, rng).draw()
    assert batch.inputs.shape == (16, config.tokens, 17, 2)
    assert batch.targets.shape == (16, config.tokens, 17, 3)
    assert (batch.targets[:, :, 0] == 0).all()
    chains = chain_length(batch.targets.numpy()).mean(1)
    np.testing.assert_allclose(chains, CANONICAL_CHAIN, rtol=1e-5)


def test_clean_inputs_are_the_projection_of_the_targets(sequences, rng):
    """Seen from far away, the input is the target's x and y over its size."""
    sampler = WindowSampler(sequences, compact(), 64, rng)
    sampler.noise = DetectorNoise(0.0, 0.0, jitter=0.0, miss=0.0, inversion=0.0)
    batch = sampler.draw()
    flat = batch.targets[..., 1:, :2].flatten(0, 1).flatten(1)
    seen = batch.inputs[..., 1:, :].flatten(0, 1).flatten(1)
    cosine = (flat * seen).sum(-1) / flat.norm(dim=-1) / seen.norm(dim=-1)
    assert cosine.min() > 0.9  # perspective keeps it below 1


def test_views_look_at_people_from_the_promised_distance(sequences, rng):
    joints = np.broadcast_to(sequences[0].joints[None, :41], (200, 41, 17, 3))
    seen = random_views(rng, joints, np.arange(41) / 25).apply(joints)
    distance = np.linalg.norm(seen[:, 20, 0], axis=-1)
    assert 1.2 < distance.min() < 2.0
    assert 6.0 < distance.max() < 9.0
    assert (seen[:, 20, :, 2] > 0).all()


def test_optical_frames_have_y_down(sequences, rng):
    """Heads are above ankles in the image, whatever the camera."""
    joints = np.broadcast_to(sequences[0].joints[None, :1], (200, 1, 17, 3))
    seen = random_views(rng, joints, np.zeros(1)).apply(joints)
    assert (seen[..., 10, 1] < seen[..., 3, 1]).all()


def test_surrounding_cameras_stand_still_and_see_the_whole_motion(sequences, rng):
    joints = sequences[0].joints
    views = surrounding_views(rng, joints, 4)
    for rotation, position in zip(views.rotation, views.position, strict=True):
        seen = (joints - position) @ rotation.T
        assert seen[..., 2].min() > 1.0


def test_rotations_are_rotations(rng):
    angles = rng.uniform(-1, 1, (3, 10))
    rotation = rotation_xyz(*angles)
    np.testing.assert_allclose(
        rotation @ np.swapaxes(rotation, -1, -2), np.broadcast_to(np.eye(3), (10, 3, 3)), atol=1e-12
    )
    np.testing.assert_allclose(np.linalg.det(rotation), 1.0)


def test_canonical_inputs_do_not_depend_on_where_the_camera_points(sequences, rng):
    """Turning a camera about its own centre changes nothing but the pelvis angle that is told apart."""
    joints = sequences[0].joints[:1] - sequences[0].joints[:1, :1] + (0.4, -0.3, 4.0)
    turned = joints @ rotation_xyz(np.zeros(1), np.array([0.3]), np.zeros(1))[0].T
    straight, aside = (canonicalise(points[..., :2] / points[..., 2:]).inputs for points in (joints, turned))
    np.testing.assert_allclose(straight[:, 1:], aside[:, 1:], atol=0.05)  # up to the roll that a level frame takes out
    assert abs(straight[0, 0, 0] - aside[0, 0, 0]) > 0.2


@pytest.mark.parametrize("part", ["offset", "drift", "jitter"])
def test_noise_has_the_size_that_its_parameter_says(rng, part):
    plane = np.zeros((400, 50, 17, 2))
    plane[:, :, 8, 1] = -0.2  # a torso of 0.2
    quiet = {"offset": 0.0, "drift": 0.0, "jitter": 0.0, "miss": 0.0, "inversion": 0.0}
    noisy = DetectorNoise(**(quiet | {part: 0.1})).apply(rng, plane, 0.02, np.ones(400))
    assert (noisy - plane)[..., 3, :].std() == pytest.approx(0.02, rel=0.1)


def test_offset_is_constant_drift_is_slow_and_jitter_is_white(rng):
    plane = np.zeros((100, 50, 17, 2))
    plane[:, :, 8, 1] = -0.2
    quiet = {"offset": 0.0, "drift": 0.0, "jitter": 0.0, "miss": 0.0, "inversion": 0.0}

    def step_ratio(part):
        noisy = DetectorNoise(**(quiet | {part: 0.1})).apply(rng, plane, 0.02, np.ones(100))
        return np.diff(noisy, axis=1).std() / (noisy - plane).std()

    assert step_ratio("offset") == pytest.approx(0.0, abs=1e-12)
    assert step_ratio("drift") < 0.4
    assert step_ratio("jitter") == pytest.approx(np.sqrt(2), rel=0.05)


def test_level_zero_leaves_the_sequence_as_it_is(rng):
    plane = rng.normal(size=(3, 20, 17, 2))
    np.testing.assert_array_equal(DetectorNoise().apply(rng, plane, 0.02, np.zeros(3)), plane)


def test_inversion_swaps_left_and_right_limbs(rng):
    plane = np.broadcast_to(np.arange(17.0)[:, None], (1, 1, 17, 2)).copy()
    certain = DetectorNoise(0.0, 0.0, jitter=0.0, miss=0.0, inversion=1.0)
    swapped = certain.apply(rng, plane, 0.02, np.ones(1))
    np.testing.assert_array_equal(swapped[0, 0, :, 0], H36M17.flip)


def test_masks_have_a_real_pose_and_only_the_networks_strides(rng):
    config = compact()
    masks = random_mask(rng, config, 2000)
    assert masks.any(1).all()
    gaps = {int(gap) * config.token_stride for mask in masks for gap in np.diff(np.flatnonzero(mask))}
    assert set(config.input_strides) <= gaps
    assert max(gaps) <= max(config.input_strides)


def test_half_of_the_masks_end_on_a_key_frame(rng):
    """The window of a stream ends at the newest key-frame."""
    masks = random_mask(rng, compact(), 2000)
    assert masks[:, -1].mean() > 0.5
