import math

import numpy as np
import pytest

from uplift_ros.streaming.budget import KeyframeBudget
from uplift_ros.streaming.stride import AdaptiveStride, Decision, FixedStride, Reason

RATE = 50.0


def budgeted(budget: float) -> KeyframeBudget:
    return KeyframeBudget(AdaptiveStride(s_out=2), budget, RATE)


def keyframes(controller: KeyframeBudget, velocities: np.ndarray) -> np.ndarray:
    """Frames of the key-frames of people with such a velocity at every frame."""
    frames = [0]
    while frames[-1] < len(velocities):
        frames.append(frames[-1] + controller.update(frames[-1], float(velocities[frames[-1]])).stride)
    return np.array(frames[:-1])


def activity(level: float, seconds: float = 300.0) -> np.ndarray:
    """Velocities that change every few seconds, log-normal around `level` m/s."""
    rng = np.random.default_rng(0)
    knots = rng.normal(0, 0.8, round(seconds / 3) + 1)
    return level * np.exp(np.interp(np.arange(round(seconds * RATE)) / RATE, 3.0 * np.arange(len(knots)), knots))


@pytest.mark.parametrize("budget", [3.0, 4.0, 6.25, 9.0, 11.0])
@pytest.mark.parametrize("level", [0.1, 0.4, 1.5])
def test_the_mean_rate_is_the_budget_within_five_percent_however_much_motion_there_is(budget, level):
    velocities = activity(level)
    rate = len(keyframes(budgeted(budget), velocities)) / len(velocities) * RATE
    assert rate == pytest.approx(budget, rel=0.05)


def test_key_frames_are_spent_where_the_motion_is():
    velocities = activity(0.4)
    taken = keyframes(budgeted(6.0), velocities)
    slow, fast = (
        np.count_nonzero(part[taken]) / np.count_nonzero(part) for part in (velocities < 0.3, velocities > 0.6)
    )
    assert fast > 2 * slow


def test_what_was_saved_while_nobody_was_there_lets_slow_motion_count_as_fast_but_not_for_long():
    controller = budgeted(4.0)
    frames = iter(range(0, 100_000, 20))
    nobody = [controller.update(next(frames), math.nan).reason for _ in range(1000)]
    assert set(nobody) == {Reason.SLOW}
    velocities = np.full(3000, 0.1)
    start = next(frames)
    later = [start]
    while later[-1] < start + len(velocities):
        later.append(later[-1] + controller.update(later[-1], 0.1).stride)
    first, last = (np.count_nonzero((np.array(later) - start) // 500 == part) / 10 for part in (0, 5))
    assert first > 1.5 * 4.0
    assert last == pytest.approx(4.0, rel=0.1)


class Told:
    """A controller that keeps the velocity it was told."""

    velocity = math.nan

    def update(self, frame: int, velocity: float) -> Decision:
        self.velocity = velocity
        return Decision(20, Reason.SLOW)


def test_the_first_key_frame_is_decided_by_the_velocity_alone():
    KeyframeBudget(told := Told(), 4.0, RATE).update(7, 0.3)
    assert told.velocity == 0.3


def test_five_seconds_of_key_frames_change_the_velocity_by_a_factor_of_e():
    budget = KeyframeBudget(told := Told(), 4.0, RATE)
    for frame in (0, 250 + 13):  # 21 key-frames' time, of which one was used
        budget.update(frame, 0.3)
    assert told.velocity == pytest.approx(0.3 * math.exp((263 / 50 * 4.0 - 1) / (5.0 * 4.0)))


@pytest.mark.parametrize(("interval", "turns"), [(500, 4), (1, -4)])
def test_no_more_than_twenty_seconds_of_key_frames_are_saved_or_overdrawn(interval, turns):
    budget = KeyframeBudget(told := Told(), 0.5, RATE)
    for frame in range(0, 100 * interval, interval):
        budget.update(frame, 0.3)
    assert told.velocity == pytest.approx(0.3 * math.exp(turns))


def test_a_key_frame_that_is_told_twice_costs_once():
    budget = KeyframeBudget(told := Told(), 4.0, RATE)
    for frame in (0, 100, 100):
        budget.update(frame, 0.3)
    assert told.velocity == pytest.approx(0.3 * math.exp((100 / 50 * 4.0 - 1) / (5.0 * 4.0)))


def test_counting_anew_keeps_what_was_saved():
    controller = budgeted(4.0)
    for frame in range(0, 1000, 20):
        controller.update(frame, 0.0)
    assert controller.update(0, 0.1).reason is Reason.FAST


def test_a_fixed_stride_stays_fixed():
    assert KeyframeBudget(FixedStride(10, 2), 4.0, RATE).update(0, 1.0).stride == 10


@pytest.mark.parametrize("budget", [0.0, -1.0, math.nan])
def test_a_budget_out_of_range_is_refused(budget):
    with pytest.raises(ValueError, match="keyframe_budget must be positive"):
        budgeted(budget)
