import math

import pytest

from uplift_ros.streaming.stride import AdaptiveStride, Decision, FixedStride, Reason

FAST, HOLD, SLOW = Reason.FAST, Reason.HOLD, Reason.SLOW


def test_a_fixed_stride_ignores_the_velocity():
    assert FixedStride(8, s_out=4).update(0, 9.0) == Decision(8, Reason.FIXED)


def test_the_shortest_stride_is_one_frame():
    assert FixedStride(1, s_out=1).update(0, 0.0) == Decision(1, Reason.FIXED)


def adaptive(hold_frames: int = 50, medium: int = 10) -> AdaptiveStride:
    return AdaptiveStride(20, 4, 0.5, hold_frames, medium, s_out=2)


@pytest.mark.parametrize("velocity", [0.0, 0.2])
def test_for_people_who_stand_or_no_person_in_view_the_stride_is_slow(velocity):
    assert adaptive().update(0, velocity) == Decision(20, SLOW)


@pytest.mark.parametrize("velocity", [0.21, 0.5])
def test_between_standing_and_fast_the_stride_is_medium(velocity):
    assert adaptive().update(0, velocity) == Decision(10, FAST)


@pytest.mark.parametrize(("velocity", "decision"), [(0.5, Decision(20, SLOW)), (0.51, Decision(4, FAST))])
def test_without_a_medium_stride_it_is_the_rule_of_the_paper(velocity, decision):
    assert adaptive(medium=20).update(0, velocity) == decision


@pytest.mark.parametrize(("medium", "strides"), [(10, (4, 10, 20)), (2, (4, 20)), (30, (4, 20))])
def test_the_strides_to_choose_from_lie_between_fast_and_slow(medium, strides):
    assert adaptive(medium=medium).strides == strides


def test_slow_and_fast_may_be_one_stride():
    assert AdaptiveStride(10, 10, s_out=2).strides == (10,)


def test_strides_thresholds_and_hold_are_by_themselves_those_of_the_documents():
    controller = AdaptiveStride(s_out=1)
    assert controller.strides == (4, 10, 20)
    assert [controller.update(0, velocity).stride for velocity in (0.2, 0.21, 0.5, 0.51)] == [20, 10, 10, 4]
    assert [controller.update(frame, 0.0).reason for frame in (9, 10)] == [HOLD, SLOW]


def test_the_fast_stride_is_held_for_hold_frames_after_the_last_fast_frame():
    controller = adaptive(hold_frames=50)
    controller.update(100, 2.0)
    decisions = [controller.update(frame, 0.1) for frame in range(101, 160)]
    assert decisions[:49] == [Decision(4, HOLD)] * 49
    assert decisions[49:] == [Decision(20, SLOW)] * 10


def test_each_stride_is_held_before_the_next_longer_one():
    controller = adaptive(hold_frames=20)
    velocities = {0: 2.0, 4: 0.3, 16: 0.3, 20: 0.3, 30: 0.1, 40: 0.1}
    decisions = [controller.update(frame, velocity) for frame, velocity in velocities.items()]
    assert decisions == [
        Decision(4, FAST),
        *2 * [Decision(4, HOLD)],
        Decision(10, FAST),
        Decision(10, HOLD),
        Decision(20, SLOW),
    ]


def test_a_fast_frame_starts_the_hold_again():
    controller = adaptive(hold_frames=50)
    controller.update(0, 2.0)
    controller.update(40, 2.0)
    assert controller.update(89, 0.1).reason is HOLD
    assert controller.update(90, 0.1).reason is SLOW


def test_a_frame_that_is_reported_twice_is_held_all_the_same():
    controller = adaptive()
    controller.update(100, 2.0)
    assert controller.update(100, 0.1) == Decision(4, HOLD)


def test_without_hold_the_stride_grows_at_once():
    controller = adaptive(hold_frames=0)
    controller.update(0, 2.0)
    assert controller.update(4, 0.1) == Decision(20, SLOW)


def test_once_slow_it_takes_a_fast_frame_to_leave():
    controller = adaptive(hold_frames=2)
    controller.update(0, 2.0)
    controller.update(2, 0.1)
    assert controller.update(3, 0.2).reason is SLOW


def test_a_restart_of_frames_ends_the_hold():
    controller = adaptive()
    controller.update(1000, 2.0)
    assert controller.update(0, 0.1) == Decision(20, SLOW)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"slow": 18}, "stride_slow"),
        ({"medium": 10}, "stride_medium"),
        ({"slow": 0}, "stride_slow"),
        ({"fast": 5}, "stride_fast"),
        ({"slow": 4, "fast": 8}, "stride_fast"),
        ({"threshold": 0.0}, "velocity_threshold"),
        ({"threshold": math.nan}, "velocity_threshold"),
        ({"medium_threshold": 0.0}, "velocity_medium"),
        ({"hold_frames": -1}, "hold_frames"),
    ],
)
def test_the_controller_names_the_parameter_that_is_out_of_range(arguments, name):
    with pytest.raises(ValueError, match=f"^{name} "):
        AdaptiveStride(**({"medium": 8} | arguments), s_out=4)


def test_a_fixed_stride_that_is_no_multiple_of_s_out_is_refused():
    with pytest.raises(ValueError, match=r"^stride"):
        FixedStride(10, s_out=4)


def test_reasons_are_those_of_the_message():
    message = pytest.importorskip("uplift_ros.msg", reason="messages are not built").RateState
    assert {reason.name: int(reason) for reason in Reason} == {
        name: getattr(message, name) for name in ("FIXED", "SLOW", "FAST", "HOLD", "OVERLOAD", "MANUAL")
    }


def test_a_medium_stride_is_held_after_its_own_velocity_not_only_after_the_fast_one():
    controller = adaptive(hold_frames=10)
    velocities = {0: 0.8, 4: 0.3, 8: 0.3, 12: 0.1, 16: 0.1, 20: 0.1}
    strides = [controller.update(frame, velocity).stride for frame, velocity in velocities.items()]
    assert strides == [4, 4, 4, 10, 10, 20]
