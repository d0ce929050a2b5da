"""BVH files (Biovision hierarchy): a skeleton of named joints and their angles in every frame.

BVH names no unit, so bodies are scaled to canonical stature. The y axis points up unless another axis does both in the
motion and in the skeleton's rest pose.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import takewhile
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from uplift_ros.lab.data.mocap import MOCAP_CHAIN, Sequence, chain_length, grounded, unit
from uplift_ros.lab.data.plausibility import TO_Z_UP, check_order, up_axis, without_gaps
from uplift_ros.parameters import brief
from uplift_ros.skeleton import H36M17
from uplift_ros.sources.synthetic.posture import SPINE_FRACTION
from uplift_ros.streaming.track import interpolate

MAX_FILE_BYTES = 1 << 30

BYTE_ORDER_MARK = "\xef\xbb\xbf"
"""As Windows programs write it in UTF-8, read as Latin-1."""

TRUNK_LENGTH_M = 0.482
NOSE_IN_TRUNK_M, HEAD_IN_TRUNK_M = np.array([0.085, 0.0, 0.126]), np.array([0.005, 0.0, 0.225])
"""Nose and head seen from the thorax (forward, left, up), of a body with that trunk."""

ALIASES = {
    "hip": ("upleg", "thigh", "upperleg", "femur", "hip"),
    "knee": ("leg", "shin", "lowerleg", "lowleg", "calf", "tibia", "knee"),
    "ankle": ("ankle", "foot"),
    "shoulder": ("arm", "shldr", "upperarm", "uparm", "uarm", "humerus", "shoulder"),
    "elbow": ("forearm", "lowerarm", "lowarm", "farm", "radius", "elbow"),
    "wrist": ("wrist", "hand"),
    "neck": ("neck", "lowerneck", "necktwist", "spine004"),
    "head": ("head", "spine006"),
}
"""Names of joints without their side, least ambiguous first: if a skeleton has 'LeftArm', its 'LeftShoulder' is the
collar bone, and if it has 'left_ankle', its 'left_foot' is the toes. They are the names of cgspeed's three conversions
of the CMU database (MotionBuilder: LeftUpLeg, LeftLeg, LeftFoot, LeftArm; 3ds Max: LeftHip, LeftKnee, LeftUpArm; Daz:
lThigh, lShin, lShldr) and of its own files, of Mixamo, LAFAN1, SMPL, Unreal, Rigify, Biped, VRM, Character Creator and
OptiTrack."""

LIMB_JOINT_NAMES = ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")

RIG_WORDS = {"mixamorig", "bip", "j", "c", "cc", "base", "def", "org"}
"""Words before the names of joints, by which rigs are known."""

SIDE_WORDS = {"l": "left", "left": "left", "r": "right", "right": "right"}


@dataclass
class BvhJoint:
    """One joint of the hierarchy.

    Attributes:
        name: as in the file.
        parent: index, -1 for the root.
        offset: (3,) from its parent, in the file's unit.
        channels: names like 'Xposition' and 'Zrotation', in the order of their columns.
    """

    name: str
    parent: int
    offset: np.ndarray = field(default_factory=lambda: np.zeros(3))
    channels: tuple[str, ...] = ()


def load_bvh(path: Path, name: str) -> tuple[list[Sequence], float]:
    """Read one take, at canonical stature on the ground, and its frames per second.

    Frames in which the person was lost (numbers that are not finite, or all zero) are cut out, see `without_gaps`.

    Args:
        path: the file.
        name: of the sequence.

    Raises:
        FileNotFoundError: no such file.
        ValueError: no BVH file, or a skeleton in which a joint is missing; names file and joint.
    """
    if not path.is_file():
        raise FileNotFoundError(f"data: no file {path}")
    if path.stat().st_size > MAX_FILE_BYTES:
        raise ValueError(f"data: {path} must have at most {MAX_FILE_BYTES} bytes, got {path.stat().st_size}")
    try:
        skeleton, motion, fps = parse(path.read_text(encoding="latin-1").removeprefix(BYTE_ORDER_MARK))
        found = np.isfinite(motion).all(1) & motion.any(1)
        if not found.any():
            raise ValueError(f"MOTION must have a frame of finite numbers, not all zero, got none in {len(motion)}")
        rotations, positions = forward_kinematics(skeleton, motion[found])
        joints = bvh_to_h36m17(skeleton, rotations, positions)
        joints = joints @ np.array(TO_Z_UP[_up_axis(skeleton, joints)]).T
        with np.errstate(over="ignore", invalid="ignore"):  # values near the largest number
            size = chain_length(joints).mean()
            joints = grounded(joints * (MOCAP_CHAIN / size))
        if not np.isfinite(joints).all():
            raise ValueError(f"OFFSET: the body must have a positive, finite size, got {size:g}")
        check_order(joints)
        take = np.full((len(motion), *joints.shape[1:]), np.nan, np.float32)
        take[found] = joints
        return without_gaps(name, take, found, fps, f"data: {path}"), fps
    except (ValueError, IndexError) as error:
        raise ValueError(f"data: {path}: {error}") from error


# ---------------------------------------------------------------- the file


def parse(text: str) -> tuple[list[BvhJoint], np.ndarray, float]:
    """Joints, parents before children; channels (T, C) of all of them, also non-finite ones; frames per second.

    Args:
        text: content of the file.

    Raises:
        ValueError: no BVH; names the keyword.
    """
    hierarchy, *motion = re.split(r"^\s*MOTION\b", text, maxsplit=1, flags=re.IGNORECASE | re.MULTILINE)
    if not motion:
        raise ValueError("MOTION must follow the hierarchy, got none: not a BVH file, or cut off")
    skeleton = _parse_hierarchy(iter(re.sub(r"([{}])", r" \1 ", hierarchy).split()))
    header = re.match(r"\s*Frames\s*:(.*?)Frame\s*Time\s*:([^\n]*)", motion[0], re.IGNORECASE | re.DOTALL)
    count, period = (group.strip() for group in header.groups()) if header else ("", "")
    if not count.isdecimal() or int(count) == 0:
        raise ValueError(f"'Frames:' must be a positive number, got {brief(count)}")
    seconds = _numbers([period], "'Frame Time:'")[0]
    if not 1e-4 <= seconds <= 1:
        raise ValueError(f"'Frame Time:' must be 0.0001 to 1 s, got {seconds}")
    channels = sum(len(joint.channels) for joint in skeleton)
    motion_values = _numbers(motion[0][header.end() :].split() if header else [], "MOTION", finite=False)
    if len(motion_values) != int(count) * channels:
        raise ValueError(f"MOTION must have {count} frames of {channels} numbers, got {len(motion_values)} numbers")
    return skeleton, motion_values.reshape(-1, channels), 1 / float(seconds)


def _parse_hierarchy(words: Iterator[str]) -> list[BvhJoint]:
    """Parse the words before MOTION; keywords may be in upper or lower case."""
    skeleton: list[BvhJoint] = []
    open_joints: list[int] = []  # from the root to the joint whose braces are open; -1 for an end site
    for word in words:
        keyword = word.upper()
        if keyword in ("ROOT", "JOINT", "END"):
            name = " ".join(takewhile(lambda word: word != "{", words))
            if keyword != "ROOT" and not open_joints:
                raise ValueError(f"HIERARCHY: {keyword} {name[:40]!r} outside of the ROOT's braces")
            if keyword != "END":
                skeleton.append(BvhJoint(name, open_joints[-1] if open_joints else -1))
            elif name.upper() != "SITE":
                raise ValueError(f"HIERARCHY: expected End Site, got {word} {name[:40]!r}")
            open_joints.append(-1 if keyword == "END" else len(skeleton) - 1)
        elif keyword == "}" and open_joints:
            open_joints.pop()
        elif keyword == "OFFSET" and open_joints:
            offset = _numbers([next(words, "") for _ in range(3)], "OFFSET")
            if open_joints[-1] >= 0:
                skeleton[open_joints[-1]].offset = offset
        elif keyword == "CHANNELS" and open_joints and open_joints[-1] >= 0:
            skeleton[open_joints[-1]].channels = tuple(
                _channel(next(words, "")) for _ in range(_channel_count(next(words, "")))
            )
        elif keyword != "HIERARCHY":
            raise ValueError(
                f"HIERARCHY: expected ROOT, JOINT, End Site, OFFSET, CHANNELS or a brace, got {brief(word)}"
            )
    if not skeleton or open_joints:
        raise ValueError(
            f"HIERARCHY must be a ROOT with all braces closed, got {len(skeleton)} joints, {len(open_joints)} open"
        )
    return skeleton


def _channel_count(word: str) -> int:
    if not word.isdecimal() or int(word) > 6:
        raise ValueError(f"CHANNELS must be 0 to 6, got {brief(word)}")
    return int(word)


def _channel(word: str) -> str:
    channel = word.capitalize()
    if channel[:1] not in ("X", "Y", "Z") or channel[1:] not in ("position", "rotation"):
        raise ValueError(f"CHANNELS must be like Xposition or Zrotation, got {brief(word)}")
    return channel


def _numbers(words: list[str], what: str, finite: bool = True) -> np.ndarray:
    try:
        numbers = np.array(words, float)
    except ValueError as error:
        raise ValueError(f"{what} must be numbers ({str(error)[:200]})") from error
    if finite and not np.isfinite(numbers).all():
        raise ValueError(f"{what} must be finite, got {brief(' '.join(words))}")
    return numbers


# ---------------------------------------------------------------- the body


def forward_kinematics(skeleton: list[BvhJoint], motion: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Orientations (T, K, 3, 3) and positions (T, K, 3) of all K joints in the file's axes and unit.

    Args:
        motion: (T, C) channels of all joints.
    """
    rotations = np.empty((len(motion), len(skeleton), 3, 3))
    positions = np.empty((len(motion), len(skeleton), 3))
    column = 0
    for index, joint in enumerate(skeleton):
        values = motion[:, column : column + len(joint.channels)]
        column += len(joint.channels)
        offset = np.broadcast_to(joint.offset, (len(motion), 3)).copy()
        local = np.broadcast_to(np.eye(3), (len(motion), 3, 3))
        for place, channel in enumerate(joint.channels):
            if channel.endswith("position"):
                offset[:, "XYZ".index(channel[0])] = values[:, place]
            else:  # about an axis that the rotations before it have turned
                local = local @ Rotation.from_euler(channel[0], values[:, [place]], degrees=True).as_matrix()
        if joint.parent < 0:
            rotations[:, index], positions[:, index] = local, offset
        else:
            before = rotations[:, joint.parent]
            rotations[:, index] = before @ local
            positions[:, index] = positions[:, joint.parent] + (before @ offset[:, :, None])[..., 0]
    return rotations, positions


