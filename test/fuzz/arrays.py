"""npz files of motion, of AMASS and of a body model: damaged, and whole ones with hostile arrays in them."""

import io
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np
from fuzz.mutation import WORDS, damaged, number
from fuzz.target import Target, file_target, promise

from uplift_ros.lab.data.formats import load
from uplift_ros.lab.data.formats.amass import BodyModel, load_amass
from uplift_ros.lab.data.mocap import load_npz

HEADERS = (
    "", "(", "(" * 9000, "[" * 9000, "{'descr': '<f4'}", "{'descr': '|O', 'fortran_order': False, 'shape': (2,)}",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000, 17, 3)}",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (18446744073709551616, 17, 3)}",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 17, 3)}",
    "{'descr': '<f4', 'fortran_order': 7, 'shape': (2L, 17L, 3L)}",
    "{'descr': [('a', '<f4'), ('b', '|O')], 'fortran_order': False, 'shape': (2, 17, 3)}",
    "{'descr': '<f1', 'fortran_order': False, 'shape': (2, 17, 3)}",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (True, 17, 3)}",
    "__import__('os').system('false')", "'" * 3, "2L, '", "\\",
    "{'descr': ('<f4', (99999, 99999)), 'fortran_order': False, 'shape': ()}",
)  # fmt: skip
DTYPES = ("<f4", "<f8", ">f4", "<f2", "<i4", "<u8", "|b1", "<c8", "|S3", "<U2", "<M8[s]", "|V4")
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)


def targets(folder: Path) -> list[Target]:
    body = folder / "body.npz"
    body.write_bytes(npz(**body_arrays()))
    return [
        file_target("npz", maker(motion), checked_motion, "motion.npz", folder, 40),
        file_target("amass", maker(amass), lambda path: load_amass(path, "a", body), "a_poses.npz", folder, 10),
        file_target("body-model", maker(body_arrays), BodyModel, "model.npz", folder, 15),
        file_target("data", maker(motion), lambda path: load(path, 50.0), "data.npz", folder, 10),
    ]


def motion() -> dict[str, np.ndarray]:
    joints = np.random.default_rng(0).normal(0, 0.3, (3, 17, 3)).astype(np.float32)
    return {"fps": np.array(25.0), "walk/1": joints, "own": joints[:, [*range(17), *range(15)]]}


def amass() -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    return {
        "poses": random.normal(0, 0.3, (3, 6)),
        "trans": random.normal(0, 1, (3, 3)),
        "betas": random.normal(0, 1, 16),
        "mocap_framerate": np.array(120.0),
    }


def body_arrays() -> dict[str, np.ndarray]:
    """A body of two joints and four vertices."""
    random = np.random.default_rng(0)
    return {
        "v_template": random.normal(0, 1, (4, 3)),
        "weights": np.full((4, 2), 0.5),
        "shapedirs": random.normal(0, 0.1, (4, 3, 2)),
        "posedirs": random.normal(0, 0.1, (4, 3, 9)),
        "J_regressor": np.full((2, 4), 0.25),
        "kintree_table": np.array([[2**32 - 1, 0], [0, 1]]),
        "J_regressor_h36m": np.full((17, 4), 0.25),
    }


def npz(**arrays: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def maker(arrays: Callable[[], dict[str, np.ndarray]]) -> Callable[[Random], bytes]:
    """Makes files like one with these arrays."""
    plain = arrays()
    members = {f"{name}.npy": serialised(array) for name, array in plain.items()}
    whole = npz(**plain)

    def make(random: Random) -> bytes:
        if random.random() < 0.4:
            return damaged(random, whole, (b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06", b"\x93NUMPY"))
        hostile = dict(members)
        name = random.choice(sorted(members))
        hostile[name] = member(random, plain[name.removesuffix(".npy")], members[name])
        if random.random() < 0.1:
            hostile[random.choice(WORDS).replace("\0", "") + ".npy"] = hostile[name]
        file, method = io.BytesIO(), random.choice(METHODS)
        with zipfile.ZipFile(file, "w") as archive:
            for name, data in hostile.items():
                archive.writestr(zipfile.ZipInfo(name), data, method)  # a name alone would get the time of day
        data = file.getvalue()
        return damaged(random, data) if random.random() < 0.2 else data

    return make


def member(random: Random, array: np.ndarray, whole: bytes) -> bytes:
    """One array, hostile in itself: the checksum around it will be right."""
    fate = random.randrange(4)
    if fate == 0:
        return damaged(random, whole, (b"'shape': (", b"'descr': '<f8'", b"True", b"9" * 30))
    if fate == 1:
        header = random.choice(HEADERS).encode("latin-1")
        version = random.choice((b"\x01\x00", b"\x02\x00", b"\x03\x00", b"\x09\x00"))
        length = struct.pack("<H" if version[0] == 1 else "<I", len(header) if random.random() < 0.8 else 65535)
        return b"\x93NUMPY" + version + length + header + whole[128:]
    if fate == 2:
        shape = [random.choice((length, number(random) % 40, 0)) for length in array.shape]
        return serialised(np.zeros(shape, random.choice(DTYPES)))
    hostile = array.astype(float)
    if hostile.size:
        hostile.flat[random.randrange(hostile.size)] = random.choice((np.nan, np.inf, 1e300, -1e300, 1e10, -3.5, 0))
    return serialised(hostile)


def serialised(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def checked_motion(path: Path) -> None:
    sequences, fps = load_npz(path)
    promise(1 <= fps <= 1000, f"fps {fps}")
    for sequence in sequences:
        promise(sequence.joints.shape[1:] == (17, 3), f"joints {sequence.joints.shape}")
        promise(np.isfinite(sequence.joints).all(), "joints that are not finite")
