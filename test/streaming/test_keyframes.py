import math

import numpy as np
import pytest
from support.clocks import SECOND, START

from uplift_ros.streaming.keyframes import KeyframeSchedule


def stamps_at(rate: float, seconds: float, start: int = START) -> list[int]:
    return [start + round(index * SECOND / rate) for index in range(round(seconds * rate))]


def keyframes(schedule: KeyframeSchedule, stamps: list[int]) -> list[int]:
    """Frame indices of the key-frames."""
    frames = []
    for stamp in stamps:
        if schedule.is_due(stamp):
            schedule.take(stamp)
            frames.append(schedule.frame(stamp))
    return frames


@pytest.mark.parametrize("stride", [1, 4, 5, 20])
def test_at_the_models_rate_key_frames_are_the_multiples_of_the_stride(stride):
    assert keyframes(KeyframeSchedule(stride, 50.0), stamps_at(50, 4)) == list(range(0, 200, stride))


@pytest.mark.parametrize("rate", [15, 24, 29.97, 30, 60, 100, 120])
def test_at_any_camera_rate_each_multiple_has_the_first_image_at_or_after_it(rate):
    taken = keyframes(KeyframeSchedule(10, 50.0), stamps_at(rate, 10))
    assert [frame // 10 for frame in taken] == list(range(len(taken)))
    assert len(taken) >= 50
    assert all(frame % 10 <= math.ceil(50 / rate) for frame in taken)


def test_a_camera_slower_than_the_stride_has_only_key_frames():
    stamps = stamps_at(10, 3)
    assert len(keyframes(KeyframeSchedule(4, 50.0), stamps)) == len(stamps)


def test_jitter_does_not_move_the_phase():
    jitter = np.random.default_rng(0).integers(-8_000_000, 8_000_000, 500)
    stamps = [stamp + int(late) for stamp, late in zip(stamps_at(50, 10), jitter, strict=True)]
    stamps[0] = START
    assert keyframes(KeyframeSchedule(20, 50.0), stamps) == list(range(0, 500, 20))


def test_after_dropped_images_the_phase_is_as_before():
    stamps = [stamp for index, stamp in enumerate(stamps_at(50, 2)) if index not in (20, 21, 22)]
    assert keyframes(KeyframeSchedule(20, 50.0), stamps) == [0, 23, 40, 60, 80]


def test_after_a_late_image_the_next_key_frame_is_half_a_stride_away_at_least():
    stamps = [stamp for index, stamp in enumerate(stamps_at(50, 1.6)) if not 20 <= index < 39]
    assert keyframes(KeyframeSchedule(20, 50.0), stamps) == [0, 39, 49, 60]


def test_a_repeated_stamp_is_never_a_key_frame_twice():
    stamps = [stamp for stamp in stamps_at(50, 1) for _ in range(3)]
    assert keyframes(KeyframeSchedule(10, 50.0), stamps) == [0, 10, 20, 30, 40]


def test_asking_uses_nothing_up_so_that_a_busy_estimator_takes_a_later_image():
    schedule = KeyframeSchedule(10, 50.0)
    stamps = stamps_at(50, 1)
    assert [schedule.is_due(stamp) for stamp in stamps[:4]] == [True] * 4
    schedule.take(stamps[3])
    assert keyframes(schedule, stamps[4:]) == [10, 20, 30, 40]


def test_an_image_overtaken_by_a_later_one_is_no_key_frame():
    schedule = KeyframeSchedule(10, 50.0)
    stamps = stamps_at(50, 1)
    stamps[10], stamps[11] = stamps[11], stamps[10]
    assert keyframes(schedule, stamps) == [0, 11, 20, 30, 40]


def restarts(milliseconds: int) -> bool:
    """Whether frame numbers restart at an image so long after another."""
    schedule = KeyframeSchedule(1000, 50.0)
    keyframes(schedule, [START])
    return schedule.is_due(START + milliseconds * 1_000_000)


@pytest.mark.parametrize(
    ("milliseconds", "restart"), [(-101, True), (-100, False), (-99, False), (1999, False), (2000, False), (2001, True)]
)
def test_frames_restart_beyond_a_tenth_of_a_second_back_or_two_seconds_ahead(milliseconds, restart):
    assert restarts(milliseconds) is restart


def test_the_newest_image_is_what_others_are_late_against():
    schedule = KeyframeSchedule(1000, 50.0)
    stamps = [START, START + SECOND, START + SECOND - 80_000_000, START + SECOND - 120_000_000]
    due = []
    for stamp in stamps:
        due.append(schedule.is_due(stamp))
        if due[-1]:
            schedule.take(stamp)
    assert due == [True, False, False, True]


@pytest.mark.parametrize("restart", [START - 3600 * SECOND, START + SECOND // 2, START + 60 * SECOND])
def test_after_a_jump_back_or_a_long_pause_frames_restart(restart):
    schedule = KeyframeSchedule(20, 50.0)
    keyframes(schedule, stamps_at(50, 1.5))
    assert keyframes(schedule, stamps_at(50, 1, restart)) == [0, 20, 40]


def test_a_new_stride_begins_at_its_next_multiple():
    schedule = KeyframeSchedule(20, 50.0)
    stamps = stamps_at(50, 3)
    assert keyframes(schedule, stamps[:30]) == [0, 20]
    schedule.stride = 4
    assert keyframes(schedule, stamps[30:50]) == [32, 36, 40, 44, 48]
    schedule.stride = 20
    assert keyframes(schedule, stamps[50:]) == [60, 80, 100, 120, 140]


def test_a_new_stride_does_not_cancel_a_key_frame_that_is_already_due():
    schedule = KeyframeSchedule(4, 50.0)
    stamps = stamps_at(50, 1)
    keyframes(schedule, stamps[:20])
    assert schedule.is_due(stamps[20])
    schedule.stride = 20
    assert keyframes(schedule, stamps[21:]) == [21, 40]


def test_setting_the_same_stride_again_changes_nothing():
    schedule = KeyframeSchedule(10, 50.0)
    taken = []
    for stamp in stamps_at(50, 1):
        taken += keyframes(schedule, [stamp])
        schedule.stride = 10
    assert taken == [0, 10, 20, 30, 40]


@pytest.mark.parametrize(("stride", "rate", "name"), [(0, 50.0, "stride"), (4, 0.0, "model_rate")])
def test_the_schedule_names_the_argument_that_is_out_of_range(stride, rate, name):
    with pytest.raises(ValueError, match=name):
        KeyframeSchedule(stride, rate)


def test_without_an_image_every_stamp_is_frame_zero_and_the_stride_may_change():
    schedule = KeyframeSchedule(10, 50.0)
    assert schedule.frame(START) == 0
    schedule.stride = 4
    assert keyframes(schedule, stamps_at(50, 0.2)) == [0, 4, 8]


def test_a_rate_below_one_and_a_stride_of_one_are_in_range():
    assert keyframes(KeyframeSchedule(1, 0.5), [START, START + SECOND, START + 2 * SECOND]) == [0, 1]


def test_a_stride_out_of_range_is_refused_while_running_and_the_old_one_stays():
    schedule = KeyframeSchedule(4, 50.0)
    with pytest.raises(ValueError, match="got -1"):
        schedule.stride = -1
    assert schedule.stride == 4


@pytest.mark.parametrize("stride", [4, 10, 20])
@pytest.mark.parametrize("cameras", [2, 4])
def test_cameras_with_phases_take_turns_whenever_they_start(stride, cameras):
    found: list[int] = []
    for camera in range(cameras):
        stamps = stamps_at(50, 4, START + camera * 123_000_000)
        schedule = KeyframeSchedule(stride, 50.0, camera / cameras)
        taken = [frame for frame in keyframes(schedule, stamps) if frame]
        assert {frame % stride for frame in taken} == {camera * stride // cameras}
        assert len(taken) >= 150 // stride
        found += taken
    assert len(set(found)) == len(found)


def test_a_new_stride_keeps_the_phase():
    schedule = KeyframeSchedule(20, 50.0, 0.5)
    stamps = stamps_at(50, 8)
    before = keyframes(schedule, stamps[:200])
    schedule.stride = 8
    after = keyframes(schedule, stamps[200:])
    assert {frame % 20 for frame in before} == {10}
    assert {frame % 8 for frame in after} == {4}


@pytest.mark.parametrize("phase", [-0.1, 1.0, math.nan])
def test_a_phase_outside_the_stride_is_refused(phase):
    with pytest.raises(ValueError, match="phase"):
        KeyframeSchedule(20, 50.0, phase)
