"""Human body model of REP-155 (ROS4HRI): a skeleton's joint angles, the frames of its links, and its URDF.

Names of links and joints and their tree are those of the REP's kinematic model; axes, and the pose in which every angle
is zero, upright with hanging arms, are those of its reference model (package human_description). Lengths are those
of the person. All vectors are in the frame `body_<id>` (transforms.py): x forward, y to the left, z to the head.

Seventeen points do not determine all angles. The trunk is one rigid part here, so `waist` is always 0; the twist of a
limb follows from the plane in which elbow or knee is bent. The shoulder's first and third axis coincide if an arm hangs
down: then only their sum is defined, as in the reference model.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from xml.etree import ElementTree as Xml

import numpy as np
from scipy.spatial.transform import Rotation

from uplift_ros.skeleton import H36M17
from uplift_ros.transforms import MIN_BONE, RigidTransform, body_frame

STRAIGHT, FOLDED = 0.1, np.pi - 1e-6
"""Radians of flexion of elbow or knee between which the twist of the limb is defined."""

MIN_FACE = 0.01
"""Metres, the minimum distance of the nose from the line thorax to head that defines the direction of the face."""

HEAD, THORAX = H36M17.index("head"), H36M17.index("thorax")

SIDES = {"l": "left", "r": "right"}

MIRROR = np.array([1.0, -1.0, 1.0])
"""Right limbs are computed as mirrored left ones."""


@dataclass(frozen=True)
class Joint:
    """A joint of the tree.

    Attributes:
        axis: its axis in the frames of both links, which are parallel at angle zero; None if it is fixed.
    """

    name: str
    parent: str
    child: str
    axis: tuple[int, int, int] | None = None


def _joints() -> Iterator[Joint]:
    yield Joint("waist", "body", "waist", (0, 1, 0))
    yield Joint("torso", "waist", "torso")
    yield Joint("r_head", "torso", "r_head", (1, 0, 0))
    yield Joint("y_head", "r_head", "y_head", (0, 0, 1))
    yield Joint("p_head", "y_head", "p_head", (0, -1, 0))
    yield Joint("head", "p_head", "head")
    for side, out in (("l", 1), ("r", -1)):
        yield Joint(f"{side}_y_shoulder", "torso", f"{side}_y_shoulder", (0, 0, -out))
        yield Joint(f"{side}_p_shoulder", f"{side}_y_shoulder", f"{side}_p_shoulder", (out, 0, 0))
        yield Joint(f"{side}_r_shoulder", f"{side}_p_shoulder", f"{side}_shoulder", (0, 0, out))
        yield Joint(f"{side}_elbow", f"{side}_shoulder", f"{side}_elbow", (0, -1, 0))
        yield Joint(f"{side}_wrist", f"{side}_elbow", f"{side}_wrist")
    for side, out in (("l", 1), ("r", -1)):
        yield Joint(f"{side}_y_hip", "body", f"{side}_y_hip", (0, 0, -1))
        yield Joint(f"{side}_p_hip", f"{side}_y_hip", f"{side}_p_hip", (out, 0, 0))
        yield Joint(f"{side}_r_hip", f"{side}_p_hip", f"{side}_hip", (0, -1, 0))
        yield Joint(f"{side}_knee", f"{side}_hip", f"{side}_knee", (0, -1, 0))
        yield Joint(f"{side}_ankle", f"{side}_knee", f"{side}_ankle")


JOINTS = tuple(_joints())


@dataclass(frozen=True)
class HumanPose:
    """One person at one moment.

    Attributes:
        body: the frame `body` in the frame of the skeleton.
        angles: radians, by the names of all joints that are not fixed.
        links: the frames of the fourteen links that are not at their parent's origin, in `body`.
        offsets: metres from a joint's parent link to the joint, in the parent's frame, if not zero.
    """

    body: RigidTransform
    angles: dict[str, float]
    links: dict[str, RigidTransform]
    offsets: dict[str, np.ndarray]

    @classmethod
    def of(cls, joints: np.ndarray) -> "HumanPose | None":
        """Compute the pose of joints (17, 3) h36m17, metres, in any right-handed frame.

        None if joints are not finite, or bones have no length.
        """
        body = body_frame(joints)
        parents, children = np.transpose(H36M17.bones)
        bones = np.append(joints[children] - joints[parents], [joints[HEAD] - joints[THORAX]], axis=0)
        if body is None or not (np.linalg.norm(bones, axis=-1) > MIN_BONE).all():
            return None
        points = dict(zip(H36M17.joints, (joints - body.translation) @ body.rotation, strict=True))
        pose = cls(body, {"waist": 0.0}, {}, {})
        pose._add_trunk(points)
        for side in SIDES:
            pose._add_arm(side, points)
            pose._add_leg(side, points)
        return pose

    def _add_trunk(self, points: dict[str, np.ndarray]) -> None:
        thorax = points["thorax"]
        turn = _head_rotation(points["head"] - thorax, points["nose"] - thorax)
        roll, yaw, pitch = _head_angles(turn)
        self.angles.update(r_head=roll, y_head=yaw, p_head=pitch)
        self.links.update(torso=RigidTransform(np.eye(3), thorax), head=RigidTransform(turn, points["nose"]))
        self.offsets.update(torso=thorax, head=(points["nose"] - thorax) @ turn)

    def _add_arm(self, side: str, points: dict[str, np.ndarray]) -> None:
        shoulder, elbow, wrist = (points[f"{SIDES[side]}_{joint}"] for joint in ("shoulder", "elbow", "wrist"))
        mirror = MIRROR if side == "r" else np.ones(3)
        flexion = _angle(elbow - shoulder, wrist - elbow)
        yaw, lift, twist = _arm_angles(mirror * (elbow - shoulder), mirror * (wrist - elbow), flexion)
        self.angles.update(
            {
                f"{side}_y_shoulder": yaw,
                f"{side}_p_shoulder": lift,
                f"{side}_r_shoulder": twist,
                f"{side}_elbow": flexion,
            }
        )
        self._add_limb(side, ("shoulder", "elbow", "wrist"), (shoulder, elbow, wrist), points["thorax"])

    def _add_leg(self, side: str, points: dict[str, np.ndarray]) -> None:
        hip, knee, ankle = (points[f"{SIDES[side]}_{joint}"] for joint in ("hip", "knee", "ankle"))
        mirror = MIRROR if side == "r" else np.ones(3)
        flexion = _angle(knee - hip, ankle - knee)
        yaw, spread, swing = _leg_angles(mirror * (knee - hip), mirror * (ankle - knee), flexion)
        out = 1 if side == "l" else -1  # the hip's first axis is the one that the reference model does not mirror
        self.angles.update(
            {f"{side}_y_hip": out * yaw, f"{side}_p_hip": spread, f"{side}_r_hip": swing, f"{side}_knee": -flexion}
        )
        self._add_limb(side, ("hip", "knee", "ankle"), (hip, knee, ankle), np.zeros(3))

    def _add_limb(
        self, side: str, names: tuple[str, str, str], places: tuple[np.ndarray, ...], root: np.ndarray
    ) -> None:
        """Add frames and offsets of a limb of two bones, whose angles are known already."""
        upper, middle, end = (f"{side}_{name}" for name in names)
        first = _turn(*(f"{side}_{axis}_{names[0]}" for axis in "ypr"), angles=self.angles)
        second = first @ _turn(middle, angles=self.angles)
        for link, turn, place in zip((upper, middle, end), (first, second, second), places, strict=True):
            self.links[link] = RigidTransform(turn, place)
        self.offsets[f"{side}_y_{names[0]}"] = places[0] - root
        self.offsets[middle] = np.array([0.0, 0.0, -np.linalg.norm(places[1] - places[0])])
        self.offsets[end] = np.array([0.0, 0.0, -np.linalg.norm(places[2] - places[1])])

    def urdf(self, body_id: str) -> str:
        """URDF of the tree with this person's lengths, every name with the suffix `_<body_id>`."""
        robot = Xml.Element("robot", name=f"human_{body_id}")
        for link in ("body", *(joint.child for joint in JOINTS)):
            Xml.SubElement(robot, "link", name=f"{link}_{body_id}")
        for joint in JOINTS:
            element = Xml.SubElement(robot, "joint", name=f"{joint.name}_{body_id}")
            element.set("type", "revolute" if joint.axis else "fixed")
            Xml.SubElement(element, "parent", link=f"{joint.parent}_{body_id}")
            Xml.SubElement(element, "child", link=f"{joint.child}_{body_id}")
            offset = self.offsets.get(joint.name, np.zeros(3))
            Xml.SubElement(element, "origin", xyz=" ".join(f"{metres:.4f}" for metres in offset), rpy="0 0 0")
            if joint.axis:
                Xml.SubElement(element, "axis", xyz=" ".join(map(str, joint.axis)))
                Xml.SubElement(element, "limit", lower="-3.1416", upper="3.1416", effort="0", velocity="100")
        return Xml.tostring(robot, encoding="unicode")


