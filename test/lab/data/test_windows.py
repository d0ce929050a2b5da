"""Training windows: bodies, cameras, noise and key-frame masks."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from support.noise import NO_NOISE
from support.paper_data import motion

from uplift_ros.camera import SCREEN_FOCAL, canonicalise
from uplift_ros.lab.data import windows
from uplift_ros.lab.data.mocap import CANONICAL_CHAIN, Sequence, chain_length
from uplift_ros.lab.data.virtual_camera import in_image, random_views, rotation_xyz, surrounding_views
from uplift_ros.lab.data.windows import WindowSampler, interpolated, random_mask, with_twins
from uplift_ros.models.configs import compact, n351
from uplift_ros.skeleton import H36M17


@pytest.fixture(scope="module")
def sequences():
    """Four seconds of the synthetic person, as motion capture."""
    return [Sequence("synthetic/walk/1", motion(0, 200).astype(np.float32))]


def test_windows_have_the_networks_shapes_and_canonical_bodies(sequences, rng):
    config = compact()
    batch = WindowSampler(sequences, config, 16, rng).draw()
    assert batch.inputs.shape == (16, config.tokens, 17, 3)
    assert batch.targets.shape == (16, config.tokens, 17, 3)
    assert (batch.targets[:, :, 0] == 0).all()
    chains = chain_length(batch.targets.numpy()).mean(1)
    np.testing.assert_allclose(chains, CANONICAL_CHAIN, rtol=1e-5)


def test_windows_are_drawn_more_often_around_fast_motion(sequences, rng):
    """Of a person who stands for four seconds and walks for four, most windows are of the walk."""
    walks = sequences[0].joints
    stands = np.repeat(walks[:1], len(walks), axis=0)
    sampler = WindowSampler([Sequence("one", np.concatenate([stands, walks]))], compact(), 1000, rng)
    centre = compact().centre
    moving = np.abs(np.diff(sampler._windows()[:, centre - 1 : centre + 2], axis=1)).max((1, 2, 3)) > 1e-3
    assert 0.57 < moving.mean() < 0.9


def test_clean_inputs_are_the_projection_of_the_targets(sequences, rng):
    """Seen from far away, the input is the target's x and y over its size."""
    sampler = WindowSampler(sequences, compact(), 64, rng)
    sampler.noise = NO_NOISE
    batch = sampler.draw()
    flat = batch.targets[..., 1:, :2].flatten(0, 1).flatten(1)
    seen = batch.inputs[..., 1:, :2].flatten(0, 1).flatten(1)
    cosine = (flat * seen).sum(-1) / flat.norm(dim=-1) / seen.norm(dim=-1)
    assert cosine.min() > 0.8  # perspective keeps it below 1, most from above


def test_inputs_of_the_papers_normalisation_are_targets_in_the_cameras_own_frame(sequences, rng, monkeypatch):
    """Screen coordinates of a joint are the pelvis's plus, at the same depth, the target over that depth."""
    monkeypatch.setattr(windows, "BORDERED", 0.0)
    sampler = WindowSampler(sequences, replace(compact(), normalisation="screen"), 8, rng)
    sampler.noise = NO_NOISE
    batch = sampler.draw()
    rays, targets = batch.inputs[..., :2].numpy() / SCREEN_FOCAL, batch.targets.numpy()
    # (X + t) = u (Z + t_z) for both axes of all joints: solve for the pelvis's place t, the residual must be 0.
    u, pelvis = rays[0, 0], rays[0, 0, 0]
    across = u - pelvis
    depth = ((targets[0, 0, 1:, :2] - u[1:] * targets[0, 0, 1:, 2:]) * across[1:]).sum() / (across[1:] ** 2).sum()
    residual = targets[0, 0, :, :2] + pelvis * depth - u * (targets[0, 0, :, 2:] + depth)
    assert depth > 1.0
    assert np.abs(residual).max() < 1e-4


