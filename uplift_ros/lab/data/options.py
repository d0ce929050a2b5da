"""Options that the commands of lab share, and the data that they name."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from uplift_ros.lab.data.formats import h36m, load_motion, mpi_inf_3dhp
from uplift_ros.lab.data.protocols import Clip, project_sequences
from uplift_ros.lab.data.takes import Take
from uplift_ros.settings import at_least


def add_data_arguments(
    parser: argparse.ArgumentParser, *, required: bool = True, subjects: Sequence[str] = h36m.TEST_SUBJECTS
) -> None:
    """Add the options of motion capture.

    Args:
        required: --data must be given.
        subjects: default of --subjects.
    """
    parser.add_argument(
        "--data",
        type=Path,
        nargs="+",
        required=required,
        help="motion capture: .npz, .bvh, AMASS or VideoPose3D's data_3d_h36m.npz, or a folder of .bvh or AMASS files",
    )
    parser.add_argument("--body-model", type=Path, help="npz file of the SMPL+H body model, for AMASS data")
    parser.add_argument("--subjects", nargs="+", default=subjects, help=f"of Human3.6M; {' '.join(subjects)} otherwise")


def add_clip_arguments(parser: argparse.ArgumentParser, cameras: int | None, noise: str = "none") -> None:
    """Add the options of `load_clips`, and the uplifting network that reads the clips.

    Args:
        cameras: default of --cameras; None leaves it out.
        noise: default of --noise.
    """
    if cameras:
        parser.add_argument("--cameras", type=at_least(1), default=cameras, help="around each sequence")
    parser.add_argument("--noise", choices=("none", "detector"), default=noise, help="of 2D poses")
    parser.add_argument("--seed", type=at_least(0), default=0, help="of cameras and noise")
    parser.add_argument("--model", default="compact", help="shipped weights by name, or a .safetensors file")


def add_paper_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `load_takes`, beside those of motion capture."""
    parser.add_argument("--keypoints", type=Path, help="2D poses of Human3.6M: VideoPose3D's data_2d_h36m_*.npz")
    cameras = "Human3.6M's cameras: metadata.xml, camera-parameters.json or h36m_dataset.py"
    parser.add_argument("--calibration", type=Path, help=cameras)


def load_clips(args: argparse.Namespace, rate: float) -> list[Clip]:
    """Motion capture as virtual cameras see it.

    Args:
        args: options of `add_data_arguments` and `add_clip_arguments`.
        rate: frames per second.

    Raises:
        FileNotFoundError, ValueError: as `load_motion` and `project_sequences`.
    """
    motion = load_motion(args.data, rate, args.body_model, args.subjects)
    return list(project_sequences(motion, rate, args.cameras, args.noise, args.seed))


def load_takes(args: argparse.Namespace, *, test: bool) -> list[Take] | None:
    """Load takes of real cameras if the options name any; None for motion capture alone.

    Args:
        args: options of `add_data_arguments` and `add_paper_arguments`, and --test-rate for tests.
        test: load those of the test, not of training.

    Raises:
        FileNotFoundError, ValueError: options or files that do not fit, or motion capture beside takes.
    """
    loaded = [_takes(path, args, test) for path in args.data]
    if None in loaded and any(loaded):
        raise ValueError(f"data: {args.data[loaded.index(None)]} is motion capture beside recordings; give one kind")
    return [take for takes in loaded for take in takes or ()] or None


def _takes(data: Path, args: argparse.Namespace, test: bool) -> list[Take] | None:
    """Takes of one path; None if it is motion capture."""
    if mpi_inf_3dhp.is_mpi_inf_3dhp(data):
        if test and not args.test_rate:
            raise ValueError("test-rate is missing: the test sequences of MPI-INF-3DHP do not hold theirs")
        return mpi_inf_3dhp.load_takes(data, args.test_rate if test else None)
    if args.keypoints is None:
        if args.calibration and (test or h36m.is_h36m(data)):
            raise ValueError(f"keypoints is missing beside calibration: {h36m.FIT_2D}")
        return None
    if args.calibration is None:
        raise ValueError(f"calibration is missing: the files of VideoPose3D hold no cameras; {h36m.FIT_CAMERAS}")
    return h36m.load_takes(data, args.keypoints, args.calibration, args.subjects)
