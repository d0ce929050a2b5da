"""What markers of a skeleton look like: points and colours for lines, spheres and a label."""

from dataclasses import dataclass

import numpy as np

from uplift_ros.drawing.skeletons import joint_alphas, joint_colours
from uplift_ros.skeleton import H36M17, Skeleton

BONE_WIDTH = 0.03
JOINT_DIAMETER = 0.06
LABEL_HEIGHT = 0.12
LABEL_ABOVE_HEAD = 0.25
"""Metres, all of them."""


@dataclass(frozen=True)
class MarkerGeometry:
    """The drawable joints of one person. Colours are RGBA in [0, 1], alpha by score.

    Attributes:
        joints, joint_colours: (N, 3) metres and (N, 4).
        bones, bone_colours: (2 M, 3) metres and (2 M, 4), two ends for every bone.
        label: (3,) metres, above the head in the optical frame (y points down).
    """

    joints: np.ndarray
    joint_colours: np.ndarray
    bones: np.ndarray
    bone_colours: np.ndarray
    label: np.ndarray


def marker_geometry(joints: np.ndarray, scores: np.ndarray, skeleton: Skeleton = H36M17) -> MarkerGeometry:
    """Geometry of one person; joints that are not finite are left out, with their bones.

    Args:
        joints: (J, 3) metres, optical frame.
        scores: (J,) in [0, 1].
    """
    finite = np.isfinite(joints).all(-1)
    colours = np.concatenate([joint_colours(skeleton) / 255.0, joint_alphas(scores)[:, None]], -1)
    ends = np.array([bone for bone in skeleton.bones if finite[list(bone)].all()], int).ravel()
    sides = np.repeat(ends[1::2], 2)  # a bone has the side of the joint that it leads to
    bone_colours = np.concatenate([colours[sides, :3], colours[ends, 3:]], -1)
    body = joints[finite] if finite.any() else np.zeros((1, 3))
    label = np.array([body[:, 0].mean(), body[:, 1].min() - LABEL_ABOVE_HEAD, body[:, 2].mean()])
    return MarkerGeometry(joints[finite], colours[finite], joints[ends], bone_colours, label)