def test_twins_are_mirror_images_with_the_same_mask(sequences, rng):
    batch = WindowSampler(sequences, compact(), 8, rng, twins=True).draw()
    assert batch.inputs.shape[0] == batch.mask.shape[0] == batch.targets.shape[0] == 8
    windows, twins = slice(0, None, 2), slice(1, None, 2)
    assert torch.equal(batch.mask[windows], batch.mask[twins])
    left, right = H36M17.index("left_wrist"), H36M17.index("right_wrist")
    mirrored = torch.tensor([-1.0, 1.0, 1.0])
    assert torch.equal(batch.targets[windows, :, left] * mirrored, batch.targets[twins, :, right])
    assert torch.equal(batch.inputs[windows, :, left] * mirrored, batch.inputs[twins, :, right])
    assert not torch.equal(batch.targets[windows], batch.targets[twins])


def test_twins_are_seen_as_a_mirrored_camera_would_see_them(sequences, rng):
    """Mirroring the image and then normalising is the same as the twin's input."""
    rays = rng.normal(0, 0.3, (1, 1, 17, 2))
    pose, mirrored = canonicalise(rays), canonicalise(rays[:, :, H36M17.flip] * (-1, 1))
    np.testing.assert_allclose(with_twins(pose)[1], mirrored[0], atol=1e-12)


def test_twins_in_an_odd_batch_are_refused(sequences, rng):
    with pytest.raises(ValueError, match="batch"):
        WindowSampler(sequences, compact(), 7, rng, twins=True)


def test_people_outside_the_image_have_no_key_frame(sequences, rng):
    """Part of 7 s of a fast walk past cameras is outside the image; a person who stays is always inside."""
    frames = np.arange(700)
    stays = np.repeat(sequences[0].joints[:1], 700, axis=0)
    walks = stays + np.stack([frames * 0.04 - 14, 0 * frames, 0 * frames], -1)[:, None]
    batches = [
        WindowSampler([Sequence("one", joints)], n351(), 64, np.random.default_rng(0)).draw()
        for joints in (stays, walks)
    ]
    staying, walking = (batch.mask.float().mean() for batch in batches)
    assert walking < 0.8 * staying
    assert batches[1].mask.any(1).all()
    assert torch.isfinite(batches[1].inputs).all()


@pytest.fixture
def many(sequences):
    """(1000, 41, 17, 3) windows of the synthetic person."""
    return np.broadcast_to(sequences[0].joints[None, :41], (1000, 41, 17, 3))


def test_views_are_those_of_robots(many, rng):
    """Distance 1 to 12 m, height from 0.3 m, field of view 40 to 100 degrees, rolled and pitched; some look down."""
    views, half_size = random_views(rng, many, np.arange(41) / 25)
    distance = np.linalg.norm(views.apply(many)[:, 20, 0], axis=-1)
    assert 1.0 < distance.min() < 1.4
    assert 11.0 < distance.max() < 12.1
    height = views.position[:, 20, 2]
    assert 0.3 <= height.min() < 0.4
    assert 0.03 < (height > 2.5).mean() < 0.1
    slope = np.degrees(np.arcsin((height - many[:, 20, 0, 2]) / distance))
    assert 25 < np.percentile(slope, 95) < 40
    fov = 2 * np.degrees(np.arctan(half_size.max(1)))
    assert set(np.round(half_size[:, 1] / half_size[:, 0], 2)) == {0.56, 0.75, 1.33, 1.78}
    aside = np.abs(np.arctan2(*np.moveaxis(views.apply(many)[:, 20, 0, [0, 2]], -1, 0))) / np.arctan(half_size[:, 0])
    assert 0.7 < np.percentile(aside, 98) < 0.95
    assert 40 <= fov.min() < 43
    assert 97 < fov.max() <= 100
    forward, right = views.rotation[:, 20, 2], views.rotation[:, 20, 0]
    pitch = np.degrees(np.arcsin(forward[:, 2]))
    assert pitch.min() < -20
    assert pitch.max() > 10
    roll = np.abs(np.degrees(np.arcsin(right[:, 2])))
    assert 2 < np.median(roll) < 4
    assert np.percentile(roll, 95) > 10


