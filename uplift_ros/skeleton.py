"""Joint sets and the mappings between them: data, not code.

Joint names follow Human3.6M and COCO; left and right are the person's own. A joint of h36m17 is, in 2D and in
3D, the point that `to_h36m17` derives from the points that 2D detectors mark. Motion capture, whose joints are
centres of rotation of a fitted skeleton, is moved to these points when it is loaded (lab/data/convention.py).
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Skeleton:
    """A named joint set.

    Args:
        name: identifier used in messages.
        joints: joint names, in array order.
        parents: index of each joint's parent, -1 for the root; empty if the set is no tree.
    """

    name: str
    joints: tuple[str, ...]
    parents: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.joints)

    def index(self, joint: str) -> int:
        return self.joints.index(joint)

    @property
    def bones(self) -> tuple[tuple[int, int], ...]:
        """(parent, child) index pairs, the root left out."""
        return tuple((parent, child) for child, parent in enumerate(self.parents) if parent >= 0)

    @property
    def flip(self) -> np.ndarray:
        """Index permutation that swaps left and right joints."""
        return np.array([self.index(_mirrored(joint)) for joint in self.joints])

    def side(self, joint: int) -> str:
        """'left', 'right' or 'centre'."""
        return next((side for side in ("left", "right") if side in self.joints[joint]), "centre")


def _of_both_sides(*joints: str) -> list[str]:
    """Names of joints that a body has twice, the left one first."""
    return [f"{side}_{joint}" for joint in joints for side in ("left", "right")]


def _mirrored(joint: str) -> str:
    if "left" in joint:
        return joint.replace("left", "right")
    return joint.replace("right", "left")


H36M17 = Skeleton(
    "h36m17",
    joints=(
        *("pelvis", "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle"),
        *("spine", "thorax", "nose", "head"),
        *("left_shoulder", "left_elbow", "left_wrist", "right_shoulder", "right_elbow", "right_wrist"),
    ),
    parents=(-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 9, 8, 11, 12, 8, 14, 15),
)


def mirror(poses: np.ndarray) -> np.ndarray:
    """Mirror poses (..., 17, C) of h36m17, whose first coordinate is horizontal: the sides change, too."""
    sign = np.ones(poses.shape[-1])
    sign[0] = -1
    return poses[..., H36M17.flip, :] * sign


LIMBS = ((1, 2, 3), (4, 5, 6), (11, 12, 13), (14, 15, 16))
"""Root, middle and end of the right leg, the left leg, the left arm and the right arm of h36m17."""

LIMB_JOINTS = [joint for limb in LIMBS for joint in limb]

MEAN_LENGTHS = {
    "hip": 0.101,
    "knee": 0.413,
    "ankle": 0.395,
    "spine": 0.254,
    "thorax": 0.254,
    "nose": 0.210,
    "head": 0.118,
    "shoulder": 0.172,
    "elbow": 0.280,
    "wrist": 0.265,
}
"""Metres from its parent to each joint of h36m17, of adults of canonical stature between the points that detectors
mark: means of people in triangulated views, and of the motion capture that networks are trained with."""

COCO17 = Skeleton(
    "coco17", ("nose", *_of_both_sides("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle"))
)

BLAZEPOSE33 = Skeleton(
    "blazepose33",
    joints=(
        *("nose", "left_eye_inner", "left_eye", "left_eye_outer", "right_eye_inner", "right_eye", "right_eye_outer"),
        *("left_ear", "right_ear", "mouth_left", "mouth_right"),
        *_of_both_sides("shoulder", "elbow", "wrist", "pinky", "index", "thumb", "hip", "knee", "ankle", "heel"),
        *_of_both_sides("foot_index"),
    ),
)

# Detectors mark hips a little low and no neck. With up = mid-shoulders - mid-hips, these corrections bring the
# mean distance to the true joints of the synthetic person, who has the proportions of the networks' training data, from
# 6 to 3.6 % of the torso length. Human3.6M itself places hips 1.4 times wider and 0.16 higher than detectors do.
HIP_RAISE = 0.06
THORAX_RAISE = 0.03
HEAD_BEYOND_EARS = 0.35


def to_h36m17(keypoints: np.ndarray, scores: np.ndarray, source: Skeleton) -> tuple[np.ndarray, np.ndarray]:
    """Map keypoints of a detector's joint set to h36m17.

    Args:
        keypoints: (..., K, 2) pixels or (..., K, 3) metres, NaN where absent.
        scores: (..., K) in [0, 1].
        source: COCO17, BLAZEPOSE33, or H36M17 (returned as it is).

    Returns:
        keypoints (..., 17, 2 or 3) and scores (..., 17). A joint is NaN if one of its sources is; its score is the
        lowest of its sources.
    """
    if source.name == H36M17.name:
        return keypoints, scores
    places = dict(zip(source.joints, np.moveaxis(keypoints, -2, 0), strict=True))
    certainty = dict(zip(source.joints, np.moveaxis(scores, -1, 0), strict=True))
    hips, shoulders, ears = (
        (places[f"left_{joint}"] + places[f"right_{joint}"]) / 2 for joint in ("hip", "shoulder", "ear")
    )
    up = shoulders - hips
    pelvis, thorax = hips + HIP_RAISE * up, shoulders + THORAX_RAISE * up
    places |= {
        "pelvis": pelvis,
        "spine": (pelvis + thorax) / 2,
        "thorax": thorax,
        "head": ears + HEAD_BEYOND_EARS * (ears - shoulders),
        "left_hip": places["left_hip"] + HIP_RAISE * up,
        "right_hip": places["right_hip"] + HIP_RAISE * up,
    }
    torso = np.min([certainty[f"{side}_{joint}"] for side in ("left", "right") for joint in ("shoulder", "hip")], 0)
    certainty |= dict.fromkeys(("pelvis", "spine", "thorax", "left_hip", "right_hip"), torso)
    certainty["head"] = np.min(
        [certainty[f"{side}_{joint}"] for side in ("left", "right") for joint in ("ear", "shoulder")], 0
    )
    return (
        np.stack([places[joint] for joint in H36M17.joints], -2),
        np.stack([certainty[joint] for joint in H36M17.joints], -1),
    )
