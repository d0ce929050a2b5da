"""Augmentation of captured people: proportions, posture, combined motion, lying, mirrored."""

import numpy as np
from scipy.spatial.transform import Rotation

from uplift_ros.lab.data.convention import THORAX
from uplift_ros.lab.data.mocap import ANKLE_HEIGHT, CANONICAL_CHAIN, chain_length, unit
from uplift_ros.skeleton import H36M17, LIMBS, MEAN_LENGTHS, mirror

COMBINED = 0.2
"""Share of people with the legs of one motion and the upper body of another: captures show few of all combinations."""

FALLEN = 0.08
"""Share of people who are turned over: captured motion hardly contains people who lie or stand on their hands."""

STEEPEST = 0.5
"""Sine of the greatest slope of the line through both hips at which the pelvis has a heading."""

UPPER_BODY = slice(H36M17.index("spine"), len(H36M17))
HEAD_JOINTS = slice(H36M17.index("nose"), H36M17.index("head") + 1)
LEFT_HIP, RIGHT_HIP = H36M17.index("left_hip"), H36M17.index("right_hip")

SEGMENTS = {
    "hips": (MEAN_LENGTHS["hip"], 0.09),
    "thigh": (MEAN_LENGTHS["knee"], 0.045),
    "shank": (MEAN_LENGTHS["ankle"], 0.045),
    "trunk": (MEAN_LENGTHS["spine"], 0.05),
    "head": (0.252, 0.06),
    "shoulders": (MEAN_LENGTHS["shoulder"], 0.065),
    "upper_arm": (MEAN_LENGTHS["elbow"], 0.055),
    "forearm": (MEAN_LENGTHS["wrist"], 0.055),
}
"""Mean length in metres at canonical stature, and standard deviation of its logarithm. Hips and shoulders are half
breadths; the trunk is one of its halves, pelvis to spine or spine to thorax. Deviations include those of Winter's and
ANSUR's adults and those of the points that detectors mark."""

COMMON = {"upper_arm": 0, "forearm": 0, "thigh": 1, "shank": 1, "hips": 2, "shoulders": 2}
"""Segments with the same number share half of their variance."""

FEMALE = np.array([0.06, 0.0, 0.0, 0.0, 0.0, -0.08, -0.03, -0.04])
"""Of each of SEGMENTS, logarithm of a woman's length over a man's, relative to stature (ANSUR)."""

CHILD_SHARE = 0.1
CHILD = np.array([-0.05, -0.08, -0.08, 0.03, 0.35, 0.02, -0.05, -0.05])
"""Share of children, and logarithm of the lengths at a stature of 1 m over an adult's, relative to stature."""

OWN_BODY = 0.3
"""Share of windows that keep a part of the captured person's proportions."""

ORIGINS = {child: parent for parent, child in H36M17.bones} | {H36M17.index("head"): THORAX}
"""Parent of each joint. That of the head is the thorax, not the nose, so that both keep their place in the head."""

SEGMENT_OF = {
    child: list(SEGMENTS).index(name)
    for name, children in {
        "hips": (1, 4), "thigh": (2, 5), "shank": (3, 6), "trunk": (7, 8), "head": (9, 10), "shoulders": (11, 14),
        "upper_arm": (12, 15), "forearm": (13, 16),
    }.items()
    for child in children
}  # fmt: skip
MEASURED_AT = tuple(child for child in SEGMENT_OF if child != H36M17.index("nose"))
ORDER = tuple(sorted(ORIGINS))

KNEE_DEG, ELBOW_DEG, LEAN_DEG, NOD_DEG = 12.0, 8.0, 4.0, 8.0
"""Parameters of `bent`: largest angle of knees and of elbows, standard deviation of the angles of trunk and head."""

SWUNG, SWING_DEG = (0.15, 0.15, 0.06, 0.06), 12.0
"""Share of each of LIMBS that is swung; standard deviation of the mean angle and of its waves, about each axis."""

