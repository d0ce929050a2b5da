"""Other people than those who were captured: their proportions, their motion's parts, lying, mirrored."""

import numpy as np
from scipy.spatial.transform import Rotation

from uplift_ros.lab.data.mocap import ANKLE_HEIGHT, CANONICAL_CHAIN, chain_length
from uplift_ros.skeleton import H36M17

COMBINED = 0.2
"""Share of people with the legs of one motion and the upper body of another: captures show few of all combinations."""

FALLEN = 0.08
"""Share of people who are turned over: captured motion hardly has anybody who lies or stands on the hands."""

STEEPEST = 0.5
"""Sine of the slope of the line through both hips up to which a pelvis faces somewhere."""

UPPER_BODY = slice(H36M17.index("spine"), len(H36M17))


def varied(rng: np.random.Generator, joints: np.ndarray) -> np.ndarray:
    """Windows (B, T, 17, 3), metres, z up, of people as they were captured, as windows of other people."""
    joints = joints.copy()
    changed = rng.random(len(joints)) < COMBINED
    joints[changed] = combined(joints[changed], joints[rng.permutation(len(joints))[: changed.sum()]])
    joints = random_body(rng, joints)
    changed = rng.random(len(joints)) < FALLEN
    joints[changed] = turned_over(rng, joints[changed])
    changed = rng.random(len(joints)) < 0.5
    joints[changed] = joints[changed][:, :, H36M17.flip] * (-1, 1, 1)
    return joints


def combined(legs: np.ndarray, upper: np.ndarray) -> np.ndarray:
    """Pelvis and legs of windows (B, T, 17, 3) with the upper bodies of others, turned so that their pelvises agree.

    They are turned about the vertical, frame by frame. Where one of them lies or hangs, `legs` stays as it is.
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
    """Angle (B, T) of the line through the hips about the vertical; (B,) true where it is never steep, the trunk up."""
    across = joints[:, :, H36M17.index("left_hip")] - joints[:, :, H36M17.index("right_hip")]
    steepness = np.abs(across[..., 2]) / np.linalg.norm(across, axis=-1)
    above = joints[:, :, H36M17.index("thorax"), 2] > joints[:, :, 0, 2]
    return np.arctan2(across[..., 1], across[..., 0]), ((steepness < STEEPEST) & above).all(1)


def random_body(rng: np.random.Generator, joints: np.ndarray) -> np.ndarray:
    """Other proportions for the one body that most captures were retargeted to, at canonical size.

    The overall size is no variable: a single camera cannot see it, a stature prior scales the output.
    """
    batch = len(joints)
    factors = np.exp(rng.normal(0, 0.05, (batch, len(H36M17))))
    factors = (factors + factors[:, H36M17.flip]) / 2
    factors[rng.random(batch) < 0.3] = 1.0
    changed = joints.copy()
    for parent, child in H36M17.bones:
        bone = joints[:, :, child] - joints[:, :, parent]
        changed[:, :, child] = changed[:, :, parent] + bone * factors[:, None, child, None]
    size = CANONICAL_CHAIN / chain_length(changed).mean(1)
    return changed * size[:, None, None, None]


def turned_over(rng: np.random.Generator, joints: np.ndarray) -> np.ndarray:
    """Windows (B, T, 17, 3), turned about a horizontal axis through the pelvis by 30 to 180 degrees, on the ground."""
    azimuth = rng.uniform(0, 2 * np.pi, len(joints))
    axis = np.stack([np.cos(azimuth), np.sin(azimuth), np.zeros(len(joints))], -1)
    turn = Rotation.from_rotvec(axis * rng.uniform(np.pi / 6, np.pi, len(joints))[:, None]).as_matrix()
    pelvis = joints[:, :, :1]
    turned = pelvis + (joints - pelvis) @ turn[:, None].swapaxes(-1, -2)
    turned[..., 2] += ANKLE_HEIGHT - turned[..., 2].min((1, 2))[:, None, None]
    return turned
