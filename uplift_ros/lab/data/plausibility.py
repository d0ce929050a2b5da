"""Detection of motion capture in another unit, with other axes, another order of joints, or gaps.

Bounds are far outside the values of the 281 training sequences of CMU, LAFAN1 and others.
"""

import sys

import numpy as np

from uplift_ros.camera import CANONICAL_STATURE
from uplift_ros.lab.data.mocap import CANONICAL_CHAIN, Sequence, chain_length, runs, unit
from uplift_ros.skeleton import H36M17, LIMBS

POSSIBLE_STATURES_M, USUAL_STATURES_M = (0.5, 2.5), (1.2, 2.2)

UNITS = {"millimetres": 0.001, "centimetres": 0.01, "decimetres": 0.1, "inches": 0.0254, "feet": 0.3048}
"""Metres in each unit."""

CLEARLY_UP = 0.6
"""An axis points up if the mean direction from the ankles to the head has at least this component along it."""

MIN_WALK_M, MAX_UNEVENNESS_M = 1.0, 0.1
"""A person who walks moves at least this far, and the height of the lower ankle deviates at most this much."""

PROPORTION_BOUNDS = {"thigh": (2, 0.12, 0.38), "shin": (3, 0.12, 0.4), "trunk": (8, 0.2, 0.5)}
"""Last joint, least and greatest length as parts of the chain from the ankles to the head; 0.24 to 0.28, 0.26 to 0.30
and 0.31 to 0.35 in the data named above."""

MAX_ASYMMETRY = 0.5
"""Difference of left and right bones as part of their mean length; 0.18 in that data."""

MAX_STRETCH = 0.6
"""Deviation of a bone's length as part of it; 0.33 in that data, if the spine is one bone."""

MAX_LIMB_CHANGE = 0.5
"""Deviation of a limb's bone from its median as part of it, in any frame; 0.02 in that data."""

FASTEST_MPS = 15.0
"""Speed of a pelvis; sprinters reach 12.4."""

MIN_FACING_COSINE = -0.2
"""Mean cosine between the directions that trunk and nose face, and between hips and shoulders; if it is lower, sides
are exchanged. It is over 0.45 in that data."""

TO_Z_UP = {
    "x": [[0, 1, 0], [0, 0, 1], [1, 0, 0]],
    "-x": [[0, -1, 0], [0, 0, 1], [-1, 0, 0]],
    "y": [[1, 0, 0], [0, 0, -1], [0, 1, 0]],
    "-y": [[1, 0, 0], [0, 0, 1], [0, -1, 0]],
    "z": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "-z": [[1, 0, 0], [0, -1, 0], [0, 0, -1]],
}
"""Rotations into axes with z up, by the axis that points up."""


def present(joints: np.ndarray) -> np.ndarray:
    """(T,) whether a frame of joints (T, 17, 3) shows a body.

    If a person or a joint was lost, some programs write NaN or zeros, others -1 or 9999, or one place for all joints.
    In a body all joints are finite, none but the root is exactly at the origin, and limbs keep their length.
    """
    at_origin = (joints[:, 1:] == 0).all(-1).any(1)
    found: np.ndarray = np.isfinite(joints).all((1, 2)) & ~at_origin
    if found.any():
        with np.errstate(over="ignore", invalid="ignore"):  # values near the largest number
            limbs = np.linalg.norm(np.diff(joints[found][:, LIMBS], axis=2), axis=-1)
            usual = np.median(limbs, 0)
            found[found] = (np.abs(limbs - usual) <= MAX_LIMB_CHANGE * usual).all((1, 2))
    return found


def without_gaps(name: str, joints: np.ndarray, found: np.ndarray, fps: float, where: str) -> list[Sequence]:
    """Cut frames without a person out of joints (T, 17, 3), and cut at jumps, which is reported on standard error.

    Args:
        name: of the first part; the others are name#2 and so on.
        joints: (T, 17, 3) metres.
        found: (T,) whether a frame has a person.
        fps: frames per second.
        where: file and array, for the report.
    """
    shortest = min(2, len(joints))  # a single frame between gaps is no motion
    with np.errstate(over="ignore", invalid="ignore"):  # also of frames without a person
        jumps = np.flatnonzero(np.linalg.norm(np.diff(joints[:, 0], axis=0), axis=-1) * fps > FASTEST_MPS) + 1
    whole = [np.split(joints[begin:end], jumps[(begin < jumps) & (jumps < end)] - begin) for begin, end in runs(found)]
    parts = [part for pieces in whole for part in pieces if len(part) >= shortest]
    if cuts := sum(len(pieces) - 1 for pieces in whole):
        print(f"{where}: cut at {cuts} jumps of the person", file=sys.stderr)
    if lost := len(joints) - sum(map(len, parts)):
        print(f"{where}: {lost} of {len(joints)} frames without a person cut out", file=sys.stderr)
    return [
        Sequence(name if number == 1 else f"{name}#{number}", part.astype(np.float32))
        for number, part in enumerate(parts, start=1)
    ]


