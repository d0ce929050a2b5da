"""Motion capture: bodies in other units, axes and orders of joints, with gaps; BVH files; pickles in npz files."""

import io
import pickle
import re
import zipfile
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from fuzz.mutation import WORDS, damaged, real, retold
from fuzz.target import Target, file_target, promise
from support.bvh_takes import CONVENTIONS, MOTIONBUILDER, bvh
from support.paper_data import motion

from uplift_ros.lab.data.formats import load
from uplift_ros.lab.data.mocap import chain_length
from uplift_ros.lab.data.plausibility import TO_Z_UP

WALK = motion(0, 4).astype(np.float32)
BVH = [bvh(names, 3).encode() for names in (MOTIONBUILDER, *CONVENTIONS.values())]
BVH_WORDS = (
    "ROOT", "JOINT", "End", "Site", "END SITE", "{", "}", "OFFSET", "CHANNELS", "6", "Xposition", "Yrotation", "MOTION",
    "Frames:", "Frame Time:", "Wposition", "LeftFoot", "Head", "nan", "1e308", "-1e308", "1e-320",
)  # fmt: skip
UNITS = (1, 1, 1, 10, 100, 1000, 39.37, 1e-3, 1e30)
DTYPES = (np.float32, np.float64, np.float16, np.int32, np.complex64, bool)
SHAPES = ((4, 17, 3), (4, 32, 3), (0, 17, 3), (4, 17, 2), (4, 51), (1, 17, 3))
NPY = (b"\x93NUMPY", b"'descr': '|O'", b"'shape': (", b"9" * 30, b"PK\x03\x04", b"PK\x01\x02")
PICKLE = (b"cos\nsystem\n", b"numpy._core.multiarray\n", b"_reconstruct\n", b"(lp0\n", b"R.", b"\x93", b"\x80\x05")


def targets(folder: Path) -> list[Target]:
    return [
        file_target("npz", bodies, plausible, "motion.npz", folder, 30),
        file_target("bvh", take, plausible, "take.bvh", folder, 15),
        file_target("objects", objects, plausible, "data_3d_h36m.npz", folder, 15),
    ]


def bodies(random: Random) -> bytes:
    """An npz file of moving people as capture systems export them."""
    joints = WALK * random.choice(UNITS)
    if random.random() < 0.3:
        joints = joints[..., random.sample(range(3), 3)] * [random.choice((1, -1)) for _ in range(3)]
    if random.random() < 0.2:
        joints = joints[:, random.sample(range(17), 17)]
    for _ in range(random.choice((0, 0, 1, 2))):  # frames or joints in which the person was lost
        lost = (random.randrange(4), slice(None) if random.random() < 0.5 else random.randrange(17))
        joints[lost] = random.choice((0.0, np.nan, real(random)))
    with np.errstate(all="ignore"):
        joints = joints.astype(random.choice(DTYPES[:2] if random.random() < 0.8 else DTYPES))
    if random.random() < 0.1:
        joints = np.resize(joints, random.choice(SHAPES))
    fps = random.choice((50.0, 25)) if random.random() < 0.8 else random.choice((120.0, real(random), "50", [50.0]))
    name = random.choice(("walk", "walk", *WORDS[:10])).replace("\0", "") or "walk"
    members = {name: npy(joints), "fps": npy(np.array(fps))}
    if random.random() < 0.3:  # another sequence, with axes of its own
        members["other"] = npy((WALK @ np.array(random.choice(list(TO_Z_UP.values())))).astype(np.float32))
    data = archive(members)
    return damaged(random, data, NPY) if random.random() < 0.3 else data


def take(random: Random) -> bytes:
    whole = random.choice(BVH)
    if random.random() < 0.4:
        return damaged(random, whole, [word.encode() for word in BVH_WORDS])
    if random.random() < 0.4:  # rows of the motion in which the person was lost
        head, rows = whole.decode().rstrip().rsplit("\n", 1)
        return f"{head}\n{re.sub('[^ ]+', random.choice(('0', 'nan', '-nan', '1e30')), rows)}\n".encode()
    return retold(random, whole, BVH_WORDS)


def objects(random: Random) -> bytes:
    """Human3.6M as VideoPose3D saves it: a dictionary in a pickle, which must never be executed."""
    content: Any = {"S1": {"Walking 1": np.repeat(WALK, 2, axis=1)[:, :32], "Eating": WALK}}
    content = random.choice(
        (content, content, content["S1"], [content], WALK, {"S1": [WALK]}, {"S1": {"a": np.eye(3)}})
    )
    packed = np.empty((), object)
    packed[()] = content
    data = npy(packed)
    if random.random() < 0.5:
        header = len(data) - len(pickle.dumps(packed, protocol=4)) if random.random() < 0.5 else 128
        data = data[:header] + damaged(random, data[header:], PICKLE)
    data = archive({"positions_3d": data})
    return damaged(random, data, NPY) if random.random() < 0.2 else data


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def archive(members: dict[str, bytes]) -> bytes:
    """An npz file whose bytes depend on the members alone: a name without ZipInfo would get the time of day."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as packed:
        for name, data in members.items():
            packed.writestr(zipfile.ZipInfo(f"{name}.npy"), data)
    return file.getvalue()


def plausible(path: Path) -> None:
    """Check that all people are finite, of human size, and upright."""
    for sequence in load(path, 50.0):
        promise(sequence.joints.ndim == 3 and sequence.joints.shape[1:] == (17, 3), f"joints {sequence.joints.shape}")
        promise(np.isfinite(sequence.joints).all(), "joints that are not finite")
        if path.name != "data_3d_h36m.npz":  # a fixed data set, in metres and z up
            size = float(np.median(chain_length(sequence.joints)))
            promise(0.4 < size < 2.5, f"a body of {size:.3g} m")
