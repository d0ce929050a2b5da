"""Coordinate frames: rigid transforms, skeletons moved from one frame into another, and the frame of a body."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from uplift_ros.poses import Person3D, SkeletonFrame
from uplift_ros.skeleton import H36M17

ROWS, COLUMNS = np.triu_indices(3)
"""Indices of xx xy xz yy yz zz in a covariance matrix."""

WORLD_TO_OPTICAL = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
"""Rotation from x right, y forward, z up to a level optical frame (x right, y down, z forward)."""

DEVIATION = 0.05
"""Metres, standard deviation of joints that come without a covariance."""

SMALLEST_DEVIATION = 0.005
"""Metres, lower bound of the standard deviation of each joint relative to the pelvis."""

LARGEST_COVARIANCE = 1e6
"""Square metres; larger numbers would lose all digits."""

MIN_BONE = 1e-3
"""Metres, the minimum length of a bone, or of hips and trunk, that has a direction."""


def symmetric(covariances: np.ndarray) -> np.ndarray:
    """Matrices (..., 3, 3) of covariances (..., 6), xx xy xz yy yz zz."""
    full = np.empty((*covariances.shape[:-1], 3, 3))
    full[..., ROWS, COLUMNS] = full[..., COLUMNS, ROWS] = covariances
    return full


def positive_definite(covariances: np.ndarray) -> np.ndarray:
    """Raise the standard deviations of covariances (..., 3, 3) to at least SMALLEST_DEVIATION along every axis.

    A covariance from outside, or a difference of two, need not be positive definite.
    """
    variances, axes = np.linalg.eigh(covariances)
    variances = np.maximum(variances, SMALLEST_DEVIATION**2)
    raised: np.ndarray = (axes * variances[..., None, :]) @ np.swapaxes(axes, -1, -2)
    return raised


def own_covariances(persons: Sequence[Person3D]) -> np.ndarray:
    """(N, 17, 3, 3) of root-relative joints, positive definite; 0 for the pelvis, the origin.

    The covariance of every joint includes that of the pelvis, which all share; it is subtracted.
    """
    covariances = np.tile(DEVIATION**2 * np.eye(3), (len(persons), len(H36M17), 1, 1))
    for row, person in enumerate(persons):
        if len(person.covariance):
            given = symmetric(np.clip(person.covariance, -LARGEST_COVARIANCE, LARGEST_COVARIANCE))
            covariances[row] = given - given[0]
    covariances = positive_definite(covariances)
    covariances[:, 0] = 0.0
    return covariances


def about_line(direction: np.ndarray, across: float, along: float) -> np.ndarray:
    """Covariance (3, 3) of errors with these standard deviations across and along a unit vector."""
    line = np.outer(direction, direction)
    return across**2 * (np.eye(3) - line) + along**2 * line


@dataclass(frozen=True)
class RigidTransform:
    """Rigid transform of points from one frame to another: `rotation @ point + translation`.

    Attributes:
        rotation: (3, 3), its columns are the axes of the source frame.
        translation: (3,) metres, the origin of the source frame.
    """

    rotation: np.ndarray
    translation: np.ndarray

    @classmethod
    def from_quaternion(cls, quaternion: np.ndarray, translation: np.ndarray) -> "RigidTransform":
        """Create a transform from a quaternion x, y, z, w of any length but 0.

        Raises:
            ValueError: the quaternion is 0 or not finite.
        """
        if not np.isfinite(quaternion).all() or not np.any(quaternion):
            raise ValueError(f"rotation must be a quaternion x, y, z, w other than 0, got {np.asarray(quaternion)}")
        from scipy.spatial.transform import Rotation  # slow to import

        return cls(Rotation.from_quat(quaternion).as_matrix(), np.asarray(translation, float))

    @property
    def quaternion(self) -> np.ndarray:
        """(4,) x, y, z, w."""
        from scipy.spatial.transform import Rotation

        return Rotation.from_matrix(self.rotation).as_quat()

    def points(self, points: np.ndarray) -> np.ndarray:
        """Transform points (..., 3), metres."""
        return points @ self.rotation.T + self.translation

    def covariances(self, covariances: np.ndarray) -> np.ndarray:
        """Rotate covariances (N, 6), xx xy xz yy yz zz: R C R^T."""
        turned: np.ndarray = self.rotation @ symmetric(covariances) @ self.rotation.T
        return turned[:, ROWS, COLUMNS]


def moved(frame: SkeletonFrame, transform: RigidTransform, frame_id: str) -> SkeletonFrame:
    """Transform people into the frame `frame_id`. Their motion is that in the frame they come from, only turned."""
    return replace(frame, frame_id=frame_id, persons=tuple(_moved(person, transform) for person in frame.persons))


def _moved(person: Person3D, transform: RigidTransform) -> Person3D:
    return replace(
        person,
        joints=transform.points(person.joints),
        covariance=transform.covariances(person.covariance),
        velocities=person.velocities @ transform.rotation.T,
    )


def body_frame(joints: np.ndarray) -> RigidTransform | None:
    """Frame `body_<id>` of REP-155 in the frame of the joints: origin mid-hip, x out of the chest, z to the head.

    z follows the trunk, pelvis to thorax, so that nodding has no effect; x is perpendicular to it and to the line
    through hips and shoulders.

    Args:
        joints: (17, 3) h36m17, metres, in any right-handed frame.

    Returns:
        None if the joints do not define it.
    """

    def joint(name: str) -> np.ndarray:
        return joints[H36M17.index(name)]

    trunk = joint("thorax") - joint("pelvis")
    to_the_left = joint("left_hip") - joint("right_hip") + joint("left_shoulder") - joint("right_shoulder")
    forward = np.cross(to_the_left, trunk)
    height, depth = np.linalg.norm(trunk), np.linalg.norm(forward)
    if not (height > MIN_BONE and depth > MIN_BONE * height):  # not finite counts as too small
        return None
    x, z = forward / depth, trunk / height
    return RigidTransform(np.stack([x, np.cross(z, x), z], -1), joint("pelvis"))
