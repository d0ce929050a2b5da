import numpy as np
import pytest

from uplift_ros.streaming.overload import Load, LoadShedding
from uplift_ros.streaming.stride import AdaptiveStride, Decision, Reason

STRIDES = (4, 10, 20)
"""Key-frames of which come every 80, 200 and 400 ms."""


class Machine:
    """A controller that always wants the fast stride, on a machine whose load can be set."""

    def __init__(self, velocity: float = 2.0) -> None:
        self.load = Load()
        self.velocity = velocity
        self.controller = LoadShedding(AdaptiveStride(s_out=2), self.load, STRIDES, 50.0)

    def decide(self, milliseconds: float) -> Decision:
        self.load.seconds = milliseconds / 1e3
        return self.controller.update(0, self.velocity)


@pytest.mark.parametrize(("milliseconds", "stride"), [(0, 4), (70, 4), (90, 10), (180, 10), (220, 20), (5000, 20)])
def test_the_stride_becomes_as_long_as_the_work_of_a_key_frame_needs(milliseconds, stride):
    machine = Machine()
    assert [machine.decide(milliseconds) for _ in range(3)][-1].stride == stride


def test_it_rises_one_step_at_a_decision_and_says_why():
    machine = Machine()
    decisions = [machine.decide(300) for _ in range(4)]
    assert decisions == [Decision(stride, Reason.OVERLOAD) for stride in (10, 20, 20, 20)]


def test_it_falls_one_step_at_a_decision_once_there_is_room():
    machine = Machine()
    machine.decide(300), machine.decide(300)
    assert [machine.decide(20) for _ in range(3)] == [
        Decision(10, Reason.OVERLOAD),
        Decision(4, Reason.FAST),
        Decision(4, Reason.FAST),
    ]


def test_a_stride_that_the_controller_wants_as_long_anyway_keeps_its_own_reason():
    machine = Machine(velocity=0.0)
    assert [machine.decide(90) for _ in range(2)] == 2 * [Decision(20, Reason.SLOW)]


@pytest.mark.parametrize(("milliseconds", "stride"), [(75.9, 4), (76.1, 10)])
def test_ninety_five_percent_of_the_time_is_the_most_that_the_work_may_take(milliseconds, stride):
    assert Machine().decide(milliseconds).stride == stride


@pytest.mark.parametrize(("milliseconds", "stride"), [(59.9, 4), (60.1, 10)])
def test_a_shorter_stride_comes_back_below_three_quarters_of_its_time(milliseconds, stride):
    machine = Machine()
    machine.decide(90)
    assert machine.decide(milliseconds).stride == stride


def test_the_controller_receives_frame_and_velocity_while_its_stride_is_overruled():
    machine = Machine()
    machine.decide(300)
    machine.velocity = 0.0
    assert machine.controller.update(5, 0.0).reason is Reason.OVERLOAD
    assert machine.controller.update(10, 0.0) == Decision(20, Reason.SLOW)


@pytest.mark.parametrize("milliseconds", [58, 70, 78, 150, 170, 195, 380])
def test_a_load_that_varies_by_a_tenth_does_not_make_it_go_up_and_down(milliseconds):
    machine = Machine()
    work = milliseconds * np.random.default_rng(0).uniform(0.9, 1.1, 1000)
    strides = [machine.decide(each).stride for each in work]
    assert (np.diff(strides) >= 0).all()
