"""The person that tests share, in an image and in space."""

from dataclasses import replace

import numpy as np

from uplift_ros.bone_frames import DIRECTIONS
from uplift_ros.poses import Person2D, Person3D, ScaleSource, Source
from uplift_ros.skeleton import H36M17

STANDING = np.array(
    [
        (0.00, 0.00, 0.00),
        (-0.13, 0.00, 0.00),
        (-0.13, 0.42, 0.02),
        (-0.13, 0.84, 0.05),
        (0.13, 0.00, 0.00),
        (0.13, 0.42, 0.02),
        (0.13, 0.84, 0.05),
        (0.00, -0.24, 0.00),
        (0.00, -0.48, 0.00),
        (0.00, -0.58, -0.09),
        (0.00, -0.70, 0.00),
        (0.17, -0.45, 0.00),
        (0.20, -0.18, 0.03),
        (0.21, 0.06, 0.00),
        (-0.17, -0.45, 0.00),
        (-0.20, -0.18, 0.03),
        (-0.21, 0.06, 0.00),
    ]
)
"""(17, 3) h36m17, metres, optical axes, the pelvis at the origin: faces the camera, arms hanging."""

AHEAD = STANDING + np.array((0.0, 0.0, 3.0))
"""The same three metres ahead of the camera."""

CERTAIN = np.ones(17)
"""Scores of joints of which the detector is certain."""


def person2d(keypoints: np.ndarray, name: str = "p1", **fields) -> Person2D:
    """A person in an image, of whom the detector is certain."""
    return replace(Person2D(name, 1.0, np.zeros(4), keypoints, np.ones(17)), **fields)


def person3d(joints: np.ndarray, name: str = "p1", **fields) -> Person3D:
    """A person in space at rest, of whom the network is certain."""
    person = Person3D(name, 1.0, Source.KEYFRAME, ScaleSource.PRIOR, joints, np.ones(17), 0.0)
    return replace(person, **fields)


def joints_of(root: np.ndarray, rotations: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Joints (17, 3) from the pelvis (3,), the bones' rotations (17, 3, 3) and lengths (16,) of H36M17.bones."""
    joints = np.tile(np.asarray(root, float), (len(H36M17), 1))
    for length, (parent, child) in zip(lengths, H36M17.bones, strict=True):
        joints[child] = joints[parent] + length * rotations[child] @ DIRECTIONS[child]
    return joints
