import numpy as np
import pytest

from uplift_ros.messages.hri import region_of_interest, skeleton2d
from uplift_ros.poses import Person2D
from uplift_ros.skeleton import H36M17


@pytest.fixture
def person() -> Person2D:
    """Joint i of h36m17 at pixel (10 i, 5 i) with a score of i / 100."""
    keypoints = np.arange(17.0)[:, None] * (10, 5)
    return Person2D("p1", 1.0, np.array((20.0, -10.0, 100.0, 150.0)), keypoints, np.arange(17) / 100)


# hri_msgs/Skeleton2D: NOSE, NECK, RIGHT_WRIST, LEFT_WRIST, RIGHT_HIP, LEFT_ANKLE
@pytest.mark.parametrize(
    ("code", "joint"),
    [(0, "nose"), (1, "thorax"), (4, "right_wrist"), (7, "left_wrist"), (8, "right_hip"), (13, "left_ankle")],
)
def test_points_have_the_codes_of_skeleton2d_and_are_parts_of_the_image(person, code, joint):
    index = H36M17.index(joint)
    np.testing.assert_allclose(skeleton2d(person, 200, 100)[code], (index / 20, index / 20, index / 100))


def test_eyes_and_ears_are_absent(person):
    points = skeleton2d(person, 200, 100)
    assert points.shape == (18, 3)
    assert not points[14:].any()


def test_an_absent_joint_is_zero_and_one_outside_the_image_lies_on_its_border(person):
    person.keypoints[H36M17.index("nose")] = np.nan
    person.keypoints[H36M17.index("left_wrist")] = (-40, 300)
    points = skeleton2d(person, 200, 100)
    assert not points[0].any()
    np.testing.assert_allclose(points[7, :2], (0, 1))


def test_the_region_of_interest_is_the_part_of_the_bounding_box_inside_the_image(person):
    np.testing.assert_allclose(region_of_interest(person, 200, 100), (0.1, 0.0, 0.6, 1.0))
