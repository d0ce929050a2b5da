"""Motion capture for training and evaluation: sequences of h36m17 joints, metres, z up."""

from dataclasses import dataclass

import numpy as np

from uplift_ros.skeleton import H36M17
from uplift_ros.sources.synthetic.posture import ANKLE_HEIGHT
from uplift_ros.streaming.track import interpolate

FRAME_RATE_HZ = 50.0
"""Frame rate for which the networks are trained and the filters' cutoffs are tuned; also that of Human3.6M."""

CANONICAL_CHAIN = 1.58
"""Metres from the ankles over knee, hip, pelvis, spine and thorax to the head, of a body of canonical stature, between
the points that detectors mark (`convention.as_detected`)."""

MOCAP_CHAIN = 1.53
"""The same between the joints of motion capture."""

TRUST = {"salsa": 0.7, "indian": 0.7} | dict.fromkeys(("s06", "s07", "s08", "s10", "s12", "s13"), 0.8)
TRUST |= {"s05": 0.5, "s85": 0.3, "s135": 0.3}
"""Weights of classes of the CMU database; all others have 1. Ankles of retargeted takes are off by 40 to 50 mm;
forearms of s05 change their length; s85 and s135 are another retargeted figure with short arms."""

FROM_H36M32 = (0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27)
"""h36m17 joints in Human3.6M's own set of 32."""


@dataclass(frozen=True)
class Sequence:
    """One motion.

    Attributes:
        name: key in its file.
        joints: (T, 17, 3) metres, z up.
    """

    name: str
    joints: np.ndarray


def resample(joints: np.ndarray, fps: float, rate: float) -> np.ndarray:
    """Resample joints (T, 17, 3) from `fps` to `rate` frames per second by linear interpolation."""
    if fps == rate:
        return joints
    last = len(joints) - 1
    at = np.arange(int(last * rate / fps + 1e-6) + 1) * fps / rate
    return interpolate(at.clip(max=last), np.arange(len(joints)), joints).astype(np.float32)


def runs(found: np.ndarray) -> list[tuple[int, int]]:
    """Begin and end of every run of true values in (T,)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], found, [False]]).astype(int))).tolist()
    return list(zip(edges[::2], edges[1::2], strict=True))


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors (..., 3) of length 1 in the directions of the given ones."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)


def grounded(joints: np.ndarray) -> np.ndarray:
    """Joints (T, 17, 3) with the median pelvis above the origin, the lower ankle's 5th percentile at ANKLE_HEIGHT."""
    lowest = np.percentile(joints[:, [3, 6], 2].min(1), 5)
    return (joints - (*np.median(joints[:, 0, :2], axis=0), lowest - ANKLE_HEIGHT)).astype(np.float32)


def chain_length(joints: np.ndarray) -> np.ndarray:
    """Length of ankle-to-head chains (...,) of poses (..., 17, 3), left and right leg averaged; see CANONICAL_CHAIN."""
    bone = {child: joints[..., child, :] - joints[..., parent, :] for parent, child in H36M17.bones}
    length = {child: np.linalg.norm(vector, axis=-1) for child, vector in bone.items()}
    legs = (length[2] + length[3] + length[5] + length[6]) / 2
    return legs + length[7] + length[8] + np.linalg.norm(joints[..., 10, :] - joints[..., 8, :], axis=-1)


def motion_class(name: str) -> str:
    """Coarse motion class of a sequence, from the take's folder: 'cmu/salsa/10#2' gives 'salsa'."""
    parts = name.split("#")[0].split("/")
    return parts[-2] if len(parts) > 1 else parts[0]


def class_balanced(sequences: list[Sequence]) -> np.ndarray:
    """(S,) probability of drawing each sequence: a class has the square root of its share, times its TRUST."""
    frames = np.array([len(sequence.joints) for sequence in sequences], float)
    classes = np.array([motion_class(sequence.name) for sequence in sequences])
    per_class = {name: frames[classes == name].sum() for name in set(classes)}
    probability = frames * np.array([TRUST.get(name, 1.0) * per_class[name] ** -0.5 for name in classes])
    return probability / probability.sum()
