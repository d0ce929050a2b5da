"""Geometry of skeleton markers: points and colours for lines, spheres, a label and a bar."""

from dataclasses import dataclass

import numpy as np

from uplift_ros.drawing.skeletons import joint_alphas, joint_colours
from uplift_ros.skeleton import H36M17
from uplift_ros.transforms import body_frame

BONE_DIAMETER = 0.03
JOINT_DIAMETER = 0.06
LABEL_HEIGHT = 0.12
LABEL_ABOVE_HEAD = 0.25
BAR_WIDTH = 0.04
BAR_BESIDE_PELVIS = 0.5
"""Metres, all of them."""

BAR_LENGTH = 0.5
"""Metres of the velocity bar per metre per second."""

RAW_ALPHA = 0.25
"""Opacity of raw skeletons."""

OPTICAL_UP, OPTICAL_LEFT = np.array([0.0, -1.0, 0.0]), np.array([1.0, 0.0, 0.0])
"""Axes of a person who stands facing the camera, used if a body's orientation is unknown."""

FRAMES_PER_SECOND = 50.0
"""Rate at which strides count frames."""

LIFETIME_INTERVALS = 2
"""Key-frame intervals that a marker outlives: skeletons arrive in bursts, one per interval, which may be late."""


def lifetime_s(beyond_s: float, stride: int) -> float:
    """Seconds that markers stay without an update: two key-frame intervals of `stride` frames, and `beyond_s`."""
    return beyond_s + LIFETIME_INTERVALS * stride / FRAMES_PER_SECOND


@dataclass(frozen=True)
class MarkerGeometry:
    """Marker geometry of one person. Colours are RGBA in [0, 1], alpha by score.

    Attributes:
        joints, joint_colours: (N, 3) metres and (N, 4).
        bones, bone_colours: (2 M, 3) metres and (2 M, 4), two ends of every bone.
        label: (3,) metres, above the head.
        bar: (2, 3) metres, at the person's left along the trunk; its length is proportional to the velocity.
    """

    joints: np.ndarray
    joint_colours: np.ndarray
    bones: np.ndarray
    bone_colours: np.ndarray
    label: np.ndarray
    bar: np.ndarray


def marker_geometry(joints: np.ndarray, scores: np.ndarray, velocity: float = 0.0) -> MarkerGeometry:
    """Compute the geometry of one person; joints that are not finite are skipped, with their bones.

    Args:
        joints: (17, 3) h36m17, metres.
        scores: (17,) in [0, 1].
        velocity: m/s; no bar if it is not finite.
    """
    finite = np.isfinite(joints).all(-1)
    colours = np.concatenate([joint_colours() / 255.0, joint_alphas(scores)[:, None]], -1)
    ends = np.array([bone for bone in H36M17.bones if finite[list(bone)].all()], int).ravel()
    sides = np.repeat(ends[1::2], 2)  # a bone has the side of the joint that it leads to
    bone_colours = np.concatenate([colours[sides, :3], colours[ends, 3:]], -1)
    body = joints[finite] if finite.any() else np.zeros((1, 3))
    axes = body_frame(joints)
    left, up = (axes.rotation[:, 1], axes.rotation[:, 2]) if axes else (OPTICAL_LEFT, OPTICAL_UP)
    middle = body.mean(0)
    label = middle + up * (((body - middle) @ up).max() + LABEL_ABOVE_HEAD)
    foot = (axes.translation if axes else middle) + BAR_BESIDE_PELVIS * left
    bar = np.stack([foot, foot + up * BAR_LENGTH * (velocity if np.isfinite(velocity) else 0.0)])
    return MarkerGeometry(joints[finite], colours[finite], joints[ends], bone_colours, label, bar)
