"""AMASS as joints, as the authors of Uplift and Upsample save it: one file for each dataset, such as `CMU.npz`."""

import numpy as np

from uplift_ros.lab.data import mocap
from uplift_ros.lab.data.archive import frame_rate, require
from uplift_ros.lab.data.formats.amass import FROM_REGRESSOR

VALIDATION = ("MPIHDM05", "SFU", "MPImosh")
"""Datasets that the authors leave out of training."""

FIT_AMASS = "give files of the authors' conversion, which hold 'positions_3d' and 'frame_rate' for each take"


def is_amass_joints(content: object) -> bool:
    """Whether the content of an array `positions_3d` has the form of this module, not that of VideoPose3D."""
    if not isinstance(content, dict) or not all(isinstance(takes, dict) for takes in content.values()):
        return False
    return any(isinstance(entry, dict) for takes in content.values() for entry in takes.values())


def amass_sequences(content: dict, where: str, dataset: str) -> list[tuple[mocap.Sequence, float]]:
    """Sequences named dataset/subject/take, metres, z up, at their captured place; and their frames per second.

    Args:
        content: of the array `positions_3d`.
        where: file and array, for error messages.
        dataset: its name.

    Raises:
        ValueError: another form; names the take.
    """
    sequences = []
    for subject, takes in content.items():
        for take, entry in takes.items():
            place = f"{where}, {subject}, {take}"
            if not isinstance(entry, dict) or not {"positions_3d", "frame_rate"} <= set(entry):
                raise ValueError(f"{place}: expected a dictionary, got {type(entry).__name__}; {FIT_AMASS}")
            joints = require(place, entry["positions_3d"], (None, 17, 3), fits=FIT_AMASS)
            rate_place = f"{place}, frame_rate"
            rate = frame_rate(rate_place, require(rate_place, np.asarray(entry["frame_rate"]), (), fits=FIT_AMASS))
            name = f"{dataset}/{subject}/{take}"
            sequences.append((mocap.Sequence(name, joints[:, FROM_REGRESSOR].astype(np.float32)), rate))
    return sequences
