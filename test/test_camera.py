"""The calibrated camera: projection, rays, canonical poses, root placement."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.cameras import LENSES, by_lens

from uplift_ros.camera import (
    CAUCHY,
    RAYLEIGH_MEDIAN,
    SCREEN_FOCAL,
    Camera,
    camera_to_canonical_rotation,
    canonicalise,
    fill_absent,
    look_at,
    normalise,
    place_root,
)


@pytest.fixture
def person():
    """(17, 3) metres around the origin."""
    return np.random.default_rng(0).normal(0, 0.3, (17, 3))


@by_lens
def test_rays_undo_the_projection(camera, person):
    points = person + np.array([0.3, -0.2, 4.0])
    np.testing.assert_allclose(camera.rays(camera.project(points)), points[:, :2] / points[:, 2:], atol=1e-6)


WIDE = Camera(320, 320, 639.5, 359.5, 1280, 720, (-0.33, 0.12, 0.0, 0.0, -0.02))


def test_rays_are_exact_up_to_the_border_of_a_wide_lens():
    """Where OpenCV's own five iterations are 3 pixels off."""
    points = np.stack([*np.meshgrid(np.linspace(-1.25, 1.25, 15), np.linspace(-0.7, 0.7, 9)), np.ones((9, 15))], -1)
    np.testing.assert_allclose(WIDE.rays(WIDE.project(points)), points[..., :2], atol=1e-3)


def test_an_ideal_fisheye_is_no_pinhole():
    camera = Camera.from_matrix([300, 0, 320, 0, 300, 240, 0, 0, 1], [0.0] * 4, 640, 480, "equidistant")
    np.testing.assert_allclose(camera.rays(np.array([620.0, 240.0])), [np.tan(1.0), 0.0], atol=1e-4)


def test_a_pixel_beyond_the_model_of_a_fisheye_is_no_ray():
    fisheye = Camera(300, 300, 320, 240, 640, 480, (-0.02, 0.01, -0.005, 0.001), "equidistant")
    assert np.isnan(fisheye.rays(np.array([320 + 1.7 * 300, 240.0]))).all()


@by_lens
def test_absent_pixels_stay_absent(camera):
    rays = camera.rays(np.array([[100.0, 100.0], [np.nan, np.nan]]))
    assert np.isfinite(rays[0]).all()
    assert np.isnan(rays[1]).all()


@by_lens
def test_points_behind_the_camera_are_nowhere_in_the_image(camera):
    assert np.isnan(camera.project(np.array([[0.0, 0.0, -1.0], [0.0, 0.0, 0.0], [1.0, 1.0, 0.0]]))).all()


def test_the_optical_axis_meets_the_principal_point():
    assert Camera(500, 510, 320, 240, 640, 480).project(np.array([0.0, 0.0, 2.0])).tolist() == [320, 240]


def test_right_is_right_and_down_is_down_in_the_image():
    right, down = Camera(500, 500, 320, 240, 640, 480).project(np.array([[1.0, 0, 4], [0, 1.0, 4]]))
    assert right[0] > 320
    assert down[1] > 240


def test_the_field_of_view_spans_the_image():
    camera = Camera.from_fov(np.pi / 2, 640, 480)
    assert camera.project(np.array([1.0, 0, 1.0]))[0] - camera.cx == pytest.approx(320)
    assert (camera.cx, camera.cy) == (319.5, 239.5), "pixel centres have whole numbers"


def test_the_intrinsic_matrix_projects():
    camera = Camera(500, 510, 320, 240, 640, 480)
    point = np.array([0.3, -0.2, 2.0])
    np.testing.assert_allclose(camera.matrix @ point / point[2], [*camera.project(point), 1.0])


def test_camera_info_without_distortion_is_an_ideal_camera():
    camera = Camera.from_matrix([500, 0, 320, 0, 510, 240, 0, 0, 1], [0.0] * 5, 640, 480)
    assert camera == Camera(500, 510, 320, 240, 640, 480)


def test_one_coefficient_is_distortion():
    camera = Camera.from_matrix([500, 0, 320, 0, 510, 240, 0, 0, 1], [0.1, 0.0, 0.0, 0.0], 640, 480)
    assert camera == Camera(500, 510, 320, 240, 640, 480, (0.1, 0.0, 0.0, 0.0))


def is_taken(call: Callable, *arguments) -> bool:
    try:
        call(*arguments)
    except (ValueError, cv2.error):
        return False
    return True


@pytest.mark.parametrize(
    ("model", "project"),
    [
        ("plumb_bob", cv2.projectPoints),
        ("rational_polynomial", cv2.projectPoints),
        ("equidistant", cv2.fisheye.projectPoints),
    ],
)
@pytest.mark.parametrize("count", range(1, 16))
def test_a_lens_has_as_many_coefficients_as_opencv_takes(model, project, count):
    zero = np.zeros(3)
    possible = is_taken(project, np.ones((1, 1, 3)), zero, zero, np.eye(3), np.zeros(count))
    assert is_taken(Camera, 500, 500, 320, 240, 640, 480, (0.0,) * count, model) is possible