def up_axis(joints: np.ndarray) -> str:
    """The axis, a key of TO_Z_UP, along which heads of bodies (T, 17, 3) are above their ankles; 'z' if none is."""
    towards_head = unit(joints[:, H36M17.index("head")] - joints[:, [3, 6]].mean(1)).mean(0)
    axis = int(np.abs(towards_head).argmax())
    if abs(towards_head[axis]) < CLEARLY_UP:
        return "z"
    return "-" * bool(towards_head[axis] < 0) + "xyz"[axis]


def walks(joints: np.ndarray, axis: str) -> bool:
    """Whether the person of joints (T, 17, 3) walks on the plane at right angles to an axis, a key of TO_Z_UP.

    If so, that axis points up.
    """
    joints = joints @ np.array(TO_Z_UP[axis]).T
    distance = np.linalg.norm(joints[:, 0, :2] - joints[0, 0, :2], axis=-1).max()
    return bool(distance > MIN_WALK_M and joints[:, [3, 6], 2].min(1).std() < MAX_UNEVENNESS_M)


def check_stature(joints: np.ndarray) -> None:
    """Require people of plausible size in metres.

    Args:
        joints: (T, 17, 3).

    Raises:
        ValueError: another size; names the unit that would fit.
    """
    stature = float(np.median(chain_length(joints))) / CANONICAL_CHAIN * CANONICAL_STATURE
    if POSSIBLE_STATURES_M[0] <= stature <= POSSIBLE_STATURES_M[1]:
        return
    fitting = [
        f"; in {unit} it would be {stature * metres:.2f} m: multiply by {metres:g}"
        for unit, metres in UNITS.items()
        if USUAL_STATURES_M[0] <= stature * metres <= USUAL_STATURES_M[1]
    ]
    least, greatest = POSSIBLE_STATURES_M
    raise ValueError(f"stature must be {least} to {greatest} m, got {stature:.4g}{''.join(fitting)}")


def check_order(joints: np.ndarray) -> None:
    """Require joints in the order of h36m17 and right-handed axes.

    Args:
        joints: (T, 17, 3), of any unit.

    Raises:
        ValueError: bones that no body has, or left and right exchanged.
    """
    lengths = {child: np.linalg.norm(joints[:, child] - joints[:, parent], axis=-1) for parent, child in H36M17.bones}
    chain = float(np.median(chain_length(joints)))
    if not chain > 0:
        raise ValueError(f"joints must be a body with a size, got {chain:g} from the ankles to the head")
    median = {child: float(np.median(length)) for child, length in lengths.items()}
    median[8] += median[7]
    for bone, (child, least, most) in PROPORTION_BOUNDS.items():
        if not least <= (part := median[child] / chain) <= most:
            raise ValueError(f"joints must be in the order of h36m17: the {bone} would be {part:.2f} of the body")
    for child in (4, 5, 6, 11, 12, 13):
        other = median[H36M17.flip[child]]
        if abs(median[child] - other) > MAX_ASYMMETRY * (median[child] + other) / 2:
            name = H36M17.joints[child]
            raise ValueError(f"joints must be in the order of h36m17: {name} and its right one have other bones")
    stretch = {child: float(length.std() / max(length.mean(), 1e-9)) for child, length in lengths.items()}
    worst = max(stretch, key=stretch.__getitem__)
    if stretch[worst] > MAX_STRETCH:
        raise ValueError(
            f"joints must be in the order of h36m17: the bone to {H36M17.joints[worst]} changes its length "
            f"by {stretch[worst]:.0%}"
        )
    across, shoulders = joints[:, 4] - joints[:, 1], joints[:, 11] - joints[:, 14]
    facing = unit(np.cross(across, joints[:, 8] - joints[:, 0]))
    nose = unit(joints[:, 9] - (joints[:, 8] + joints[:, 10]) / 2)
    cosines = [(facing * nose).sum(-1).mean(), (unit(across) * unit(shoulders)).sum(-1).mean()]
    if min(cosines) < MIN_FACING_COSINE:
        raise ValueError(
            f"left and right must be the person's own, with a cosine of at least {MIN_FACING_COSINE}, got "
            f"{min(cosines):.2f}: they are exchanged, or the axes are left-handed"
        )
