"""Builds the body of a person, tapered capsules with colours, from h36m17 joints.

Feet, hands, face and hair follow from the joints: feet are perpendicular to the shanks, hands extend the forearms, the
face points from the head joint to the nose joint.
"""

import numpy as np

from uplift_ros.skeleton import H36M17
from uplift_ros.sources.synthetic.posture import TRUNK
from uplift_ros.sources.synthetic.solids import Parts

SKIN, LIPS, HAIR = (228, 176, 142), (178, 96, 88), (72, 46, 32)
EYE_WHITE, IRIS = (245, 243, 238), (40, 34, 34)
SHIRT, TROUSERS = (44, 122, 168), (62, 66, 84)
SHOES, SOLES = (214, 80, 52), (236, 234, 228)

Joints = dict[str, np.ndarray]


def figure(joints: np.ndarray) -> Parts:
    """Make the body parts of a person with joints (17, 3); sizes are proportional to the length of the trunk."""
    j = dict(zip(H36M17.joints, joints, strict=True))
    figure = _Figure(float(np.linalg.norm(j["thorax"] - j["pelvis"])) / TRUNK)
    _add_trunk(figure, j)
    for side in ("left", "right"):
        _add_leg(figure, j, side)
        _add_arm(figure, j, side)
    _add_head(figure, j)
    return figure.parts()


class _Figure:
    """Collects parts; sizes are given for a body of canonical stature and multiplied by `size`."""

    def __init__(self, size: float) -> None:
        self.size = size
        self._rows: list[tuple] = []

    def add(self, colour, a, b, radius_a, radius_b=None, wide=(0, 0, 1), aspect=1.0) -> None:
        radii = (radius_a * self.size, (radius_a if radius_b is None else radius_b) * self.size)
        self._rows.append((a, b, radii, wide, aspect, colour))

    def parts(self) -> Parts:
        return Parts(*(np.array(column, float) for column in zip(*self._rows, strict=True)))


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)


def _between(a: np.ndarray, b: np.ndarray, fraction: float) -> np.ndarray:
    return a + fraction * (b - a)


def _add_trunk(figure: _Figure, j: Joints) -> None:
    across_hips = _unit(j["left_hip"] - j["right_hip"])
    across = _unit(j["left_shoulder"] - j["right_shoulder"])

    def at(fraction: float) -> np.ndarray:
        return _between(j["pelvis"], j["thorax"], fraction)

    seat, half_seat = at(-0.11), 0.070 * figure.size * across_hips
    figure.add(TROUSERS, seat - half_seat, seat + half_seat, 0.100)
    figure.add(TROUSERS, at(-0.22), seat, 0.086, 0.098, across_hips, 1.5)
    figure.add(SHIRT, at(0.00), at(0.42), 0.092, 0.098, across, 1.5)
    figure.add(SHIRT, at(0.42), at(0.70), 0.098, 0.108, across, 1.5)
    figure.add(SHIRT, at(0.70), at(0.98), 0.108, 0.052, across, 1.5)
    for side in ("left", "right"):
        figure.add(SHIRT, at(0.86), j[f"{side}_shoulder"], 0.074, 0.058)


def _add_leg(figure: _Figure, j: Joints, side: str) -> None:
    hip, knee, ankle = j[f"{side}_hip"], j[f"{side}_knee"], j[f"{side}_ankle"]
    figure.add(TROUSERS, _between(hip, knee, 0.10), knee, 0.086, 0.059)
    figure.add(TROUSERS, knee, _between(knee, ankle, 0.94), 0.059, 0.047)

    forward = np.cross(j["left_hip"] - j["right_hip"], j["thorax"] - j["pelvis"])
    shank = _unit(ankle - knee)
    toe_way = _unit(forward - (forward @ shank) * shank)
    # A steep shank means that the foot is probably on the ground: then its sole is level.
    upright = np.clip((-shank[2] - 0.8) / 0.15, 0, 1)
    toe_way = _unit(toe_way * [1, 1, 1 - 0.7 * upright])
    down = _unit(shank - (shank @ toe_way) * toe_way)
    heel = ankle + figure.size * (0.036 * down - 0.030 * toe_way)
    toe = ankle + figure.size * (0.046 * down + 0.150 * toe_way)
    figure.add(SHOES, heel, toe, 0.042, 0.033)
    figure.add(SHOES, ankle, _between(ankle, toe, 0.5), 0.046, 0.038)
    figure.add(SOLES, heel + 0.018 * figure.size * down, toe + 0.007 * figure.size * down, 0.031, 0.030)


def _add_arm(figure: _Figure, j: Joints, side: str) -> None:
    shoulder, elbow, wrist = j[f"{side}_shoulder"], j[f"{side}_elbow"], j[f"{side}_wrist"]
    figure.add(SHIRT, shoulder, _between(shoulder, elbow, 0.58), 0.058, 0.054)
    figure.add(SKIN, _between(shoulder, elbow, 0.4), elbow, 0.047, 0.040)
    figure.add(SKIN, elbow, wrist, 0.040, 0.030)
    hand = _unit(wrist - elbow) * figure.size
    figure.add(SKIN, wrist, wrist + 0.045 * hand, 0.030, 0.037)
    figure.add(SKIN, wrist + 0.045 * hand, wrist + 0.085 * hand, 0.037, 0.030)


def _add_head(figure: _Figure, j: Joints) -> None:
    thorax = j["thorax"]
    up = _unit(j["head"] - thorax)
    gaze = j["nose"] - j["head"]
    front = _unit(gaze - (gaze @ up) * up)
    left = np.cross(up, front)

    def at(forward: float, sideways: float, height: float) -> np.ndarray:
        """A point of the head, metres from the thorax."""
        return thorax + figure.size * (forward * front + sideways * left + height * up)

    figure.add(SKIN, at(-0.020, 0, -0.02), at(-0.006, 0, 0.10), 0.056, 0.052)  # neck
    figure.add(SKIN, at(0.004, 0, 0.190), at(0.020, 0, 0.092), 0.090, 0.054, left, 0.88)  # skull to chin
    figure.add(HAIR, at(-0.018, 0, 0.210), at(-0.030, 0, 0.150), 0.098, 0.080, left, 0.92)
    figure.add(HAIR, at(0.036, 0, 0.252), at(-0.02, 0, 0.250), 0.050, 0.064, left, 1.2)  # fringe
    figure.add(SKIN, at(0.082, 0, 0.155), at(0.088, 0, 0.128), 0.009, 0.014)  # nose
    for side in (1, -1):
        figure.add(LIPS, at(0.073, side * 0.022, 0.092), at(0.076, 0, 0.086), 0.0065)
        figure.add(SKIN, at(-0.006, side * 0.080, 0.155), at(-0.004, side * 0.078, 0.130), 0.020, 0.014)  # ear
        figure.add(EYE_WHITE, at(0.077, side * 0.026, 0.160), at(0.072, side * 0.038, 0.160), 0.011)
        figure.add(IRIS, at(0.083, side * 0.030, 0.160), at(0.082, side * 0.033, 0.160), 0.0075)
        figure.add(HAIR, at(0.086, side * 0.020, 0.181), at(0.076, side * 0.046, 0.180), 0.006)  # eyebrow