AXES = {joint.name: np.array(joint.axis, float) for joint in JOINTS if joint.axis}


def _turn(*joints: str, angles: dict[str, float]) -> np.ndarray:
    """(3, 3) rotation of the last joint's child relative to the first joint's parent."""
    each = Rotation.from_rotvec([angles[joint] * AXES[joint] for joint in joints]).as_matrix()
    return reduce(np.matmul, each)


def _angle(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.arctan2(np.linalg.norm(np.cross(one, other)), one @ other))


def _head_rotation(up: np.ndarray, nose: np.ndarray) -> np.ndarray:
    """(3, 3): z from the thorax to the top of the head, x to the nose, or straight ahead if undefined."""
    z = up / np.linalg.norm(up)
    forward = nose - (nose @ z) * z
    if np.linalg.norm(forward) < MIN_FACE:
        forward = np.array([1.0, 0.0, 0.0]) - z[0] * z
    x = forward / np.linalg.norm(forward)
    return np.stack([x, np.cross(z, x), z], -1)


def _head_angles(turn: np.ndarray) -> tuple[float, float, float]:
    """Angles r, y and p of the head: Rx(r) Rz(y) Ry(-p)."""
    roll = float(np.arctan2(turn[2, 1], turn[1, 1]))
    return roll, float(np.arcsin(np.clip(-turn[0, 1], -1.0, 1.0))), float(np.arctan2(-turn[0, 2], turn[0, 0]))


