"""Orientation of each bone, after the kinematic tree of REP-155 (ROS4HRI).

The orientation of a joint is the frame of the bone that ends there; that of the pelvis is the frame `body`. At rest, a
person who stands with hanging arms, all frames are parallel: x forward, y to the left, z to the head. So the bone of a
frame points along DIRECTIONS. The frames of limbs are those of human_model.HumanPose, which the node humans publishes.

A point has no twist, so the turn of a bone about itself is taken from the joints beside it: an arm's from the bent
elbow, a leg's from the bent knee, the head's from the nose, the trunk's from the line through hips and shoulders. Where
elbow or knee is straight, the twist is that of angle zero, and its variance that of an unknown angle.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial.transform import Rotation

from uplift_ros.human_model import MIN_FACE, STRAIGHT, HumanPose
from uplift_ros.poses import SkeletonFrame
from uplift_ros.skeleton import H36M17, LIMBS
from uplift_ros.transforms import own_covariances

UNKNOWN_TWIST = np.pi**2 / 3
"""Square radians, the variance of an angle of which nothing is known."""

UP, DOWN, LEFT, RIGHT = np.array([(0.0, 0.0, 1.0), (0.0, 0.0, -1.0), (0.0, 1.0, 0.0), (0.0, -1.0, 0.0)])

DIRECTIONS = np.zeros((len(H36M17), 3))
"""(17, 3) direction of the bone that ends in each joint, in its own frame; the pelvis has none."""
for _name, _axis in {
    "spine": UP, "thorax": UP, "nose": UP, "head": UP, "left_hip": LEFT, "left_shoulder": LEFT, "right_hip": RIGHT,
    "right_shoulder": RIGHT, "left_knee": DOWN, "left_ankle": DOWN, "left_elbow": DOWN, "left_wrist": DOWN,
    "right_knee": DOWN, "right_ankle": DOWN, "right_elbow": DOWN, "right_wrist": DOWN,
}.items():  # fmt: skip
    DIRECTIONS[H36M17.index(_name)] = _axis

PARENTS = np.array(H36M17.parents)
ENDS = np.array([limb[-1] for limb in LIMBS])
INNER = np.setdiff1d(np.arange(1, len(H36M17)), ENDS)

ROOT_LINKS = ("r_hip", "l_hip", "l_shoulder", "r_shoulder")
"""Links of REP-155 at the roots of LIMBS."""


@dataclass(frozen=True)
class BoneFrames:
    """Frames of one person's bones.

    Attributes:
        rotations: (17, 3, 3) from each bone's frame to that of the joints.
        twist_variances: (17,) square radians, of the rotation about the bone; of the pelvis, about z.
    """

    rotations: np.ndarray
    twist_variances: np.ndarray

    @classmethod
    def of(cls, joints: np.ndarray, covariances: np.ndarray) -> "BoneFrames | None":
        """Compute the frames of joints (17, 3) h36m17, metres, in any right-handed frame.

        Args:
            covariances: (17, 3, 3) of root-relative joints.

        Returns:
            None if HumanPose has none: joints are not finite, or bones have no length.
        """
        pose = HumanPose.of(joints)
        if pose is None:
            return None
        body = pose.body.rotation
        head = body @ pose.links["head"].rotation
        rotations = np.tile(body, (len(H36M17), 1, 1))
        rotations[[H36M17.index("nose"), H36M17.index("head")]] = head
        variances = np.full(len(H36M17), _trunk_variance(joints, covariances, body))
        variances[[H36M17.index("nose"), H36M17.index("head")]] = _face_variance(joints, covariances, head)
        for link, (root, middle, end) in zip(ROOT_LINKS, LIMBS, strict=True):
            rotations[middle] = body @ pose.links[link].rotation
            variances[[middle, end]] = _limb_variance(joints[[root, middle, end]], covariances, rotations[middle], end)
        # Bones are swung from these frames into their own directions, without a twist; the ends of limbs from the bone
        # before.
        bones = joints[1:] - joints[PARENTS[1:]]
        bones = bones / np.linalg.norm(bones, axis=-1, keepdims=True)
        for children in (INNER, ENDS):
            if children is ENDS:
                rotations[ENDS] = rotations[PARENTS[ENDS]]
            starts = (rotations[children] @ DIRECTIONS[children, :, None])[..., 0]
            rotations[children] = swing(starts, bones[children - 1]) @ rotations[children]
        return cls(rotations, np.minimum(variances, UNKNOWN_TWIST))


def oriented(frame: SkeletonFrame) -> SkeletonFrame:
    """Add orientations and the variances of their twist to all people whose bones have directions."""
    persons = []
    for person, covariances in zip(frame.persons, own_covariances(frame.persons), strict=True):
        frames = BoneFrames.of(person.joints, covariances)
        if frames is not None:
            quaternions = Rotation.from_matrix(frames.rotations).as_quat()
            person = replace(person, orientations=quaternions, twist_variances=frames.twist_variances)
        persons.append(person)
    return replace(frame, persons=tuple(persons))


def swing(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """(K, 3, 3) smallest rotations of unit vectors (K, 3) to others; by pi about any perpendicular axis if opposite.

    Rodrigues' formula with the cross product as its axis.
    """
    cosine = (start * end).sum(-1)
    opposite = cosine < -1 + 1e-9
    x, y, z = np.cross(start, end).T
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(-1, 3, 3)
    turns = np.eye(3) + cross + cross @ cross / np.where(opposite, 1.0, 1 + cosine)[:, None, None]
    for row in np.flatnonzero(opposite):
        axis = np.cross(start[row], np.eye(3)[np.argmin(np.abs(start[row]))])
        axis /= np.linalg.norm(axis)
        turns[row] = 2 * np.outer(axis, axis) - np.eye(3)
    return turns


def _trunk_variance(joints: np.ndarray, covariances: np.ndarray, body: np.ndarray) -> float:
    """Variance, square radians, of the rotation about the trunk, which the line through hips and shoulders shows."""
    left, right = ([H36M17.index(f"{side}_{joint}") for joint in ("hip", "shoulder")] for side in ("left", "right"))
    across = (joints[left] - joints[right]).sum(0) @ body[:, 1]
    forward = body[:, 0]
    return float(forward @ covariances[[*left, *right]].sum(0) @ forward / across**2)


def _face_variance(joints: np.ndarray, covariances: np.ndarray, head: np.ndarray) -> float:
    """Variance of the rotation of the head about its axis, which the nose shows."""
    nose, thorax = H36M17.index("nose"), H36M17.index("thorax")
    before = float((joints[nose] - joints[thorax]) @ head[:, 0])
    if before < MIN_FACE:
        return UNKNOWN_TWIST
    left = head[:, 1]
    return float(left @ (covariances[nose] + covariances[thorax]) @ left / before**2)


def _limb_variance(limb: np.ndarray, covariances: np.ndarray, upper: np.ndarray, end: int) -> float:
    """Variance of the twist of a limb (3, 3), root, middle and end: its end's distance from the first bone shows it."""
    bone, next_bone = np.diff(limb, axis=0)
    bent = float(np.linalg.norm(np.cross(bone, next_bone)) / np.linalg.norm(bone))
    if bent < np.sin(STRAIGHT) * np.linalg.norm(next_bone):
        return UNKNOWN_TWIST
    hinge = upper[:, 1]
    return float(hinge @ (covariances[end] + covariances[end - 1]) @ hinge / bent**2)
