"""Joint sets and mappings."""

import numpy as np
import pytest

from uplift_ros.skeleton import BLAZEPOSE33, COCO17, H36M17, to_h36m17

# An upright person facing the camera, as a detector marks it: pixels, y down, own left at the right.
FACING = {
    "nose": (0, -60), "left_eye": (5, -65), "right_eye": (-5, -65), "left_ear": (10, -60), "right_ear": (-10, -60),
    "left_shoulder": (20, -40), "right_shoulder": (-20, -40), "left_elbow": (30, -20), "right_elbow": (-30, -20),
    "left_wrist": (35, 0), "right_wrist": (-35, 0), "left_hip": (12, 10), "right_hip": (-12, 10),
    "left_knee": (13, 50), "right_knee": (-13, 50), "left_ankle": (14, 90), "right_ankle": (-14, 90),
}  # fmt: skip


def detected(skeleton):
    return np.array([FACING.get(joint, (np.nan, np.nan)) for joint in skeleton.joints], float)


def test_h36m17_has_the_documented_order():
    assert len(H36M17) == 17
    assert [H36M17.index(j) for j in ("pelvis", "right_hip", "left_hip", "thorax", "head")] == [0, 1, 4, 8, 10]
    assert [H36M17.index(j) for j in ("left_shoulder", "right_wrist")] == [11, 16]


def test_every_joint_but_the_root_has_a_parent_before_it():
    assert H36M17.parents[0] == -1
    assert all(parent < child for parent, child in H36M17.bones)
    assert len(H36M17.bones) == 16


@pytest.mark.parametrize("skeleton", [H36M17, COCO17, BLAZEPOSE33], ids=lambda skeleton: skeleton.name)
def test_flipping_twice_changes_nothing(skeleton):
    flip = skeleton.flip
    assert list(flip[flip]) == list(range(len(skeleton)))
    assert all(skeleton.side(i) == skeleton.side(j) for i, j in enumerate(flip) if i == j)
    assert sum(flip != np.arange(len(skeleton))) % 2 == 0


@pytest.mark.parametrize("source", [COCO17, BLAZEPOSE33], ids=lambda skeleton: skeleton.name)
def test_detectors_are_mapped_to_an_upright_person(source):
    keypoints, scores = to_h36m17(detected(source), np.ones(len(source)), source)
    pelvis, spine, thorax, nose, head = (
        keypoints[H36M17.index(j)] for j in ("pelvis", "spine", "thorax", "nose", "head")
    )
    assert pelvis[1] > spine[1] > thorax[1] > nose[1]
    assert head[1] < thorax[1]
    assert keypoints[H36M17.index("left_wrist"), 0] > 0 > keypoints[H36M17.index("right_wrist"), 0]
    np.testing.assert_array_equal(keypoints[H36M17.index("left_knee")], FACING["left_knee"])
    assert (scores == 1).all()


def test_mapping_commutes_with_moving_and_scaling():
    keypoints = detected(COCO17)
    scores = np.ones(17)
    moved, _ = to_h36m17(3 * keypoints + (7, -5), scores, COCO17)
    np.testing.assert_allclose(moved, 3 * to_h36m17(keypoints, scores, COCO17)[0] + (7, -5))


def test_an_absent_source_makes_its_joints_absent_and_no_others():
    keypoints, scores = detected(COCO17), np.ones(17)
    keypoints[COCO17.index("left_hip")] = np.nan
    scores[COCO17.index("left_hip")] = 0.2
    mapped, mapped_scores = to_h36m17(keypoints, scores, COCO17)
    absent = {H36M17.joints[i] for i in np.flatnonzero(np.isnan(mapped).any(-1))}
    assert absent == {"pelvis", "spine", "thorax", "left_hip", "right_hip"}
    assert mapped_scores[H36M17.index("pelvis")] == pytest.approx(0.2)


def test_h36m17_stays_as_it_is():
    keypoints, scores = np.ones((2, 17, 2)), np.ones((2, 17))
    mapped, mapped_scores = to_h36m17(keypoints, scores, H36M17)
    assert mapped is keypoints
    assert mapped_scores is scores
