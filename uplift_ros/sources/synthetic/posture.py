"""Kinematics of a human body: from a posture (joint angles, pelvis offset, ankle positions) to h36m17 joints.

Body axes: x forward, y to the person's left, z up. World: z up, ground at z = 0. Metres and radians.
Trunk and arms are forward kinematics; legs reach for the ankles by two-bone inverse kinematics, so that feet stay
planted.
"""

from typing import NamedTuple

import numpy as np

from uplift_ros.skeleton import H36M17, MEAN_LENGTHS

# Metres, of a body of canonical stature.
HIP_HALF_WIDTH, THIGH, SHANK = (MEAN_LENGTHS[joint] for joint in ("hip", "knee", "ankle"))
TRUNK = MEAN_LENGTHS["spine"] + MEAN_LENGTHS["thorax"]
SPINE_FRACTION = 0.48
SHOULDER_FROM_THORAX = np.array([-0.020, 0.169, -0.024])  # from thorax, left side
UPPER_ARM, FOREARM = MEAN_LENGTHS["elbow"], MEAN_LENGTHS["wrist"]
NOSE_FROM_THORAX = np.array([0.085, 0.0, 0.126])  # from thorax
HEAD_FROM_THORAX = np.array([0.005, 0.0, 0.250])
ANKLE_HEIGHT, ANKLE_BEHIND = 0.08, 0.05

# A leg is never fully straight: near full reach the knee would snap.
LEG_SOFT, LEG_MAX = 0.955, 0.995
PELVIS_HEIGHT = ANKLE_HEIGHT + 0.985 * (THIGH + SHANK)

SIDE_SIGNS = (1.0, -1.0)
"""Left, right: the sign of the body's y axis."""


class Posture(NamedTuple):
    """Posture of the body; a weighted sum of postures is a posture.

    Attributes:
        pelvis: (3,) forward, left, up from the upright position, metres.
        turn: (2,) yaw and roll of the pelvis.
        trunk: (3,) lean forward, bend to the left, twist to the left.
        head: (2,) nod, turn to the left, on top of the trunk.
        arms: (2, 4) left, right; flexion (forward), abduction (outward), inward rotation, elbow flexion.
        feet: (2, 3) left, right; ankle forward, outward, up from the position of the step, metres.
        step: (2,) height of a step in metres, fraction of the stride that a foot is in the air.
    """

    pelvis: np.ndarray
    turn: np.ndarray
    trunk: np.ndarray
    head: np.ndarray
    arms: np.ndarray
    feet: np.ndarray
    step: np.ndarray


def blend(postures: list[Posture], weights: list[float]) -> Posture:
    """Weighted sum; the weights add up to 1."""
    return Posture(
        *(sum(w * field for w, field in zip(weights, fields, strict=True)) for fields in zip(*postures, strict=True))
    )


def rotation_x(angle: float) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])


def rotation_y(angle: float) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def rotation_z(angle: float) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


def body_joints(posture: Posture, place: np.ndarray, ankles: np.ndarray) -> np.ndarray:
    """Forward kinematics of a body of canonical stature.

    Args:
        place: (3,) x, y, heading of the body on the ground.
        ankles: (2, 3) target positions of the left and right ankle, world; clamped to the reach of the leg.

    Returns:
        (17, 3) h36m17 joints, world.
    """
    joints = dict.fromkeys(H36M17.joints, np.zeros(3))
    heading = rotation_z(place[2])
    pelvis = np.array([place[0], place[1], PELVIS_HEIGHT]) + heading @ posture.pelvis
    hips = heading @ rotation_z(posture.turn[0]) @ rotation_x(posture.turn[1])
    lean, bend, twist = posture.trunk
    chest = heading @ rotation_z(twist) @ rotation_y(lean) @ rotation_x(-bend)
    nod, turn = posture.head
    head = chest @ rotation_z(turn) @ rotation_y(nod)

    thorax = pelvis + chest @ [0, 0, TRUNK]
    joints["pelvis"] = pelvis
    joints["spine"] = pelvis + SPINE_FRACTION * (thorax - pelvis)
    joints["thorax"] = thorax
    joints["nose"] = thorax + head @ NOSE_FROM_THORAX
    joints["head"] = thorax + head @ HEAD_FROM_THORAX
    for name, side, ankle, arm in zip(("left", "right"), SIDE_SIGNS, ankles, posture.arms, strict=True):
        hip = pelvis + hips @ [0, side * HIP_HALF_WIDTH, 0]
        joints[f"{name}_hip"] = hip
        joints[f"{name}_knee"], joints[f"{name}_ankle"] = _leg(hip, ankle, pole=hips @ [1, 0.15 * side, 0])
        flexion, abduction, rotation, elbow = arm
        upper = chest @ rotation_y(-flexion) @ rotation_x(side * abduction) @ rotation_z(-side * rotation)
        shoulder = thorax + chest @ (SHOULDER_FROM_THORAX * [1, side, 1])
        joints[f"{name}_shoulder"] = shoulder
        joints[f"{name}_elbow"] = shoulder + upper @ [0, 0, -UPPER_ARM]
        joints[f"{name}_wrist"] = joints[f"{name}_elbow"] + upper @ rotation_y(-elbow) @ [0, 0, -FOREARM]
    return np.array(list(joints.values()))


def _leg(hip: np.ndarray, ankle: np.ndarray, pole: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Knee and ankle (3,) of a leg that reaches from `hip` for `ankle` with the knee towards `pole`."""
    axis = ankle - hip
    distance = float(np.linalg.norm(axis))
    axis = axis / distance
    reach = _soft_limit(distance, LEG_SOFT * (THIGH + SHANK), LEG_MAX * (THIGH + SHANK))
    along = (reach**2 + THIGH**2 - SHANK**2) / (2 * reach)
    forward = pole - (pole @ axis) * axis
    forward /= np.linalg.norm(forward)
    return hip + along * axis + np.sqrt(THIGH**2 - along**2) * forward, hip + reach * axis


def _soft_limit(value: float, soft: float, limit: float) -> float:
    """Clamp smoothly (C1): `value` up to `soft`, above that approaching `limit` but never reaching it."""
    if value <= soft:
        return value
    return limit - (limit - soft) * np.exp(-(value - soft) / (limit - soft))
