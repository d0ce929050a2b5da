"""AMASS as joints, in the form of the authors of Uplift and Upsample (`CMU.npz` and so on, one file a dataset)."""

import numpy as np

from uplift_ros.lab.data import mocap
from uplift_ros.lab.data.archive import frame_rate, require
from uplift_ros.lab.data.formats.amass import FROM_REGRESSOR

VALIDATION = ("MPIHDM05", "SFU", "MPImosh")
"""Datasets that the authors leave out of training."""

FIT = "give files of the authors' conversion, which hold 'positions_3d' and 'frame_rate' for each take"


def is_amass_joints(content: object) -> bool:
    """Whether `positions_3d` of a file has the form of this module, not VideoPose3D's."""
    if not isinstance(content, dict) or not all(isinstance(takes, dict) for takes in content.values()):
        return False
    return any(isinstance(entry, dict) for takes in content.values() for entry in takes.values())


def amass_sequences(content: dict, where: str, dataset: str) -> list[tuple[mocap.Sequence, float]]:
    """Sequences named dataset/subject/take, metres, z up, where they were captured; and their frames per second.

    Args:
        content: of the array `positions_3d`.
        where: file and array, for error messages.

    Raises:
        ValueError: another form; names the take.
    """
    sequences = []
    for subject, takes in content.items():
        for take, entry in takes.items():
            place = f"{where}, {subject}, {take}"
            if not isinstance(entry, dict) or not {"positions_3d", "frame_rate"} <= set(entry):
                raise ValueError(f"{place}: expected a dictionary, got {type(entry).__name__}; {FIT}")
            joints = require(place, entry["positions_3d"], (None, 17, 3), fits=FIT)
            of_rate = f"{place}, frame_rate"
            rate = frame_rate(of_rate, require(of_rate, np.asarray(entry["frame_rate"]), (), fits=FIT))
            name = f"{dataset}/{subject}/{take}"
            sequences.append((mocap.Sequence(name, joints[:, FROM_REGRESSOR].astype(np.float32)), rate))
    return sequences
