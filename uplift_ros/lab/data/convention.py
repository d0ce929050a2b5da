"""One meaning for every joint: motion capture moved to the points that 2D detectors mark.

Motion capture places joints at the centres of rotation of a skeleton that was fitted to markers. Detectors mark what
people see in images, and `skeleton.to_h36m17` derives pelvis, spine, thorax and head from those points. The two differ
by one to nine centimetres: detectors' hips lie wider and higher, knees lower, shoulders narrower and higher, elbows and
wrists nearer to the trunk, nose and head higher. A network that reads one convention and predicts the other has an
error of that size, so all motion capture is moved when it is loaded; output, overlay and evaluation use detectors'
points.
"""

import numpy as np

from uplift_ros.lab.data.mocap import MOCAP_CHAIN, chain_length, unit
from uplift_ros.skeleton import H36M17, LIMBS, THORAX_RAISE

OFFSETS_MM = {
    "hip": (11, 8, 0),
    "knee": (15, 0, 0),
    "shoulder": (-8, 12, 0),
    "elbow": (-12, 0, 0),
    "wrist": (-15, 0, 0),
    "nose": (88, 24, 0),
    "head": (50, 12, 0),
}
"""Along the axes of `joint_axes`, for a body of MOCAP_CHAIN. They bring the mean lengths of the CMU bodies to those of
three pairs of person and detector in triangulated views; the chain grows to `mocap.CANONICAL_CHAIN`."""

AXIS_OFFSETS = np.array([OFFSETS_MM.get(name.split("_")[-1], (0, 0, 0)) for name in H36M17.joints]) / 1000

PELVIS, SPINE, THORAX, NOSE, HEAD = (H36M17.index(name) for name in ("pelvis", "spine", "thorax", "nose", "head"))
HIP_OF = {"left": H36M17.index("left_hip"), "right": H36M17.index("right_hip")}
SHOULDER_OF = {"left": H36M17.index("left_shoulder"), "right": H36M17.index("right_shoulder")}


def as_detected(joints: np.ndarray) -> np.ndarray:
    """Move joints (T, 17, 3) of motion capture to the points that detectors mark, metres."""
    size = chain_length(joints).mean() / MOCAP_CHAIN
    moved = joints + size * (AXIS_OFFSETS[:, :, None] * joint_axes(joints)).sum(-2)
    hips = (moved[:, HIP_OF["left"]] + moved[:, HIP_OF["right"]]) / 2
    shoulders = (moved[:, SHOULDER_OF["left"]] + moved[:, SHOULDER_OF["right"]]) / 2
    moved[:, PELVIS] = hips
    moved[:, THORAX] = shoulders + THORAX_RAISE * (shoulders - hips)
    moved[:, SPINE] = (moved[:, PELVIS] + moved[:, THORAX]) / 2
    return moved.astype(joints.dtype)


def joint_axes(joints: np.ndarray) -> np.ndarray:
    """Three axes of length 1 at each joint of (..., 17, 3), as rows (..., 17, 3, 3), not all at right angles.

    Hips and shoulders: outwards, up the trunk, forwards. Limbs: away from the trunk along the limb (knees and elbows
    along the line from its root to its end), to the left, forwards. Nose and head: up the head, forwards, to the left.
    Trunk: left, up, forwards.
    """
    up = unit(joints[..., THORAX, :] - joints[..., PELVIS, :])
    axes = np.empty((*joints.shape, 3))
    trunk = {}
    for pair in (HIP_OF, SHOULDER_OF):
        left = _across(joints[..., pair["left"], :] - joints[..., pair["right"], :], up)
        forwards = np.cross(left, up)
        trunk[pair["left"]] = left, forwards
        for side, outwards in (("left", left), ("right", -left)):
            axes[..., pair[side], :, :] = np.stack([outwards, up, forwards], -2)
    for root, middle, end in LIMBS:
        left, forwards = trunk[HIP_OF["left"] if root < PELVIS + 7 else SHOULDER_OF["left"]]
        straight = unit(joints[..., end, :] - joints[..., root, :])
        axes[..., middle, :, :] = np.stack([straight, left, forwards], -2)
        axes[..., end, :, :] = np.stack([unit(joints[..., end, :] - joints[..., middle, :]), left, forwards], -2)
    left, forwards = trunk[SHOULDER_OF["left"]]
    axes[..., [PELVIS, SPINE, THORAX], :, :] = np.stack([left, up, forwards], -2)[..., None, :, :]
    head = unit(joints[..., HEAD, :] - joints[..., THORAX, :])
    face = _across(joints[..., NOSE, :] - joints[..., THORAX, :], head)
    axes[..., [NOSE, HEAD], :, :] = np.stack([head, face, np.cross(head, face)], -2)[..., None, :, :]
    return axes


def _across(vector: np.ndarray, axis: np.ndarray) -> np.ndarray:
    """The part of `vector` at right angles to the unit vector `axis`, of length 1."""
    return unit(vector - (vector * axis).sum(-1, keepdims=True) * axis)
