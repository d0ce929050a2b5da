"""MPI-INF-3DHP (Mehta et al. 2017) as distributed: `S1/Seq1/annot.mat` for training, `TS1/annot_data.mat` for tests.

2D poses are the dataset's own ground truth. Focal length and principal point follow from 2D and 3D joints. Sequences
of 25 frames per second are interpolated to the networks' 50 Hz.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from scipy.io import loadmat

from uplift_ros.camera import Camera
from uplift_ros.lab.data.archive import require
from uplift_ros.lab.data.mocap import FRAME_RATE_HZ, resample, runs
from uplift_ros.lab.data.takes import Take

FROM_28 = (4, 23, 24, 25, 18, 19, 20, 3, 5, 6, 7, 9, 10, 11, 14, 15, 16)
"""h36m17 joints among the 28 of the training data."""

FROM_17 = (14, 8, 9, 10, 11, 12, 13, 15, 1, 16, 0, 5, 6, 7, 2, 3, 4)
"""h36m17 joints among the 17 of the test data."""

AT_50_HZ = {("S1", "Seq2"), ("S3", "Seq1"), ("S3", "Seq2"), ("S5", "Seq1"), ("S5", "Seq2")}
"""Training sequences; the others have 25 frames per second."""

CHEST_HIGH = (0, 1, 2, 4, 5, 6, 7, 8)
"""Cameras at chest height, which are commonly used of the 14."""

WIDE = ("TS5", "TS6")
"""Test sequences of 1920 x 1080 pixels; all others have 2048 x 2048."""

FIT_MPI = "give the folder of MPI-INF-3DHP, with S1/Seq1/annot.mat or TS1/annot_data.mat in it"


def is_mpi_inf_3dhp(path: Path) -> bool:
    """Whether a folder holds annotations of the dataset."""
    return path.is_dir() and any(True for pattern in ("annot.mat", "annot_data.mat") for _ in path.rglob(pattern))


def load_takes(folder: Path, test_rate: float | None) -> list[Take]:
    """All sequences of the training or of the test set; each run of valid frames of a test sequence is a take.

    Args:
        folder: of the data set.
        test_rate: frames per second of the test sequences, which their files do not hold; None loads those of training.

    Raises:
        ValueError: no sequences found, or a file of another form.
    """
    files = sorted(folder.rglob("annot_data.mat" if test_rate else "annot.mat"))
    if not files:
        raise ValueError(f"data: {folder} has no {'test' if test_rate else 'training'} sequence; {FIT_MPI}")
    return [take for file in files for take in (_test(file, test_rate) if test_rate else _training(file))]


def _training(file: Path) -> Iterator[Take]:
    try:
        content = loadmat(file, variable_names=("annot2", "annot3"))
    except Exception as error:  # a damaged file makes the parser fail in many ways
        raise ValueError(f"data: {file} is no MATLAB file of version 5 ({type(error).__name__}); {FIT_MPI}") from error
    subject, sequence = file.parent.parent.name, file.parent.name
    for camera in CHEST_HIGH:
        pixels, joints = (_cell(file, content, name, camera, size) for name, size in (("annot2", 56), ("annot3", 84)))
        name = f"{subject}/{sequence}/camera {camera}"
        pixels, joints = pixels.reshape(-1, 28, 2)[:, FROM_28], joints.reshape(-1, 28, 3)[:, FROM_28]
        yield _take(name, joints, pixels, 50.0 if (subject, sequence) in AT_50_HZ else 25.0, 2048, 2048)


def _cell(file: Path, content: dict[str, Any], name: str, camera: int, size: int) -> np.ndarray:
    where = f"data: {file}, array {name!r}"
    cells = content.get(name)
    if not isinstance(cells, np.ndarray) or cells.dtype != object or len(cells) < 14:
        received = getattr(cells, "shape", "nothing")
        raise ValueError(f"{where}: expected a cell array of 14 cameras, got {received}; {FIT_MPI}")
    return require(f"{where}, camera {camera}", cells[camera].item(), (None, size), fits=FIT_MPI)


def _test(file: Path, rate: float) -> Iterator[Take]:
    import h5py  # only these files need it

    try:
        content = h5py.File(file, "r")
    except OSError as error:
        raise ValueError(f"data: {file} is no MATLAB file of version 7.3; {FIT_MPI}") from error
    with content:
        arrays = [
            np.asarray(content[name]) if name in content else None for name in ("annot2", "annot3", "valid_frame")
        ]
    where = f"data: {file}, array"
    pixels = require(f"{where} 'annot2'", arrays[0], (None, 1, 17, 2), fits=FIT_MPI)[:, 0, FROM_17]
    joints = require(f"{where} 'annot3'", arrays[1], (None, 1, 17, 3), fits=FIT_MPI)[:, 0, FROM_17]
    valid = require(f"{where} 'valid_frame'", arrays[2], (len(joints), 1), fits=FIT_MPI)[:, 0] > 0
    name = file.parent.name
    width, height = (1920, 1080) if name in WIDE else (2048, 2048)
    for start, end in runs(valid):
        run = slice(start, end)
        yield _take(f"{name}/{name}/{start}", joints[run], pixels[run], rate, width, height)


def _take(name: str, joints: np.ndarray, pixels: np.ndarray, rate: float, width: int, height: int) -> Take:
    """A take from joints in millimetres in the optical frame and their pixels."""
    joints, pixels = (resample(part, rate, FRAME_RATE_HZ) for part in (joints / 1000, np.asarray(pixels, float)))
    plane = (joints[..., :2] / joints[..., 2:]).reshape(-1, 2)
    (fx, cx), (fy, cy) = (np.polyfit(plane[:, axis], pixels[..., axis].ravel(), 1) for axis in (0, 1))
    return Take(name, joints, pixels, Camera(float(fx), float(fy), float(cx), float(cy), width, height))