def test_a_camera_of_one_pixel_is_a_camera():
    assert Camera(0.5, 0.5, 0, 0, 1, 1).project(np.array([1.0, 1.0, 1.0])).tolist() == [0.5, 0.5]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 0, 0, 0, 640, 480), "focal length"),
        ((0, 500, 320, 240, 640, 480), "focal length"),
        ((500, -1, 320, 240, 640, 480), "focal length"),
        ((500, 0, 320, 240, 640, 480), "focal length"),
        ((500, 500, np.nan, 240, 640, 480), "finite"),
        ((500, 500, 320, 240, 640, 480, (0.0, np.inf, 0.0, 0.0)), "finite"),
        ((500, 500, 320, 240, 0, 480), "image size"),
        ((500, 500, 320, 240, 640, -1), "image size"),
        ((500, 500, 320, 240, 640, 0), "image size"),
        ((500, 500, 320, 240, 640, 480, (), "magic"), "distortion_model"),
    ],
)
def test_impossible_cameras_are_refused_by_name(arguments, message):
    with pytest.raises(ValueError, match=message):
        Camera(*arguments)


@given(st.tuples(*[st.floats(-1, 1)] * 2))
def test_look_at_turns_a_direction_onto_the_optical_axis(offset):
    direction = np.array([*offset, 1.0])
    rotation = look_at(direction)
    np.testing.assert_allclose(rotation @ direction, [0, 0, np.linalg.norm(direction)], atol=1e-12)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(rotation) == pytest.approx(1)
    assert rotation[0, 1] == pytest.approx(0)  # the new x axis is level


def test_canonical_poses_have_unit_size_and_record_what_was_removed(person):
    points = person - person[0] + (1.0, 0.2, 4.0)
    rays = points[:, :2] / points[:, 2:]
    inputs = canonicalise(rays)
    turned = points @ camera_to_canonical_rotation(rays[0], "canonical").T
    plane = turned[:, :2] / turned[:, 2:]
    size = np.sqrt((plane**2).sum(-1).mean())
    np.testing.assert_allclose(inputs[1:], plane[1:] / size)
    np.testing.assert_allclose(inputs[0], [np.arctan(rays[0, 0]), np.log(size)])


def test_canonical_poses_do_not_depend_on_the_lens(person):
    points = person + np.array([0.3, -0.2, 4.0])
    inputs = [canonicalise(camera.rays(camera.project(points))) for camera in LENSES]
    for other in inputs[1:]:
        np.testing.assert_allclose(other, inputs[0], atol=1e-4)


def test_a_person_far_away_and_one_near_look_alike(person):
    near, far = (canonicalise((person[:, :2]) / (z + 0 * person[:, 2:]))[1:] for z in (3.0, 30.0))
    np.testing.assert_allclose(near, far, atol=0.02)


def test_a_pose_of_no_size_is_no_nan():
    assert np.isfinite(canonicalise(np.zeros((17, 2)))).all()


def test_noise_of_less_than_a_thousandth_is_not_blown_up_to_a_pose(person):
    speck = 1e-6 * person[:, :2] - 1e-6 * person[0, :2]
    inputs = canonicalise(speck)
    np.testing.assert_allclose(inputs[1:], speck[1:] / 1e-3)
    np.testing.assert_allclose(inputs[0], [0.0, np.log(1e-3)])


def test_a_joint_behind_who_looks_at_the_pelvis_is_no_nan():
    rays = np.zeros((17, 2))
    rays[0], rays[5] = (5.0, 0.0), (-5.0, 0.0)
    assert np.isfinite(canonicalise(rays)).all()


@given(st.tuples(st.floats(-2, 2), st.floats(-1, 1), st.floats(1.5, 10)))
def test_placement_is_the_inverse_of_projection(root):
    joints = np.random.default_rng(1).normal(0, 0.3, (17, 3))
    joints -= joints[0]
    points = joints + root
    placed = place_root(joints, points[:, :2] / points[:, 2:], np.ones(17))
    np.testing.assert_allclose(placed, root, atol=1e-6)


def test_a_person_at_arms_length_has_a_place(person):
    joints = 0.2 * (person - person[0])
    points = joints + np.array([0.1, 0.1, 0.5])
    np.testing.assert_allclose(place_root(joints, points[:, :2] / points[:, 2:], np.ones(17)), [0.1, 0.1, 0.5])


def test_placement_does_without_absent_and_worthless_joints(person):
    joints = person - person[0]
    points = joints + np.array([0.5, 0.1, 4.0])
    rays = points[:, :2] / points[:, 2:]
    weights = np.ones(17)
    rays[3] = np.nan
    rays[4, 1] = np.nan
    rays[5] += 10.0
    weights[5] = 0.0
    np.testing.assert_allclose(place_root(joints, rays, weights), [0.5, 0.1, 4.0], atol=1e-9)