def _up_axis(skeleton: list[BvhJoint], joints: np.ndarray) -> str:
    """The axis that points up: y, unless another does both in motion and at rest; a person lies in motion only."""
    _, at_rest = forward_kinematics([replace(joint, channels=()) for joint in skeleton], np.empty((1, 0)))
    rotations = np.broadcast_to(np.eye(3), (1, len(skeleton), 3, 3))
    axis = up_axis(joints)
    return axis if axis == up_axis(bvh_to_h36m17(skeleton, rotations, at_rest)) else "y"


def bvh_to_h36m17(skeleton: list[BvhJoint], rotations: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Joints (T, 17, 3) of a body whose joints have customary names.

    The pelvis is between the hips, the thorax at the neck's joint, the spine at 48 % of the length of the vertebrae.
    Nose and head are placed in the frame of the head: its up axis points from the neck to the head, its forward axis on
    average over the take in the direction of the chest, since BVH has no joint of the face.

    Args:
        rotations, positions: (T, K, 3, 3) and (T, K, 3), from `forward_kinematics`.

    Raises:
        ValueError: a joint cannot be found; names it and those that exist.
    """
    names = [_plain(joint.name) for joint in skeleton]
    joints = np.empty((len(positions), len(H36M17), 3))
    for side in ("left", "right"):
        for joint in LIMB_JOINT_NAMES:
            joints[:, H36M17.index(f"{side}_{joint}")] = positions[:, _find(names, joint, side)]
    left = {joint: joints[:, H36M17.index(f"left_{joint}")] for joint in ("hip", "shoulder")}
    right = {joint: joints[:, H36M17.index(f"right_{joint}")] for joint in ("hip", "shoulder")}
    pelvis = (left["hip"] + right["hip"]) / 2
    neck, head = (_find(names, joint) for joint in ("neck", "head"))
    thorax = positions[:, neck]
    joints[:, H36M17.index("pelvis")], joints[:, H36M17.index("thorax")] = pelvis, thorax
    vertebrae = [joint for joint in _ancestors(skeleton, neck) if skeleton[joint].parent >= 0]
    line = np.stack([pelvis, *(positions[:, joint] for joint in vertebrae), thorax], 1)  # (T, K, 3)
    lengths = np.linalg.norm(np.diff(line, axis=1), axis=-1).mean(0)
    along = np.concatenate([[0.0], np.cumsum(lengths)])
    joints[:, H36M17.index("spine")] = interpolate(SPINE_FRACTION * along[-1:], along, line.swapaxes(0, 1))[0]
    up = unit(positions[:, head] - thorax)
    chest_forward = np.cross(left["shoulder"] - right["shoulder"], thorax - pelvis)
    face = (np.swapaxes(rotations[:, head], -1, -2) @ unit(chest_forward)[..., None]).mean(0)
    forward = (rotations[:, head] @ face)[..., 0]
    forward = unit(forward - (forward * up).sum(-1, keepdims=True) * up)
    trunk = np.linalg.norm(thorax - pelvis, axis=-1).mean() / TRUNK_LENGTH_M
    for joint, place in (("nose", NOSE_IN_TRUNK_M), ("head", HEAD_IN_TRUNK_M)):
        joints[:, H36M17.index(joint)] = thorax + trunk * (place[0] * forward + place[2] * up)
    return joints


def _plain(name: str) -> str:
    """Side and joint: 'leftupleg' for 'mixamorig:LeftUpLeg' and 'DEF-up_leg.L'; Blender's numbers remain: spine.004."""
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name.split(":")[-1])
    words = [word.lower() for word in words if word.lower() not in RIG_WORDS]
    side = next((SIDE_WORDS[word] for word in words if word in SIDE_WORDS), "")
    number = re.search(r"\.(\d{3})$", name)
    return "".join([side, *(word for word in words if word not in SIDE_WORDS), number[1] if number else ""])


def _find(names: list[str], joint: str, side: str = "") -> int:
    """Index of a joint of ALIASES among plain names; raises if it is missing."""
    candidates = [prefix + alias for alias in ALIASES[joint] for prefix in dict.fromkeys((side, side[:1]))]
    for candidate in candidates:
        if candidate in names:
            return names.index(candidate)
    there = [name[:20] for name in names[:60]]
    raise ValueError(f"no joint for the {f'{side} {joint}'.strip()}: wanted one of {candidates}, got {there}")


def _ancestors(skeleton: list[BvhJoint], joint: int) -> list[int]:
    """Joints from the root to a joint, without that joint."""
    chain: list[int] = []
    while (joint := skeleton[joint].parent) >= 0:
        chain.insert(0, joint)
    return chain
