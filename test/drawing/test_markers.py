import numpy as np
import pytest
from support.people import CERTAIN, STANDING

from uplift_ros.drawing.markers import BAR_BESIDE_PELVIS, BAR_LENGTH, LABEL_ABOVE_HEAD, marker_geometry
from uplift_ros.drawing.skeletons import FAINTEST, SIDE_COLOURS
from uplift_ros.skeleton import H36M17


def test_every_joint_and_both_ends_of_every_bone_are_there():
    geometry = marker_geometry(STANDING, CERTAIN)
    np.testing.assert_array_equal(geometry.joints, STANDING)
    np.testing.assert_array_equal(geometry.bones.reshape(-1, 2, 3), STANDING[np.array(H36M17.bones)])


@pytest.mark.parametrize(("joint", "side"), [("left_wrist", "left"), ("right_knee", "right"), ("spine", "centre")])
def test_joints_have_the_colour_of_their_side(joint, side):
    colour = marker_geometry(STANDING, CERTAIN).joint_colours[H36M17.index(joint)]
    np.testing.assert_allclose(colour, [*np.array(SIDE_COLOURS[side]) / 255, 1.0])


def test_a_worthless_joint_is_faint():
    scores = CERTAIN.copy()
    scores[5] = 0.0
    geometry = marker_geometry(STANDING, scores)
    assert geometry.joint_colours[5, 3] == pytest.approx(FAINTEST)
    assert geometry.joint_colours[4, 3] == 1.0


def test_a_joint_that_is_not_finite_is_left_out_with_its_bones():
    joints = STANDING.copy()
    joints[H36M17.index("left_knee")] = np.nan
    geometry = marker_geometry(joints, CERTAIN)
    assert (len(geometry.joints), len(geometry.bones)) == (16, 2 * (16 - 2))
    assert np.isfinite(geometry.bones).all()


def test_the_label_floats_above_the_highest_joint():
    label = marker_geometry(STANDING, CERTAIN).label
    assert label[1] == pytest.approx(STANDING[:, 1].min() - LABEL_ABOVE_HEAD)


def test_nothing_finite_gives_no_points_and_still_a_label():
    geometry = marker_geometry(np.full((17, 3), np.nan), CERTAIN)
    assert (len(geometry.joints), len(geometry.bones)) == (0, 0)
    assert np.isfinite(geometry.label).all()
    assert np.isfinite(geometry.bar).all()


def test_in_a_frame_with_z_up_the_label_is_above_the_head_too():
    standing = STANDING[:, [2, 0, 1]] * (1, -1, -1)
    label = marker_geometry(standing, CERTAIN).label
    assert label[2] == pytest.approx(standing[:, 2].max() + LABEL_ABOVE_HEAD)


def test_the_velocity_bar_stands_on_the_left_and_is_as_long_as_the_person_is_fast():
    foot, top = marker_geometry(STANDING, CERTAIN, velocity=2.0).bar
    np.testing.assert_allclose(foot, (BAR_BESIDE_PELVIS, 0.0, 0.0), atol=1e-12)
    np.testing.assert_allclose(top - foot, (0.0, -2.0 * BAR_LENGTH, 0.0), atol=1e-12)


def test_an_unknown_velocity_has_no_length():
    foot, top = marker_geometry(STANDING, CERTAIN, velocity=np.nan).bar
    np.testing.assert_array_equal(foot, top)
