"""Stamps of key-frames to tokens, and frames to stamps."""

import numpy as np
import pytest
from support.clocks import MILLISECOND, START

from uplift_ros.models.configs import compact, n351
from uplift_ros.streaming.timeline import Timeline


def timeline(*milliseconds: float, config=None) -> Timeline:
    made = Timeline(config or compact())
    for at in milliseconds:
        made.add(START + round(at * MILLISECOND))
    return made


def test_a_key_frame_lies_on_the_token_nearest_to_its_stamp():
    made = timeline(0)
    assert [made.token(START + at * MILLISECOND) for at in (0, 19, 21, 400, 419)] == [0, 0, 1, 10, 10]


def test_errors_of_single_stamps_do_not_add_up():
    """Key-frames 1.67 tokens apart: counted from each other they would drift by a fifth."""
    made = timeline(*np.arange(150) * 1000 / 15)
    assert made.newest == round(149 / 15 * 25)


def test_tokens_are_as_far_apart_as_the_model_wants_them():
    assert timeline(0, 400, config=n351()).newest == 4


def test_key_frames_keep_their_stamps_and_frames_between_share_the_time_evenly():
    made = timeline(0, 200, 430)
    assert made.newest == 11
    at = [(made.stamp(frame) - START) / MILLISECOND for frame in (0, 5, 10, 16, 22)]
    assert at == [0, 100, 200, 315, 430]


@pytest.mark.parametrize(
    ("at", "breaks"), [(-5000, True), (899.9, True), (900, False), (1000, False), (2619.9, False), (2620, True)]
)
def test_time_jumps_more_than_a_tenth_of_a_second_back_or_a_window_ahead(at, breaks):
    assert timeline(0, 1000).breaks_at(START + round(at * MILLISECOND)) is breaks


def test_nothing_jumps_before_the_first_key_frame():
    assert not timeline().breaks_at(START)
    assert timeline().newest == -1


def test_frames_after_the_last_key_frame_forgotten_still_have_their_time():
    made = timeline(0, 200, 400, 600)
    made.forget(12)
    assert (made.stamp(25) - START) / MILLISECOND == 500


def test_the_newest_key_frame_is_never_forgotten():
    made = timeline(0, 200, 400)
    made.forget(1000)
    assert made.newest == 10
    assert made.stamp(20) == START + 400 * MILLISECOND
    assert made.token(START + 600 * MILLISECOND) == 15


def test_a_key_frame_may_be_added_between_two_others():
    made = timeline(0, 400, 210)
    assert (made.newest, made.has(5), made.has(6)) == (10, True, False)
    assert made.halves(5) == ((0, 5), (5, 10))
    assert [(made.stamp(frame) - START) / MILLISECOND for frame in (5, 10, 15, 20)] == [105, 210, 305, 400]
