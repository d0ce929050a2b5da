"""YAML files of parameters and calibrations."""

from pathlib import Path
from random import Random

import numpy as np
import yaml
from fuzz.mutation import WORDS as HOSTILE
from fuzz.mutation import changed, damaged, retold
from fuzz.target import Target, file_target, promise

from uplift_ros import settings
from uplift_ros.intrinsics import load_calibration
from uplift_ros.parameters import TABLES

TREE = {
    "/**/uplift": {"ros__parameters": {"latency": 8, "stride_mode": "fixed", "output_rate": 25.0, "use_depth": False}},
    "/robot/refiner": {"ros__parameters": {"delay": 3, "method": "none"}},
    "/**": {"ros__parameters": {"device": "cpu"}},
}
CALIBRATION = {
    "image_width": 640,
    "image_height": 480,
    "camera_name": "front",
    "camera_matrix": {"rows": 3, "cols": 3, "data": [500.0, 0.0, 320.0, 0.0, 500.0, 240.0, 0.0, 0.0, 1.0]},
    "distortion_model": "plumb_bob",
    "distortion_coefficients": {"rows": 1, "cols": 5, "data": [-0.3, 0.1, 0.0, 0.0, 0.0]},
    "projection_matrix": {"rows": 3, "cols": 4, "data": [480.0, 0.0, 320.0, 0.0, 0.0, 480.0, 240.0, 0.0, 0, 0, 1, 0]},
}
WORDS = (
    "&a", "*a", "!!python/name:os.system", "!!binary", "<<:", "? ", "- ", "|", ">", "%YAML 9.9", "---", "...",
    "2001-99-99", "0x", "1:2:3",
)  # fmt: skip


def targets(folder: Path) -> list[Target]:
    return [
        file_target("parameters", lambda random: make(random, TREE), checked, "parameters.yaml", folder, 15),
        file_target("calibration", lambda random: make(random, CALIBRATION), projects, "calibration.yaml", folder, 15),
    ]


def make(random: Random, tree: dict[str, object]) -> bytes:
    fate = random.random()
    if fate < 0.02:
        return laughs(random.choice((3, 9, 30)))
    if fate < 0.4:
        return yaml.safe_dump(changed(random, tree), allow_unicode=True).encode("utf-8", "surrogatepass")
    whole = yaml.safe_dump(tree).encode()
    if fate < 0.7:
        return damaged(random, whole, [word.encode() for word in (*WORDS, *HOSTILE[:10])])
    return retold(random, whole, WORDS)


def laughs(levels: int) -> bytes:
    """Aliases of aliases: few bytes that expand to 10 to the power of `levels` words."""
    of = (lambda i: "[" + ", ".join([f"*a{i - 1}"] * 10) + "]") if levels % 2 else nested
    lines = ["a0: &a0 {x: {}}"] + [f"a{i}: &a{i} {of(i)}" for i in range(1, levels)]
    return "\n".join([*lines, f"uplift: {{ros__parameters: {{latency: *a{levels - 1}}}}}"]).encode()


def nested(level: int) -> str:
    return "{" + ", ".join(f"k{i}: *a{level - 1}" for i in range(10)) + "}"


def checked(path: Path) -> None:
    found = settings.load(path, {})
    for node, table in TABLES.items():
        for known in table:
            promise(known.check(found[node][known.name]) == found[node][known.name], f"{node}.{known.name}")


def projects(path: Path) -> None:
    calibration = load_calibration(path)
    camera = calibration.for_image(calibration.width, calibration.height)
    promise(camera.project(np.array([0.1, 0.2, 3.0])).shape == (2,), "no pixel")