def _limb_rotation(upper: np.ndarray, bent_to: np.ndarray) -> np.ndarray:
    """(3, 3): -z along the upper bone, x to the side to which the limb is bent."""
    z = -upper / np.linalg.norm(upper)
    x = bent_to - (bent_to @ z) * z
    x = x / np.linalg.norm(x)
    return np.stack([x, np.cross(z, x), z], -1)


def _arm_angles(upper: np.ndarray, fore: np.ndarray, flexion: float) -> tuple[float, float, float]:
    """Angles y, p and r of a left shoulder: Rz(-y) Rx(p) Rz(r) with p from 0 to pi."""
    yaw = float(np.arctan2(upper[0], upper[1])) if np.hypot(*upper[:2]) > 0 else 0.0
    lift = float(np.arctan2(np.hypot(*upper[:2]), -upper[2]))
    if not STRAIGHT <= flexion <= FOLDED:
        return yaw, lift, 0.0
    untwisted = Rotation.from_euler("ZX", [-yaw, lift]).as_matrix()
    x = untwisted.T @ _limb_rotation(upper, fore)[:, 0]
    return yaw, lift, float(np.arctan2(x[1], x[0]))


def _leg_angles(upper: np.ndarray, lower: np.ndarray, flexion: float) -> tuple[float, float, float]:
    """Angles y, p and r of a left hip: Rz(-y) Rx(p) Ry(-r); without a bent knee y is 0."""
    if not STRAIGHT <= flexion <= FOLDED:
        x, y, z = upper / np.linalg.norm(upper)
        return 0.0, float(np.arctan2(y, -z)), float(np.arcsin(np.clip(x, -1.0, 1.0)))
    turn = _limb_rotation(upper, -lower)
    yaw = float(np.arctan2(turn[0, 1], turn[1, 1]))
    return yaw, float(np.arcsin(np.clip(turn[2, 1], -1.0, 1.0))), float(np.arctan2(turn[2, 0], turn[2, 2]))