LEANING = 0.25
"""Share of upper bodies that are swung about the pelvis likewise: captured people hardly lean backwards."""

STRAIGHTEST, DEEPEST = np.radians((1.0, 150.0))
STRAIGHT_BIAS_M = 0.01
"""Distance by which the middle joint of a straight limb counts as bent forwards (knee) or backwards (elbow)."""


def varied(rng: np.random.Generator, joints: np.ndarray) -> np.ndarray:
    """Turn windows (B, T, 17, 3), metres, z up, of captured people into windows of other people."""
    joints = joints.copy()
    changed = rng.random(len(joints)) < COMBINED
    joints[changed] = combined(joints[changed], joints[rng.permutation(len(joints))[: changed.sum()]])
    joints = swung(rng, bent(rng, random_body(rng, joints)))
    changed = rng.random(len(joints)) < FALLEN
    if changed.any():  # SciPy before 1.9 rejects an empty array
        joints[changed] = turned_over(rng, joints[changed])
    changed = rng.random(len(joints)) < 0.5
    joints[changed] = mirror(joints[changed])
    return joints


def combined(legs: np.ndarray, upper: np.ndarray) -> np.ndarray:
    """Combine pelvis and legs of windows (B, T, 17, 3) with the upper bodies of other windows.

    Upper bodies are turned about the vertical, frame by frame, so that both pelvises face the same direction. If one of
    the two people lies or hangs, `legs` is returned unchanged.
    """
    (facing, legs_stand), (other_facing, other_stands) = _facing(legs), _facing(upper)
    angle = facing - other_facing
    cosine, sine = np.cos(angle)[..., None], np.sin(angle)[..., None]
    x, y, z = np.moveaxis(upper[:, :, UPPER_BODY] - upper[:, :, :1], -1, 0)
    together = legs.copy()
    together[:, :, UPPER_BODY] = legs[:, :, :1] + np.stack([cosine * x - sine * y, sine * x + cosine * y, z], -1)
    possible = legs_stand & other_stands
    return np.where(possible[:, None, None, None], together, legs)


