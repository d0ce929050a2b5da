import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from uplift_ros.poses import Person3D, ScaleSource, SkeletonFrame, Source
from uplift_ros.skeleton import H36M17
from uplift_ros.sources.synthetic.motion import pose
from uplift_ros.transforms import RigidTransform, body_frame, moved

HALF = np.sqrt(0.5)
OPTICAL_TO_ROBOT = RigidTransform.from_quaternion(np.array([-0.5, 0.5, -0.5, 0.5]), np.array([0.1, 0.0, 1.2]))
"""A camera that looks along the robot's x axis, 1.2 m above the ground."""


def person(covariance: np.ndarray) -> Person3D:
    return Person3D(
        "p1", 0.9, Source.UPSAMPLED, ScaleSource.PRIOR, pose(0.0), np.full(17, 0.8), 0.4, covariance=covariance
    )


def test_a_point_ahead_of_the_camera_is_ahead_of_the_robot():
    point = OPTICAL_TO_ROBOT.points(np.array([0.5, 0.2, 3.0]))  # right, down, forward
    np.testing.assert_allclose(point, [3.1, -0.5, 1.0], atol=1e-12)


def test_a_quaternion_survives_the_way_through_the_matrix():
    quaternion = np.array([0.0, HALF, 0.0, HALF])
    np.testing.assert_allclose(RigidTransform.from_quaternion(quaternion, np.zeros(3)).quaternion, quaternion)


@pytest.mark.parametrize("quaternion", [(0, 0, 0, 0), (np.nan, 0, 0, 1)])
def test_a_quaternion_without_direction_is_refused(quaternion):
    with pytest.raises(ValueError, match="quaternion"):
        RigidTransform.from_quaternion(np.array(quaternion, float), np.zeros(3))


def test_covariances_turn_with_the_points():
    rng = np.random.default_rng(0)
    spread = np.diag([0.01, 0.04, 0.09])
    cloud = rng.multivariate_normal(np.zeros(3), spread, 50_000)
    transform = RigidTransform(Rotation.random(None, np.random.default_rng(1)).as_matrix(), np.array([1.0, 2.0, 3.0]))
    turned = transform.covariances(np.array([[0.01, 0, 0, 0.04, 0, 0.09]]))
    np.testing.assert_allclose(turned[0], np.cov(transform.points(cloud).T)[np.triu_indices(3)], atol=2e-3)


def test_a_moved_skeleton_keeps_everything_but_its_place():
    covariance = np.tile([1e-4, 0, 0, 2e-4, 0, 3e-4], (17, 1))
    before = SkeletonFrame(7, "camera_optical_frame", (person(covariance),), is_final=False)
    after = moved(before, OPTICAL_TO_ROBOT, "base_link")
    assert (after.stamp, after.frame_id, after.is_final) == (7, "base_link", False)
    [there], [here] = before.persons, after.persons
    assert (here.id, here.score, here.source, here.scale_source, here.velocity) == (
        there.id,
        there.score,
        there.source,
        there.scale_source,
        there.velocity,
    )
    np.testing.assert_allclose(here.joints, OPTICAL_TO_ROBOT.points(there.joints))
    np.testing.assert_allclose(here.covariance[:, [0, 3, 5]], np.tile([3e-4, 1e-4, 2e-4], (17, 1)), atol=1e-12)


def test_an_unknown_covariance_stays_unknown():
    frame = SkeletonFrame(0, "camera", (person(np.empty((0, 6))),))
    assert moved(frame, OPTICAL_TO_ROBOT, "odom").persons[0].covariance.shape == (0, 6)


def test_the_body_of_a_person_who_faces_x_looks_along_x_and_stands_along_z():
    joints = pose(0.0)  # at home, facing +x, z up
    body = body_frame(joints)
    np.testing.assert_allclose(body.translation, joints[0])
    np.testing.assert_allclose(body.rotation, np.eye(3), atol=0.15)


@pytest.mark.parametrize("t", np.arange(0.0, 20.0, 2.5))
def test_the_axes_of_a_body_are_right_handed_and_orthonormal_however_it_moves(t):
    joints = pose(t)
    rotation = body_frame(joints).rotation
    np.testing.assert_allclose(rotation.T @ rotation, np.eye(3), atol=1e-12)
    assert np.linalg.det(rotation) == pytest.approx(1.0)
    assert rotation[:, 2] @ (joints[H36M17.index("head")] - joints[0]) > 0
    assert rotation[:, 1] @ (joints[H36M17.index("left_hip")] - joints[H36M17.index("right_hip")]) > 0


def test_a_body_turns_with_its_frame():
    joints = pose(3.0)
    turned = body_frame(OPTICAL_TO_ROBOT.points(joints))
    np.testing.assert_allclose(turned.rotation, OPTICAL_TO_ROBOT.rotation @ body_frame(joints).rotation, atol=1e-12)


@pytest.mark.parametrize("joint", ["pelvis", "left_hip", "thorax"])
def test_a_body_that_lacks_a_joint_of_the_trunk_has_no_frame(joint):
    joints = pose(0.0)
    joints[H36M17.index(joint)] = np.nan
    assert body_frame(joints) is None


def test_a_body_of_no_size_has_no_frame():
    assert body_frame(np.zeros((17, 3))) is None
