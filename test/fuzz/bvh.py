"""BVH files: damaged, and with other words in the places of their own."""

from pathlib import Path
from random import Random

import numpy as np
from fuzz.mutation import damaged, retold
from fuzz.target import Target, file_target, promise
from support.bvh_takes import MIXAMO, MOTIONBUILDER, bvh

from uplift_ros.lab.data.formats.bvh import load_bvh

WHOLE = [bvh(names, frames, 100.0).encode() for names, frames in ((MOTIONBUILDER, 1), (MIXAMO, 2))]
WORDS = (
    "ROOT", "JOINT", "End", "Site", "{", "}", "OFFSET", "CHANNELS", "6", "Xposition", "Yrotation", "MOTION", "Frames:",
    "Frame Time:", "Wposition", "LeftFoot", "Head", "1e308", "-1e308", "1e-320",
)  # fmt: skip
MANY = "JOINT x\n{\nOFFSET 0 0 0\n"


def targets(folder: Path) -> list[Target]:
    return [file_target("bvh", make, checked, "take.bvh", folder, 15)]


def make(random: Random) -> bytes:
    whole = random.choice(WHOLE)
    fate = random.random()
    if fate < 0.01:  # few bytes, many joints, and many frames of one number
        joints, frames = random.choice((10, 900, 1001)), random.choice((10, 20000))
        hierarchy = "ROOT r\n{\nCHANNELS 1 Xposition\n" + MANY * joints + "}\n" * (joints + 1)
        return f"HIERARCHY\n{hierarchy}MOTION\nFrames: {frames}\nFrame Time: 0.02\n{'0 ' * frames}".encode()
    if fate < 0.5:
        return damaged(random, whole, [word.encode() for word in WORDS])
    return retold(random, whole, WORDS)


def checked(path: Path) -> None:
    sequence, fps = load_bvh(path, "take")
    promise(1 <= fps <= 10001, f"fps {fps}")
    promise(np.isfinite(sequence.joints).all(), "joints that are not finite")
