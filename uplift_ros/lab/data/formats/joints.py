"""npz files with one array of h36m17 joints per sequence: metres, z up, and `fps`."""

import sys
from pathlib import Path

import numpy as np

from uplift_ros.lab.data import plausibility
from uplift_ros.lab.data.archive import Archive
from uplift_ros.lab.data.mocap import FROM_H36M32, Sequence
from uplift_ros.skeleton import H36M17


def load_npz(path: Path) -> tuple[list[Sequence], float]:
    """Read one array (T, 17, 3), or (T, 32, 3) in Human3.6M's own joints, per sequence and `fps`.

    Frames without a body (zeros, NaN) are cut out; the parts before and after them become sequences of their own, named
    walk and walk#2. Axes are turned if another one than z points up. Both are reported on standard error.

    Args:
        path: the file.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not an npz file, no `fps`, or an array of another form, unit or order of joints; names the key.
    """
    with Archive(path) as archive:
        fps = archive.read_rate("fps")
        sequences = [part for name in archive.names if name != "fps" for part in _sequences(archive, name, fps)]
    if sequences:
        usual = plausibility.up_axis(np.concatenate([sequence.joints for sequence in sequences]))
        sequences = [_upright(sequence, usual, path) for sequence in sequences]
    return sequences, fps


def _upright(sequence: Sequence, usual: str, path: Path) -> Sequence:
    """Turn a sequence so that z points up.

    Args:
        usual: the axis that points up in most of the file. If another one does in this sequence, the person is assumed
            to lie, unless it walks.
        path: named in reports.
    """
    axis = plausibility.up_axis(sequence.joints)
    if axis != usual and not plausibility.walks(sequence.joints, axis):
        if axis != "z":
            print(f"data: {path}, array {sequence.name!r}: the person lies, or {axis} points up", file=sys.stderr)
        axis = usual
    if axis != "z":
        print(f"data: {path}, array {sequence.name!r}: the {axis} axis points up, turned to z", file=sys.stderr)
    return Sequence(sequence.name, sequence.joints @ np.array(plausibility.TO_Z_UP[axis], np.float32).T)


def _sequences(archive: Archive, name: str, fps: float) -> list[Sequence]:
    """The parts of an array without gaps."""
    joints = archive.read(name, (None, len(H36M17), 3), (None, 32, 3), finite=False)
    if joints.shape[1] == 32:
        joints = joints[:, FROM_H36M32]
    where = f"data: {archive.path}, array {name!r}"
    found = plausibility.present(joints)
    if not found.any():
        raise ValueError(
            f"{where}: no frame has a body: joints must be finite, not at the origin, and limbs of one length"
        )
    try:
        plausibility.check_order(joints[found])
        plausibility.check_stature(joints[found])
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error
    return plausibility.without_gaps(name, joints, found, fps, where)
