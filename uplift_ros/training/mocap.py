"""Motion capture for training and evaluation: sequences of h36m17 joints, metres, z up."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from uplift_ros.skeleton import H36M17

CANONICAL_CHAIN = 1.53
"""Metres from the ankles over knee, hip, pelvis, spine and thorax to the head, of a body of canonical stature."""


@dataclass(frozen=True)
class Sequence:
    """One motion.

    Attributes:
        name: key in its file.
        joints: (T, 17, 3) metres, z up.
    """

    name: str
    joints: np.ndarray


def load_npz(path: Path) -> tuple[list[Sequence], float]:
    """Read one array (T, 17, 3) per sequence and `fps`.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not an npz file, no `fps`, or an array of another shape; names the key.
    """
    if not path.is_file():
        raise FileNotFoundError(f"data: no file {path}")
    try:
        arrays = np.load(path, allow_pickle=False)
    except ValueError as error:
        raise ValueError(f"data: {path} is not an npz file ({error})") from error
    with arrays:
        if "fps" not in arrays.files:
            raise ValueError(f"data: {path} has no 'fps'")
        fps = float(arrays["fps"])
        sequences = []
        for name in arrays.files:
            if name == "fps":
                continue
            joints = arrays[name]
            if joints.ndim != 3 or joints.shape[1:] != (len(H36M17), 3):
                raise ValueError(f"data: {path}, sequence {name!r}: expected (T, 17, 3), got {joints.shape}")
            if not np.isfinite(joints).all():
                raise ValueError(f"data: {path}, sequence {name!r}: joints must be finite")
            sequences.append(Sequence(name, joints.astype(np.float32)))
    return sequences, fps


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
    """(S,) probability of drawing each sequence: a class has the square root of its share, so that none rules."""
    frames = np.array([len(sequence.joints) for sequence in sequences], float)
    classes = np.array([motion_class(sequence.name) for sequence in sequences])
    per_class = {name: frames[classes == name].sum() for name in set(classes)}
    probability = frames * np.array([per_class[name] ** -0.5 for name in classes])
    return probability / probability.sum()
