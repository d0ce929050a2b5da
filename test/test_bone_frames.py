"""Frames of bones: joints come back from them, twists only from what shows them."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from support.people import STANDING, joints_of, person3d

from uplift_ros.bone_frames import UNKNOWN_TWIST, BoneFrames, oriented, swing
from uplift_ros.human_model import HumanPose
from uplift_ros.poses import SkeletonFrame
from uplift_ros.skeleton import H36M17
from uplift_ros.sources.synthetic.motion import pose
from uplift_ros.transforms import body_frame

COVARIANCES = np.tile(0.01**2 * np.eye(3), (17, 1, 1))
PARENTS, CHILDREN = np.transpose(H36M17.bones)
MILLIMETRE = 1e-3


def lengths_of(joints: np.ndarray) -> np.ndarray:
    return np.linalg.norm(joints[CHILDREN] - joints[PARENTS], axis=-1)


def frames_of(joints: np.ndarray) -> BoneFrames:
    frames = BoneFrames.of(joints, COVARIANCES)
    assert frames is not None
    return frames


def bent_elbow(angle: float, towards: tuple[float, float, float]) -> np.ndarray:
    """A person whose hanging left arm is bent at the elbow, in optical axes: y down."""
    joints = STANDING.copy()
    shoulder, elbow, wrist = (H36M17.index(f"left_{name}") for name in ("shoulder", "elbow", "wrist"))
    joints[elbow] = joints[shoulder] + (0.0, 0.28, 0.0)
    joints[wrist] = joints[elbow] + 0.25 * (
        np.cos(angle) * np.array((0.0, 1.0, 0.0)) + np.sin(angle) * np.array(towards)
    )
    return joints


@pytest.mark.parametrize("seconds", np.arange(0.0, 20.0, 0.7))
def test_positions_come_back_from_orientations_and_lengths(seconds):
    joints = pose(seconds)
    back = joints_of(joints[0], frames_of(joints).rotations, lengths_of(joints))
    assert np.linalg.norm(back - joints, axis=-1).max() < MILLIMETRE


@given(seed=st.integers(0, 2**32 - 1))
def test_positions_of_any_points_come_back(seed):
    joints = np.random.default_rng(seed).normal(0, 0.5, (17, 3))
    frames = frames_of(joints)
    np.testing.assert_allclose(joints_of(joints[0], frames.rotations, lengths_of(joints)), joints, atol=1e-6)
    np.testing.assert_allclose(
        frames.rotations @ np.swapaxes(frames.rotations, 1, 2), np.tile(np.eye(3), (17, 1, 1)), atol=1e-6
    )
    np.testing.assert_allclose(np.linalg.det(frames.rotations), 1.0)
    assert ((frames.twist_variances >= 0) & (frames.twist_variances <= UNKNOWN_TWIST)).all()


def test_frames_of_limbs_are_those_that_humans_publishes():
    joints = pose(1.3)
    human, rotations = HumanPose.of(joints), frames_of(joints).rotations
    for link, joint in (("l_shoulder", "left_elbow"), ("r_shoulder", "right_elbow"), ("l_hip", "left_knee")):
        np.testing.assert_allclose(
            rotations[H36M17.index(joint)], human.body.rotation @ human.links[link].rotation, atol=1e-6
        )
    np.testing.assert_array_equal(rotations[0], body_frame(joints).rotation)


def test_frames_are_parallel_to_the_body_in_a_person_who_stands():
    body = body_frame(STANDING).rotation
    angles = [np.degrees(Rotation.from_matrix(body.T @ turn).magnitude()) for turn in frames_of(STANDING).rotations]
    nodding = [H36M17.index(name) for name in ("nose", "head")]
    assert max(np.delete(angles, nodding)) < 20


@pytest.mark.parametrize("towards", [(0.0, 0.0, -1.0), (-1.0, 0.0, 0.0), (0.6, 0.0, -0.8)])
def test_a_bent_elbow_shows_the_twist_of_the_upper_arm(towards):
    joints = bent_elbow(1.2, towards)
    frames, elbow = frames_of(joints), H36M17.index("left_elbow")
    np.testing.assert_allclose(frames.rotations[elbow, :, 0], towards, atol=0.01)  # x to the side of the bend
    assert frames.twist_variances[elbow] < 0.01


def test_a_straight_elbow_shows_no_twist_and_the_variance_says_so():
    elbow, wrist = H36M17.index("left_elbow"), H36M17.index("left_wrist")
    turns = []
    for towards in ((-1.0, 0.0, 0.0), (0.0, 0.0, -1.0)):
        frames = frames_of(bent_elbow(0.01, towards))
        turns.append(frames.rotations[elbow])
        assert frames.twist_variances[[elbow, wrist]] == pytest.approx(UNKNOWN_TWIST)
        assert frames.twist_variances[0] < 0.1
    np.testing.assert_allclose(*turns, atol=1e-9)


def test_the_twist_is_less_certain_the_less_the_elbow_is_bent():
    elbow = H36M17.index("left_elbow")
    variances = [frames_of(bent_elbow(angle, (0.0, 0.0, -1.0))).twist_variances[elbow] for angle in (0.15, 0.4, 1.2)]
    assert UNKNOWN_TWIST > variances[0] > 4 * variances[1] > 8 * variances[2]


def test_opposite_vectors_are_swung_too():
    up, ahead = np.array([(0, 0, 1.0), (0.6, 0, 0.8)]), np.array([(0, 0, -1.0), (0, 1.0, 0)])
    turns = swing(up, ahead)
    np.testing.assert_allclose((turns @ up[..., None])[..., 0], ahead, atol=1e-12)
    np.testing.assert_allclose(turns @ np.swapaxes(turns, 1, 2), np.tile(np.eye(3), (2, 1, 1)), atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(turns), 1.0)


def test_people_without_bones_have_no_orientations():
    person = person3d(STANDING)
    frame = SkeletonFrame(0, "camera", (person, replace(person, id="p2", joints=np.zeros((17, 3)))))
    there, collapsed = oriented(frame).persons
    assert (there.orientations.shape, there.twist_variances.shape) == ((17, 4), (17,))
    assert collapsed.orientations.shape == (0, 4)
    np.testing.assert_allclose(
        Rotation.from_quat(there.orientations).as_matrix(), frames_of(STANDING).rotations, atol=1e-9
    )
