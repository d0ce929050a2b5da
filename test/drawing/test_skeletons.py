import numpy as np
import pytest
from support.people import CERTAIN
from support.recordings import CAMERA, waving

from uplift_ros.drawing.skeletons import FAINTEST, SIDE_COLOURS, draw_keypoints, draw_pose, joint_alphas
from uplift_ros.skeleton import H36M17


@pytest.fixture
def image() -> np.ndarray:
    return np.zeros((CAMERA.height, CAMERA.width, 3), np.uint8)


def colour_at(image: np.ndarray, point: np.ndarray) -> list[int]:
    x, y = point.round().astype(int)
    return image[y, x].tolist()


@pytest.mark.parametrize(("joint", "side"), [("left_knee", "left"), ("right_wrist", "right"), ("thorax", "centre")])
def test_a_joint_is_drawn_in_the_colour_of_its_side(image, joint, side):
    pixels = CAMERA.project(waving(0.0))
    draw_pose(image, pixels, CERTAIN)
    assert colour_at(image, pixels[H36M17.index(joint)]) == list(SIDE_COLOURS[side])


def test_a_bone_is_drawn_between_its_joints(image):
    pixels = CAMERA.project(waving(0.0))
    draw_pose(image, pixels, CERTAIN)
    assert colour_at(image, (pixels[5] + pixels[6]) / 2) == list(SIDE_COLOURS["left"])


def test_a_doubtful_joint_is_darker(image):
    pixels = CAMERA.project(waving(0.0))
    draw_pose(image, pixels, np.zeros(17))
    expected = np.array(SIDE_COLOURS["left"]) * FAINTEST
    np.testing.assert_allclose(colour_at(image, pixels[5]), expected, atol=1)


def test_alpha_takes_scores_that_are_not_numbers_for_zero():
    np.testing.assert_allclose(joint_alphas(np.array([np.nan, 0.0, 1.0, 7.0])), [FAINTEST, FAINTEST, 1.0, 1.0])


@pytest.mark.parametrize("outside", [np.nan, np.inf, 1e9, -1e9])
def test_joints_that_cannot_be_drawn_are_left_out(image, outside):
    pixels = CAMERA.project(waving(0.0))
    pixels[H36M17.index("left_wrist")] = outside
    expected = image.copy()
    draw_pose(image, pixels, CERTAIN)
    pixels[H36M17.index("left_wrist")] = np.nan
    draw_pose(expected, pixels, CERTAIN)
    np.testing.assert_array_equal(image, expected)


def test_keypoints_are_rings_that_leave_their_middle_free():
    large = np.full((960, 1280, 3), 90, np.uint8)
    draw_keypoints(large, np.array([[100.0, 100.0], [np.nan, np.nan]]))
    assert colour_at(large, np.array([100, 100])) == [90, 90, 90]
    assert large[85:116, 85:116].max() == 255
    large[85:116, 85:116] = 90
    assert (large == 90).all()
