"""Similarity of poses and overlap of boxes."""

import numpy as np
import pytest

from uplift_ros.similarity import box_overlap, keypoint_similarity, person_size

POSE = np.random.default_rng(0).uniform(0, 100, (17, 2))


def test_equal_poses_are_one_and_a_distance_of_the_tolerance_is_exp_minus_half():
    assert keypoint_similarity(POSE, POSE, 100.0, 0.1) == 1.0
    assert keypoint_similarity(POSE, POSE + np.array((10.0, 0.0)), 100.0, 0.1) == pytest.approx(np.exp(-0.5))


def test_only_joints_present_in_both_poses_count():
    other = POSE + 50.0
    other[3] = POSE[3]
    other[[*range(3), *range(4, 17)]] = np.nan
    assert keypoint_similarity(POSE, other, 100.0, 0.1) == 1.0
    assert keypoint_similarity(POSE, np.full((17, 2), np.nan), 100.0, 0.1) == 0.0


@pytest.mark.parametrize(
    ("box", "overlap"), [((0, 0, 2, 2), 1.0), ((1, 0, 2, 2), 1 / 3), ((2, 0, 2, 2), 0.0), ((0, 0, 0, 0), 0.0)]
)
def test_the_overlap_of_boxes_is_their_intersection_over_their_union(box, overlap):
    assert box_overlap(np.array((0.0, 0.0, 2.0, 2.0)), np.array(box, float)) == pytest.approx(overlap)


def test_the_size_of_a_person_is_the_longer_side_and_at_least_a_pixel():
    assert person_size(np.array((5.0, 5.0, 30.0, 80.0))) == 80.0
    assert person_size(np.zeros(4)) == 1.0
