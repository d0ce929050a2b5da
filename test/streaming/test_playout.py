"""Playout of bursts at an even pace."""

import numpy as np
import pytest

from uplift_ros.poses import SkeletonFrame
from uplift_ros.streaming.playout import MEMORY_PERIODS, SPARE_FRAMES, Playout


def played(bursts: dict[int, int], periods: int) -> tuple[list[int], list[int]]:
    """(period, number) of every frame played out if so many frames arrive in such periods."""
    playout, given, number = Playout(), [], 0
    for period in range(periods):
        burst = bursts.get(period, 0)
        playout.push([SkeletonFrame(number + index, "camera", ()) for index in range(burst)])
        number += burst
        given += [(period, frame.stamp) for frame in playout.take()]
    at, numbers = zip(*given, strict=True)
    assert list(numbers) == list(range(len(numbers)))
    return list(at), list(numbers)


def test_bursts_leave_one_frame_in_every_period():
    at, _ = played(dict.fromkeys(range(0, 200, 20), 20), 200)
    assert at == list(range(200))


def test_one_late_burst_makes_one_pause_and_no_other():
    rng = np.random.default_rng(0)
    bursts = {20 * index + (0 if index == 0 else 8 if index == 3 else int(rng.integers(8))): 20 for index in range(9)}
    at, _ = played(bursts, 180)
    pauses = np.flatnonzero(np.diff(at) > 1)
    assert at[-1] == 179
    assert len(pauses) <= 3
    assert not len(pauses[pauses > 68])


@pytest.mark.parametrize("stride", [2, 4, 10, 20])
def test_frames_are_at_most_one_period_older_than_an_even_pace_needs(stride):
    """The frames of a burst were due one by one: an even pace delays the newest by the stride and the jitter."""
    rng = np.random.default_rng(stride)
    arrivals = {stride * (1 + index) + int(rng.integers(0, 2)): stride for index in range(1500 // stride)}
    at, numbers = played(arrivals, 1500)
    needed = max(arrival - stride * index for index, arrival in enumerate(arrivals))
    steady = slice(2 * MEMORY_PERIODS, None)
    assert np.mean(np.subtract(at, numbers)[steady]) <= needed + 1


def test_a_delay_that_has_become_too_long_shrinks_at_double_pace():
    slow = dict.fromkeys(range(0, 100, 20), 20)
    fast = dict.fromkeys(range(84, 84 + 2 * MEMORY_PERIODS, 4), 4)
    at, numbers = played(slow | fast, 84 + 2 * MEMORY_PERIODS)
    assert max(np.bincount(at)) == 2
    assert np.diff(at).max() == 1
    newest = 100 + 4 * (2 * MEMORY_PERIODS // 4) - 1
    assert newest - numbers[-1] <= SPARE_FRAMES + 4


def test_two_frames_may_be_there_in_every_period():
    at, _ = played({0: 2} | dict.fromkeys(range(1, 3 * MEMORY_PERIODS), 1), 3 * MEMORY_PERIODS)
    assert max(np.bincount(at)) == 1


def test_of_three_in_every_period_one_is_made_up_for_after_five_seconds():
    at, _ = played({0: 3} | dict.fromkeys(range(1, 600), 1), 600)
    assert np.flatnonzero(np.bincount(at) == 2).tolist() == [249]


def test_a_flush_forgets_how_many_waited():
    playout, frame = Playout(), SkeletonFrame(0, "camera", ())
    playout.push([frame] * 300)
    for _ in range(MEMORY_PERIODS - 1):
        playout.take()
    playout.flush()
    playout.push([frame] * 10)
    assert len(playout.take()) == 1


def test_what_waits_can_be_had_at_once():
    playout = Playout()
    frames = [SkeletonFrame(stamp, "camera", ()) for stamp in range(5)]
    playout.push(frames)
    assert playout.take() == frames[:1]
    assert playout.flush() == frames[1:]
    assert playout.take() == []


def test_what_was_made_up_for_counts_as_no_longer_waiting():
    """With four in every period, one is caught up after five seconds, and one right after it."""
    at, _ = played({0: 4} | dict.fromkeys(range(1, 600), 1), 600)
    assert np.flatnonzero(np.bincount(at) == 2).tolist() == [MEMORY_PERIODS - 1, MEMORY_PERIODS]


def test_frames_that_come_faster_than_they_leave_do_not_pile_up():
    at, numbers = played(dict.fromkeys(range(3000), 4), 3000)
    assert len(numbers) >= 4 * 3000 - MEMORY_PERIODS
    assert at == sorted(at)
