"""The papers' own data for `uplift train` and `uplift evaluate`: which files make takes of real cameras."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from uplift_ros.lab.data.formats import h36m, mpi_inf_3dhp
from uplift_ros.lab.data.takes import Take


def add_paper_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that takes of real cameras need beside --data."""
    parser.add_argument("--keypoints", type=Path, help="2D poses of Human3.6M: VideoPose3D's data_2d_h36m_*.npz")
    cameras = "Human3.6M's cameras: metadata.xml, camera-parameters.json or h36m_dataset.py"
    parser.add_argument("--calibration", type=Path, help=cameras)
    parser.add_argument("--subjects", nargs="+", help="of Human3.6M; S1 S5 S6 S7 S8 for training, S9 S11 for tests")
    parser.add_argument("--test-rate", type=float, help="frames per second of MPI-INF-3DHP's test sequences")
    parser.add_argument("--views", action="store_true", help="of SmoothNet's release: the cameras of a moment together")


def load_takes(paths: Sequence[Path], args: argparse.Namespace, *, test: bool) -> list[Take] | None:
    """Load takes of real cameras if the options name any; None for motion capture alone.

    Raises:
        FileNotFoundError, ValueError: options or files that do not fit, or motion capture beside takes.
    """
    loaded = [_takes(path, args, test) for path in paths]
    if None in loaded and any(loaded):
        raise ValueError(f"data: {paths[loaded.index(None)]} is motion capture beside recordings; give one kind")
    return [take for takes in loaded for take in takes or ()] or None


def _takes(data: Path, args: argparse.Namespace, test: bool) -> list[Take] | None:
    if mpi_inf_3dhp.is_mpi_inf_3dhp(data):
        if test and not args.test_rate:
            raise ValueError("test-rate is missing: the test sequences of MPI-INF-3DHP do not hold theirs")
        return mpi_inf_3dhp.load_takes(data, test, args.test_rate)
    if args.keypoints is None:
        if test and args.calibration:
            raise ValueError(f"keypoints is missing beside calibration: {h36m.FIT_2D}")
        return None
    if args.calibration is None:
        raise ValueError(f"calibration is missing: the files of VideoPose3D hold no cameras; {h36m.FIT_CAMERAS}")
    subjects = args.subjects or (h36m.TEST_SUBJECTS if test else h36m.TRAINING_SUBJECTS)
    return h36m.load_takes(data, args.keypoints, args.calibration, subjects)
