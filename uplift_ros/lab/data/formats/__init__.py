"""Motion capture in common formats, as sequences of h36m17 joints at the networks' rate."""

import re
from collections.abc import Collection, Sequence
from pathlib import Path

from uplift_ros.lab.data import mocap
from uplift_ros.lab.data.convention import as_detected
from uplift_ros.lab.data.formats import h36m
from uplift_ros.lab.data.formats.amass import is_amass, load_amass
from uplift_ros.lab.data.formats.amass_joints import amass_sequences, is_amass_joints
from uplift_ros.lab.data.formats.bvh import load_bvh
from uplift_ros.lab.data.formats.joints import load_npz
from uplift_ros.lab.data.object_arrays import array_names, load_objects


def load(
    path: Path, rate: float, body_model: Path | None = None, subjects: Collection[str] = ()
) -> list[mocap.Sequence]:
    """Read motion capture.

    Args:
        path: an npz file of joints, a BVH file, an AMASS file, or a folder of BVH or AMASS files.
        rate: frames per second of the returned sequences; files of other rates are interpolated linearly.
        body_model: file that turns AMASS's body parameters into joints, see `BodyModel`.
        subjects: of Human3.6M, whose file holds those of training and of test; all if none is given.

    Raises:
        FileNotFoundError: no such file or folder.
        ValueError: another format, or a file that is broken; names it.
    """
    if not path.exists():
        raise FileNotFoundError(f"data: no file or folder {path}")
    if path.is_dir():
        is_take = re.compile(r".*(\.bvh|_poses\.npz)", re.IGNORECASE).fullmatch
        files = sorted(file for file in path.rglob("*") if is_take(file.name)) or _files_of_joints(path)
        if not files:
            raise ValueError(
                f"data: folder {path} must hold .bvh files, AMASS's *_poses.npz, or its joints (CMU.npz), got none"
            )
        root = path
    else:
        files, root = [path], path.parent
    takes = [
        take for file in files for take in _takes(file, file.relative_to(root).with_suffix(""), body_model, subjects)
    ]
    if not takes:
        raise ValueError(f"data: {path} holds no sequence")
    return [mocap.Sequence(sequence.name, mocap.resample(sequence.joints, fps, rate)) for sequence, fps in takes]


def load_motion(
    paths: Sequence[Path], rate: float, body_model: Path | None = None, subjects: Collection[str] = h36m.TEST_SUBJECTS
) -> list[mocap.Sequence]:
    """Motion capture of all paths, with joints at the points that detectors mark (`as_detected`).

    Args:
        paths, rate, body_model, subjects: as of `load`, except that `subjects` defaults to those of the test.

    Raises:
        FileNotFoundError, ValueError: as `load`.
    """
    motion = [sequence for path in paths for sequence in load(path, rate, body_model, subjects)]
    return [mocap.Sequence(sequence.name, as_detected(sequence.joints)) for sequence in motion]


def _takes(
    file: Path, name: Path, body_model: Path | None, subjects: Collection[str]
) -> list[tuple[mocap.Sequence, float]]:
    """Sequences of a file named `name`, with their frames per second; arguments as of `load`."""
    suffix = file.suffix.lower()
    if suffix == ".bvh":
        sequences, fps = load_bvh(file, name.as_posix())
        return [(sequence, fps) for sequence in sequences]
    if suffix != ".npz":
        raise ValueError(f"data: {file} must be .npz or .bvh, got {file.suffix!r}")
    if "positions_3d" in array_names(file):
        content = load_objects(file, "positions_3d")
        if is_amass_joints(content):
            return amass_sequences(content, f"data: {file}, array 'positions_3d'", name.as_posix())
        return [(sequence, mocap.FRAME_RATE_HZ) for sequence in h36m.world_sequences(content, file, subjects)]
    if is_amass(file):
        return [load_amass(file, name.as_posix(), body_model)]
    sequences, fps = load_npz(file)
    return [(sequence, fps) for sequence in sequences]


def _files_of_joints(folder: Path) -> list[Path]:
    """The npz files of joints in a folder, and unreadable ones, which must not be skipped silently."""
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() == ".npz")
    return [path for path in files if not (names := array_names(path)) or "positions_3d" in names]