def test_a_third_of_the_cameras_move(many, rng):
    views, _ = random_views(rng, many, np.arange(41) / 25)
    moving = np.ptp(views.position, axis=1).max(-1) > 0
    assert moving.mean() == pytest.approx(1 / 3, abs=0.06)


def test_the_person_is_in_the_image_at_the_middle_of_the_window_and_never_at_the_lens(many, rng):
    views, half_size = random_views(rng, many, np.arange(41) / 25)
    seen = views.apply(many)
    assert in_image(seen, half_size)[:, 20].all()
    assert seen[..., 2].min() >= 0.5


def test_no_person_walks_through_the_camera(many, rng):
    """5 m/s to and fro: cameras are drawn until one keeps its distance."""
    running = many + np.stack([np.linspace(-4, 4, 41), np.zeros(41), np.zeros(41)], -1)[:, None]
    views, _ = random_views(rng, running, np.arange(41) / 25)
    assert views.apply(running)[..., 2].min() >= 0.5


def test_a_trunk_behind_the_camera_or_beside_the_image_is_not_seen():
    seen = np.zeros((1, 5, 17, 3))
    seen[0, :, [0, 8]] = [(0, 0, 3), (0, 0, -3), (2.9, 0, 3), (0, 2.9, 3), (0, 2.9, 3)]
    seen[0, 4, 8] = (0, 2.0, 3)
    assert in_image(seen, np.array([[1.0, 0.75]])).tolist() == [[True, False, True, False, True]]


def test_optical_frames_have_y_down(sequences, rng):
    """Heads are above ankles in the image, whatever the camera."""
    joints = np.broadcast_to(sequences[0].joints[None, :1], (200, 1, 17, 3))
    seen = random_views(rng, joints, np.zeros(1))[0].apply(joints)
    assert (seen[..., 10, 1] < seen[..., 3, 1]).all()


def test_surrounding_cameras_stand_still_and_see_the_whole_motion(sequences, rng):
    joints = sequences[0].joints
    views = surrounding_views(rng, joints, 4)
    for rotation, position in zip(views.rotation, views.position, strict=True):
        seen = (joints - position) @ rotation.T
        assert seen[..., 2].min() > 1.0


def test_canonical_inputs_do_not_depend_on_where_the_camera_points(sequences, rng):
    """Turning a camera about its own centre changes only the separate pelvis angle."""
    joints = sequences[0].joints[:1] - sequences[0].joints[:1, :1] + (0.4, -0.3, 4.0)
    turned = joints @ rotation_xyz(np.zeros(1), np.array([0.3]), np.zeros(1))[0].T
    straight, aside = (canonicalise(points[..., :2] / points[..., 2:]) for points in (joints, turned))
    np.testing.assert_allclose(straight[:, 1:], aside[:, 1:], atol=0.05)  # up to the roll that a level frame takes out
    assert abs(straight[0, 0, 0] - aside[0, 0, 0]) > 0.2


def test_masks_have_a_real_pose_and_the_intervals_of_streams(rng):
    config = compact()
    masks = random_mask(rng, config, 2000)
    assert masks.any(1).all()
    gaps = {int(gap) * config.token_stride for mask in masks for gap in np.diff(np.flatnonzero(mask))}
    assert set(config.input_strides) <= gaps
    assert max(gaps) > max(config.input_strides), "people are missed at some key-frames"
    assert np.mean([len(set(np.diff(np.flatnonzero(mask)))) > 2 for mask in masks]) > 0.2, "intervals are halved"


def test_values_between_key_frames_are_linear_and_those_beyond_them_stay():
    mask = np.array([[False, True, False, False, True, False]])
    values = np.array([[[9.0], [1.0], [9.0], [9.0], [4.0], [9.0]]])
    assert interpolated(values, mask)[0, :, 0].tolist() == [1, 1, 2, 3, 4, 4]


def test_half_of_the_masks_end_on_a_key_frame(rng):
    """The window of a stream ends at the newest key-frame."""
    masks = random_mask(rng, compact(), 2000)
    assert masks[:, -1].mean() > 0.45