def test_placement_gives_little_for_missed_and_swapped_joints(person):
    joints = person - person[0]
    points = joints + np.array([0.5, 0.1, 4.0])
    rays = points[:, :2] / points[:, 2:]
    rays[3] += 0.2  # 0.8 m off
    rays[[12, 13, 15, 16]] = rays[[15, 16, 12, 13]]
    np.testing.assert_allclose(place_root(joints, rays, np.ones(17)), [0.5, 0.1, 4.0], atol=0.1)


@pytest.mark.parametrize(("off", "share"), [(0.008, 0.9), (0.08, 0.08)])
def test_a_joint_that_is_off_by_millimetres_counts_and_one_off_by_more_hardly(person, off, share):
    """Part of the displacement that it would cause with the same weight as the 16 others, which fit."""
    joints = person - person[0]
    points = joints + np.array([0.0, 0.0, 4.0])
    points[0, 0] += off
    placed = place_root(joints, points[:, :2] / points[:, 2:], np.ones(17))
    assert placed[0] == pytest.approx(share * off / 17, rel=0.1)


def test_placement_from_too_little_is_nowhere(person):
    rays = np.full((17, 2), np.nan)
    rays[4] = 0.1
    placed = place_root(person, rays, np.ones(17))
    assert placed.shape == (3,)
    assert np.isnan(placed).all()


def test_two_joints_are_enough_for_a_place(person):
    points = person + np.array([0.5, 0.1, 4.0])
    rays = points[:, :2] / points[:, 2:]
    rays[2:] = np.nan
    np.testing.assert_allclose(place_root(person, rays, np.ones(17)), [0.5, 0.1, 4.0], atol=1e-6)


def test_one_joint_and_a_worthless_one_are_not_enough(person):
    points = person + np.array([0.5, 0.1, 4.0])
    rays = points[:, :2] / points[:, 2:]
    rays[2:] = np.nan
    assert np.isnan(place_root(person, rays, np.array([1.0, 0.0, *[1.0] * 15]))).all()


def test_placement_loses_a_twentieth_of_its_efficiency_where_no_joint_is_off():
    residuals = np.linspace(-8, 8, 4001)
    density = np.exp(-(residuals**2) / 2)
    density /= density.sum()
    influence = residuals / (1 + (residuals / CAUCHY) ** 2)
    slope = np.gradient(influence, residuals)
    assert (slope @ density) ** 2 / (influence**2 @ density) == pytest.approx(0.95, abs=0.005)


def test_half_of_all_residuals_are_shorter_than_the_median():
    lengths = np.linalg.norm(np.random.default_rng(0).normal(size=(100_000, 2)), axis=-1)
    assert (lengths < RAYLEIGH_MEDIAN).mean() == pytest.approx(0.5, abs=0.01)


def test_a_person_is_never_placed_behind_the_camera(person):
    joints = person - person[0]
    points = joints - (0, 0, 4.0)
    assert np.isnan(place_root(joints, points[:, :2] / points[:, 2:], np.ones(17))).all()


def test_screen_normalisation_is_the_papers_formula_in_pixels():
    camera = Camera(SCREEN_FOCAL * 500, SCREEN_FOCAL * 500, 500.0, 400.0, 1000, 800)
    points = np.random.default_rng(0).uniform((-1, -1, 3), (1, 1, 6), (4, 17, 3))
    pixels = camera.project(points)
    assert camera.fx == pytest.approx(1145), "Human3.6M's"
    normalised = normalise(camera.rays(pixels), "screen")
    np.testing.assert_allclose(normalised, 2 * pixels / 1000 - (1, 800 / 1000), atol=1e-12)
    rotation = camera_to_canonical_rotation(camera.rays(pixels)[:, 0], "screen")
    np.testing.assert_array_equal(rotation, np.broadcast_to(np.eye(3), (4, 3, 3)))


def test_canonical_normalisation_answers_in_the_frame_that_looks_at_the_pelvis():
    rays = np.random.default_rng(0).normal(size=(4, 17, 2))
    rotation = camera_to_canonical_rotation(rays[:, 0], "canonical")
    pelvis = np.concatenate([rays[:, 0], np.ones((4, 1))], -1)
    np.testing.assert_allclose((rotation @ pelvis[..., None])[:, :2, 0], 0, atol=1e-12)


@pytest.mark.parametrize("normalisation", ["canonical", "screen"])
def test_many_poses_at_once_are_normalised_each_for_itself(normalisation):
    rays = np.random.default_rng(0).normal(size=(2, 3, 17, 2))
    together = normalise(rays, normalisation)
    for index in np.ndindex(2, 3):
        alone = normalise(rays[index], normalisation)
        np.testing.assert_allclose(together[index], alone)


@pytest.mark.parametrize("normalisation", ["canonical", "screen"])
def test_absent_joints_stand_where_their_parents_are(normalisation):
    rays = np.random.default_rng(0).normal(size=(17, 2))
    without_arm, arm_on_thorax = rays.copy(), rays.copy()
    without_arm[11:14], arm_on_thorax[11:14] = np.nan, rays[8]
    np.testing.assert_array_equal(fill_absent(without_arm), arm_on_thorax)
    np.testing.assert_array_equal(normalise(without_arm, normalisation), normalise(arm_on_thorax, normalisation))