def _facing(joints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(B, T) angle of the line through the hips about the vertical; (B,) true if it is never steep and the trunk up."""
    across = joints[:, :, LEFT_HIP] - joints[:, :, RIGHT_HIP]
    steepness = np.abs(across[..., 2]) / np.linalg.norm(across, axis=-1)
    above = joints[:, :, THORAX, 2] > joints[:, :, 0, 2]
    return np.arctan2(across[..., 1], across[..., 0]), ((steepness < STEEPEST) & above).all(1)


def random_body(rng: np.random.Generator, joints: np.ndarray) -> np.ndarray:
    """Give windows (B, T, 17, 3) other bodies, of canonical size between the points that detectors mark.

    Lengths of all segments are drawn from norms; some windows keep a part of their own proportions. The overall size
    does not vary: a single camera cannot observe it, and a stature prior scales the output.
    """
    wanted = segment_lengths(rng, len(joints))
    present = _lengths(joints)
    own = np.where(rng.random(len(joints)) < OWN_BODY, rng.random(len(joints)), 0.0)[:, None]
    factors = (wanted / present) ** (1 - own)
    changed = joints.copy()
    for child in ORDER:
        origin = ORIGINS[child]
        bone = joints[:, :, child] - joints[:, :, origin]
        changed[:, :, child] = changed[:, :, origin] + bone * factors[:, None, SEGMENT_OF[child], None]
    size = CANONICAL_CHAIN / chain_length(changed).mean(1)
    return changed * size[:, None, None, None]


def segment_lengths(rng: np.random.Generator, people: int) -> np.ndarray:
    """Lengths (people, SEGMENTS) in metres of men, women and children, before they are brought to one size.

    Deviations of adults are those of ANSUR's and Winter's proportions of stature, about 4 to 5 % of each; half of the
    variance of a limb's two segments, and of the two breadths, is common to both.
    """
    common = rng.standard_normal((people, 3))  # arms, legs, breadths
    own = rng.standard_normal((people, len(SEGMENTS)))
    shared = np.stack(
        [common[:, COMMON[name]] if name in COMMON else rng.standard_normal(people) for name in SEGMENTS], 1
    )
    deviations = np.array([deviation for _, deviation in SEGMENTS.values()])
    logarithm = deviations * (shared + own) / np.sqrt(2)
    sex = rng.choice((-0.5, 0.5), people)[:, None]
    childhood = np.where(rng.random(people) < CHILD_SHARE, rng.random(people), 0.0)[:, None]  # 1 at a stature of 1 m
    logarithm += sex * FEMALE + childhood * CHILD
    return np.array([mean for mean, _ in SEGMENTS.values()]) * np.exp(logarithm)


def _lengths(joints: np.ndarray) -> np.ndarray:
    """Mean lengths (B, SEGMENTS) of windows (B, T, 17, 3)."""
    lengths = np.zeros((len(joints), len(SEGMENTS)))
    count = np.zeros(len(SEGMENTS))
    for child in MEASURED_AT:
        bone = joints[:, :, child] - joints[:, :, ORIGINS[child]]
        lengths[:, SEGMENT_OF[child]] += np.linalg.norm(bone, axis=-1).mean(1)
        count[SEGMENT_OF[child]] += 1
    return np.maximum(lengths / count, 0.01)


def bent(rng: np.random.Generator, joints: np.ndarray) -> np.ndarray:
    """Turn knees, elbows, trunk and head of windows (B, T, 17, 3) by angles that are constant within a window.

    Zero angles of motion capture depend on the skeleton that was fitted to the markers and are never exact. If a knee
    or an elbow changes, ankle or wrist stays on its line from hip or shoulder.
    """
    joints = joints.copy()
    batch = len(joints)
    up = joints[:, :, THORAX] - joints[:, :, 0]
    left = joints[:, :, LEFT_HIP] - joints[:, :, RIGHT_HIP]
    pitch, nod = np.radians(rng.normal(0, (LEAN_DEG, NOD_DEG), (batch, 2))).T
    joints[:, :, UPPER_BODY] = _rotated(joints[:, :, UPPER_BODY], joints[:, :, :1], left, pitch)
    joints[:, :, HEAD_JOINTS] = _rotated(joints[:, :, HEAD_JOINTS], joints[:, :, THORAX : THORAX + 1], left, nod)
    forwards = np.cross(left, up)
    knees = np.radians(rng.uniform(-KNEE_DEG, KNEE_DEG, batch))
    elbows = np.radians(rng.uniform(-ELBOW_DEG, ELBOW_DEG, batch))
    for limb, angle, towards in zip(LIMBS, (knees, knees, elbows, elbows), (1, 1, -1, -1), strict=True):
        _flex(joints, limb, angle, towards * forwards)
    return joints


def swung(rng: np.random.Generator, joints: np.ndarray) -> np.ndarray:
    """Swing some limbs of windows (B, T, 17, 3) about their roots and bend them, and swing some upper bodies.

    People balance, grasp, lean and kick in more poses than were captured; limbs move independently of each other here.
    The angles change slowly with time.
    """
    joints = joints.copy()
    leaning = np.flatnonzero(rng.random(len(joints)) < LEANING)
    joints[leaning, :, UPPER_BODY] = _swing(rng, joints[leaning, :, UPPER_BODY], joints[leaning, :, :1])
    for limb, share in zip(LIMBS, SWUNG, strict=True):
        rows = np.flatnonzero(rng.random(len(joints)) < share)
        some = joints[rows]
        some[:, :, limb[1:]] = _swing(rng, some[:, :, limb[1:]], some[:, :, limb[:1]])
        _flex(some, limb, np.radians(rng.uniform(-20, 60, len(rows))), some[:, :, limb[1]] - some[:, :, limb[0]])
        joints[rows] = some
    return joints


def _swing(rng: np.random.Generator, points: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Points (B, T, K, 3) turned about `centre` (B, T, 1, 3) by random angles, which change slowly with time."""
    batch, frames = points.shape[:2]
    if not batch:  # SciPy before 1.9 rejects an empty array
        return points
    cycles, phase = rng.uniform(0, 1.5, (batch, 1, 1)), rng.uniform(0, 2 * np.pi, (batch, 1, 3))
    wave = np.sin(2 * np.pi * cycles * np.arange(frames)[None, :, None] / frames + phase)
    mean, swing = rng.standard_normal((2, batch, 1, 3))
    turn = Rotation.from_rotvec((np.radians(SWING_DEG) * (mean + swing * wave)).reshape(-1, 3)).as_matrix()
    return centre + (points - centre) @ turn.reshape(batch, frames, 3, 3).swapaxes(-1, -2)


def _rotated(points: np.ndarray, centre: np.ndarray, axis: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Points (B, T, K, 3) turned about an axis (B, T, 3) through `centre` (B, T, 1, 3) by angles (B,)."""
    turn = Rotation.from_rotvec((unit(axis) * angle[:, None, None]).reshape(-1, 3)).as_matrix()
    return centre + (points - centre) @ turn.reshape(*axis.shape, 3).swapaxes(-1, -2)


def _flex(joints: np.ndarray, limb: tuple[int, int, int], angle: np.ndarray, towards: np.ndarray) -> None:
    """Bend the middle joint of a limb, in place; the direction from the limb's root to its end is unchanged.

    Args:
        joints: (B, T, 17, 3).
        limb: root, middle and end.
        angle: (B,) radians to bend more.
        towards: (B, T, 3) direction in which the middle joint of a straight limb moves.
    """
    root, middle, end = (joints[:, :, joint] for joint in limb)
    upper, lower, span = middle - root, end - middle, end - root
    a, b, distance = (np.linalg.norm(vector, axis=-1) for vector in (upper, lower, span))
    flexion = np.arccos(np.clip((distance**2 - a**2 - b**2) / (2 * a * b), -1, 1))
    flexion = np.clip(flexion + angle[:, None], STRAIGHTEST, np.maximum(flexion, DEEPEST))
    straight = span / np.maximum(distance, 1e-6)[..., None]
    side = upper - (upper * straight).sum(-1, keepdims=True) * straight
    side += STRAIGHT_BIAS_M * towards / np.maximum(np.linalg.norm(towards, axis=-1, keepdims=True), 1e-6)
    side -= (side * straight).sum(-1, keepdims=True) * straight
    side /= np.maximum(np.linalg.norm(side, axis=-1, keepdims=True), 1e-6)
    bent_distance = np.sqrt(a**2 + b**2 + 2 * a * b * np.cos(flexion))
    along = (a**2 + bent_distance**2 - b**2) / (2 * bent_distance)
    out = np.sqrt(np.maximum(a**2 - along**2, 0))
    joints[:, :, limb[1]] = root + along[..., None] * straight + out[..., None] * side
    joints[:, :, limb[2]] = root + bent_distance[..., None] * straight


def turned_over(rng: np.random.Generator, joints: np.ndarray) -> np.ndarray:
    """Turn windows (B, T, 17, 3) about a horizontal axis through the pelvis by 30 to 180 degrees, and put them on the
    ground."""
    azimuth = rng.uniform(0, 2 * np.pi, len(joints))
    axis = np.stack([np.cos(azimuth), np.sin(azimuth), np.zeros(len(joints))], -1)
    turn = Rotation.from_rotvec(axis * rng.uniform(np.pi / 6, np.pi, len(joints))[:, None]).as_matrix()
    pelvis = joints[:, :, :1]
    turned = pelvis + (joints - pelvis) @ turn[:, None].swapaxes(-1, -2)
    turned[..., 2] += ANKLE_HEIGHT - turned[..., 2].min((1, 2))[:, None, None]
    return turned
