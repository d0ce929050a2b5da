"""Motion of the synthetic person: a fixed schedule of slow and fast activities that repeats every PERIOD seconds.

Everything is a smooth (C1) function of time. An activity is a posture as a function of time; consecutive activities are
blended. Walking, turning and jogging share one count of strides, so that feet stay planted.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from uplift_ros.sources.synthetic.posture import (
    ANKLE_BEHIND,
    ANKLE_HEIGHT,
    SIDE_SIGNS,
    Posture,
    blend,
    body_joints,
    rotation_z,
)

PERIOD = 20.0
"""Seconds after which the schedule repeats."""

BLEND_S = 0.7
"""Seconds over which an activity is blended into the next."""

FOOT_HALF_WIDTH = 0.10
RAMP = 0.2
WALK_RADIUS = 0.50
WALK_STRIDES, TURN_STRIDES, JOG_STRIDES = 6.0, 5.0, 3.5
"""Multiples of 0.5, so that the feet end side by side."""


def pose(t: float) -> np.ndarray:
    """Joints (17, 3) h36m17 at `t` seconds, metres, world (z up, ground z = 0, home at the origin, facing +x)."""
    t = t % PERIOD
    strides = strides_at(t)
    weights = [activity.weight(t) for activity in SCHEDULE]
    active = [(activity, w) for activity, w in zip(SCHEDULE, weights, strict=True) if w > 0]
    posture = blend([activity.posture(t - activity.start, strides) for activity, _ in active], [w for _, w in active])
    place = route(strides)
    return body_joints(posture, place, _ankles(posture, place, strides))


def _ease(x: float) -> float:
    """0 below 0, 1 above 1, C1 between (smoothstep)."""
    x = min(max(x, 0.0), 1.0)
    return x * x * (3 - 2 * x)


def _ease_integral(x: float) -> float:
    """Integral of `_ease` from minus infinity."""
    return 0.0 if x <= 0 else x**3 - x**4 / 2 if x < 1 else x - 0.5


def _wave(phase: float) -> float:
    """A raised cosine in [0, 1]: 0 at whole phases, 1 at half ones."""
    return 0.5 - 0.5 * np.cos(2 * np.pi * phase)


# ---------------------------------------------------------------- activities


HANGING = (0.05, 0.13, 0.25, 0.25)
"""An arm at rest, as in Posture.arms."""


def _posture(
    pelvis=(0, 0, 0),
    turn=(0, 0),
    trunk=(0.03, 0, 0),
    head=(0, 0),
    arms=(HANGING, HANGING),
    feet=((0, 0, 0), (0, 0, 0)),
    step=(0, 0.4),
) -> Posture:
    """Posture of standing at ease, except for the given fields."""
    return Posture(*(np.array(field, float) for field in (pelvis, turn, trunk, head, arms, feet, step)))


def _stand(t: float, strides: float) -> Posture:
    """Breathing, swaying, looking around; the left hand waves slowly."""
    breath = np.sin(2 * np.pi * t / 4)
    sway = np.sin(2 * np.pi * t / 10)
    raised = _ease(t / 1.3 - 0.1) * _ease((3.2 - t) / 1.2)
    waving = 0.30 * np.sin(2 * np.pi * 0.9 * t)
    right = np.array(HANGING) + np.array([0, 0.015 * breath, 0, 0])
    left = right + raised * (np.array([0.35, 0.75, -1.25 + waving, 1.85]) - right)
    return _posture(
        pelvis=(0, 0.015 * sway, 0),
        turn=(0, 0.02 * sway),
        trunk=(0.03 - 0.012 * breath, -0.02 * sway, 0.03 * sway),
        head=(0.02 * breath, 0.22 * np.sin(2 * np.pi * t / 5)),
        arms=(left, right),
    )


def _box(t: float, strides: float) -> Posture:
    """Alternating straight punches from a guard, bobbing behind them."""
    beat = 1.7 * t
    left, right = _wave(beat) ** 2, _wave(beat + 0.5) ** 2
    guard, punch = np.array([0.85, 0.10, 0.40, 2.20]), np.array([1.50, 0.45, 0.30, 0.15])
    bounce = _wave(2 * beat)
    return _posture(
        pelvis=(0.03 * (left + right), 0, -0.11 + 0.08 * bounce),
        turn=(0.30 * (right - left), 0),
        trunk=(0.12 + 0.16 * (left + right), 0.22 * (left - right), 0.60 * (right - left)),
        head=(-0.12, 0.45 * (left - right)),
        arms=(guard + left * (punch - guard), guard + right * (punch - guard)),
        feet=((0.14, 0.05, 0), (-0.12, 0.05, 0)),
    )


def _walk(t: float, strides: float) -> Posture:
    swing = np.sin(2 * np.pi * strides)
    double = np.cos(4 * np.pi * strides)
    stance = np.cos(2 * np.pi * strides)

    def arm(forward: float) -> tuple[float, ...]:
        return (0.02 + 0.36 * forward, 0.12, 0.15, 0.30 + 0.15 * forward)

    return _posture(
        pelvis=(0, 0.022 * stance, -0.030 + 0.016 * double),
        turn=(0.10 * swing, -0.03 * stance),
        trunk=(0.05, 0.02 * stance, -0.12 * swing),
        head=(0, 0.10 * swing),
        arms=(arm(swing), arm(-swing)),
        step=(0.10, 0.46),
    )


def _turn(t: float, strides: float) -> Posture:
    """Small steps in place."""
    walking = _walk(t, strides)
    return walking._replace(arms=0.4 * walking.arms + 0.6 * _posture().arms, step=np.array([0.07, 0.46]))


def _jog(t: float, strides: float) -> Posture:
    """Knees high, elbows bent, on the spot; both feet are in the air twice a stride."""
    swing = np.sin(2 * np.pi * (strides + 0.25))

    def arm(forward: float) -> tuple[float, ...]:
        return (0.65 * forward - 0.05, 0.20, 0.15, 1.55 + 0.20 * forward)

    return _posture(
        pelvis=(0, 0, -0.040 - 0.035 * np.cos(4 * np.pi * strides)),
        trunk=(0.10, 0, 0.14 * swing),
        head=(-0.04, -0.12 * swing),
        arms=(arm(-swing), arm(swing)),
        step=(0.36, 0.62),
    )


def _jacks(t: float, strides: float) -> Posture:
    """Jumping jacks: arms overhead and legs apart, a hop each way."""
    beat = 1.3 * t
    open_ = _wave(beat)
    hop = _wave(2 * beat)
    arm = (0.05 + 0.10 * open_, 0.15 + 2.40 * open_, 0.1 - 1.2 * open_, 0.25 + 0.20 * open_)
    foot = (0, 0.28 * open_, 0.08 * hop)
    return _posture(
        pelvis=(0, 0, -0.05 - 0.03 * open_ + 0.11 * hop),
        trunk=(0.05 + 0.04 * hop, 0, 0),
        arms=(arm, arm),
        feet=(foot, foot),
    )


@dataclass(frozen=True)
class Activity:
    """One entry of the schedule.

    Attributes:
        start, end: seconds; half of the blending lies inside, half outside.
        strides: number of strides from start to end.
    """

    name: str
    start: float
    end: float
    posture: Callable[[float, float], Posture]
    strides: float = 0.0

    def weight(self, t: float) -> float:
        """Blending weight in [0, 1]; the weights of the schedule add up to 1."""
        begun = _ease((t - self.start) / BLEND_S + 0.5) if self.start > 0 else 1.0
        ended = _ease((t - self.end) / BLEND_S + 0.5) if self.end < PERIOD else 0.0
        return begun - ended

    def strides_until(self, t: float) -> float:
        """Strides made by `t`: the integral of the weight, times the rate."""
        elapsed = _ease_integral((t - self.start) / BLEND_S + 0.5) - _ease_integral((t - self.end) / BLEND_S + 0.5)
        return self.strides * BLEND_S * elapsed / (self.end - self.start)


SCHEDULE = (
    Activity("stand", 0.0, 3.3, _stand),
    Activity("box", 3.3, 5.7, _box),
    Activity("walk", 5.7, 12.0, _walk, WALK_STRIDES),
    Activity("jacks", 12.0, 14.2, _jacks),
    Activity("turn", 14.2, 17.4, _turn, TURN_STRIDES),
    Activity("jog", 17.4, 19.4, _jog, JOG_STRIDES),
    Activity("stand", 19.4, 20.0, lambda t, strides: _stand(t - 0.6, strides)),
)


# ---------------------------------------------------------------- steps


def strides_at(t: float) -> float:
    """Strides made since the schedule began; the left foot is under the body at whole numbers, the right at half."""
    return sum(activity.strides_until(t) for activity in SCHEDULE if activity.strides)


def route(strides: float) -> np.ndarray:
    """(3,) x, y, heading after a number of strides: once around a circle to the left, then a full turn to the right.

    The first and the last half stride of either are made in place: both feet start and end under the body.
    """
    walked = 2 * np.pi * _travel((strides - 0.5) / (WALK_STRIDES - 1))
    turned = 2 * np.pi * _travel((strides - WALK_STRIDES - 0.5) / (TURN_STRIDES - 1))
    x, y = WALK_RADIUS * np.sin(walked), WALK_RADIUS * (1 - np.cos(walked))
    return np.array([x, y, walked - turned])


def _travel(x: float) -> float:
    """Map 0..1 to 0..1 at constant speed, with smooth ramps of RAMP at both ends (C1)."""
    return (_ease_integral(x / RAMP) - _ease_integral((x - 1) / RAMP + 1)) * RAMP / (1 - RAMP)


def _ankles(posture: Posture, place: np.ndarray, strides: float) -> np.ndarray:
    """(2, 3) left, right: planted where a stride put them, in the air between, plus the posture's offsets."""
    height, airborne = posture.step
    ankles = np.empty((2, 3))
    for index, (side, offset) in enumerate(zip(SIDE_SIGNS, posture.feet, strict=True)):
        phase = strides + 0.5 * index
        whole = np.floor(phase)
        swing = (phase - whole - 0.5) / airborne + 0.5
        before, after = (_footprint(whole + k - 0.5 * index, side) for k in (0, 1))
        ankles[index] = before + _ease(swing) * (after - before)
        # The heel leaves the ground before the foot moves forward: the lift lasts longer than the swing.
        lift = _wave(min(max((swing + 0.15) / 1.25, 0.0), 1.0))
        ankles[index] += rotation_z(place[2]) @ (offset * [1, side, 1]) + [0, 0, height * lift]
    return ankles


def _footprint(strides: float, side: float) -> np.ndarray:
    """(3,) ankle of a foot that touched down after a number of strides; the weight rests on the middle of the foot."""
    x, y, heading = route(strides)
    return rotation_z(heading) @ [-ANKLE_BEHIND, side * FOOT_HALF_WIDTH, 0] + [x, y, ANKLE_HEIGHT]
