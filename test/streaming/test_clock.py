import pytest

from uplift_ros.streaming.clock import (
    MAX_DISORDER_NS,
    MAX_SKELETON_GAP_NS,
    PAUSE_NS,
    check_time,
    is_break,
    is_pause,
    is_same_motion,
)

NOW = 1_000_000_000_000


@pytest.mark.parametrize(("stamp", "previous"), [(0, None), (1, 0), (NOW, None), (1, NOW)])
def test_zero_is_a_time_only_at_the_beginning(stamp, previous):
    check_time(stamp, previous)


@pytest.mark.parametrize(("stamp", "previous"), [(-1, None), (-1, NOW), (0, 0), (0, NOW)])
def test_stamps_that_are_no_times_are_refused(stamp, previous):
    with pytest.raises(ValueError, match=r"header\.stamp"):
        check_time(stamp, previous)


@pytest.mark.parametrize(
    ("gap", "breaks"), [(0, False), (7, False), (8, True), (-MAX_DISORDER_NS, False), (-MAX_DISORDER_NS - 1, True)]
)
def test_a_stream_breaks_after_its_longest_gap_and_at_a_jump_back(gap, breaks):
    assert is_break(NOW + gap, NOW, longest_gap_ns=7) is breaks


@pytest.mark.parametrize(("gap", "pauses"), [(PAUSE_NS, False), (PAUSE_NS + 1, True), (-PAUSE_NS - 1, False)])
def test_a_stream_pauses_only_forwards(gap, pauses):
    assert is_pause(NOW + gap, NOW) is pauses


@pytest.mark.parametrize(
    ("gap", "same"), [(0, False), (1, True), (MAX_SKELETON_GAP_NS, True), (MAX_SKELETON_GAP_NS + 1, False), (-1, False)]
)
def test_a_motion_continues_forwards_without_a_gap(gap, same):
    assert is_same_motion(NOW + gap, NOW) is same
