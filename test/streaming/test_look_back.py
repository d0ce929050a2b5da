"""Which older images are requested, and how long their interval waits."""

import numpy as np
import pytest
from support.clocks import TOKENS_PER_SECOND

from uplift_ros.streaming.look_back import MOVED, ONSET, SURPRISE, LookBackRule, OpenRequests
from uplift_ros.streaming.track import Motion

SHORTEST = 2


def motion(velocity: np.ndarray, observed=(0, 10), shift: float = 0.0) -> Motion:
    """Motion from token 0 on; every joint is `shift` metres away at every token."""
    count = len(velocity)
    joints = np.full((count, 17, 3), [shift, 0.0, 0.0])
    zeros = np.zeros((count, 17))
    return Motion(0, joints, np.zeros((count, 3)), zeros, velocity, zeros, frozenset(observed))


def middle(left: int, right: int, *motions) -> int | None:
    return LookBackRule(SHORTEST, TOKENS_PER_SECOND).middle(left, right, motions)


def steady(speed: float, count: int = 21) -> np.ndarray:
    return np.full(count, speed)


@pytest.mark.parametrize(("left", "right"), [(0, 10), (5, 10), (2, 20)])
def test_an_interval_is_halved_if_the_motion_is_fast_for_its_length(left, right):
    limit = MOVED / ((right - left) / TOKENS_PER_SECOND) ** 2
    assert middle(left, right, (motion(steady(1.01 * limit)), None)) == (left + right) // 2
    assert middle(left, right, (motion(steady(0.99 * limit)), None)) is None


def test_halves_shorter_than_the_shortest_interval_are_not_made():
    fast = motion(steady(9.0))
    assert middle(6, 10, (fast, None)) == 8
    assert middle(7, 10, (fast, None)) is None


def test_one_fast_person_is_enough():
    still, fast = motion(steady(0.0)), motion(steady(1.0))
    assert middle(0, 10, (still, None), (fast, None)) == 5
    assert middle(0, 10, (still, None)) is None
    assert middle(0, 10) is None


@pytest.mark.parametrize(("shift", "wanted"), [(1.1 * SURPRISE, 7), (0.9 * SURPRISE, None)])
def test_a_middle_that_moves_what_was_upsampled_there_has_its_halves_halved(shift, wanted):
    before = motion(steady(0.0), observed=(0, 10))
    after = motion(steady(0.0), observed=(0, 5, 10), shift=shift)
    assert middle(5, 10, (after, before)) == wanted


def test_a_pose_that_moves_where_nothing_new_was_seen_is_no_reason():
    before, after = motion(steady(0.0)), motion(steady(0.0), shift=1.0)
    assert middle(0, 10, (after, before)) is None


@pytest.mark.parametrize(("earlier", "wanted"), [(0.5 * ONSET, 17), (1.2 * ONSET, None)])
def test_the_onset_of_fast_motion_is_halved(earlier, wanted):
    velocity = np.where(np.arange(21) > 15, 1.1 * ONSET, earlier)
    assert middle(15, 20, (motion(velocity), None)) == wanted


def test_an_interval_that_the_motion_does_not_cover_is_left_alone():
    assert middle(15, 25, (motion(steady(9.0)), None)) is None


def test_an_interval_waits_until_all_its_images_have_come():
    requests = OpenRequests(patience=2)
    requests.ask(0, {3, 8})
    assert requests.held == 0
    assert requests.answer(8) == 0
    requests.fill(0, 8)
    assert requests.complete(0) is None
    assert requests.answer(2) == 0, "the image nearest to a request need not lie at its token"
    requests.fill(0, 2)
    assert requests.complete(0) == [2, 8]
    requests.ask(0, set())
    assert requests.held is None


def test_more_requests_for_an_interval_do_not_prolong_its_wait():
    requests = OpenRequests(patience=2)
    requests.ask(0, {5})
    requests.expire(10)
    requests.answer(5)
    requests.fill(0, 5)
    assert requests.complete(0) == [5]
    requests.ask(0, {2, 7})
    assert requests.expire(12) == 2
    assert requests.held is None


def test_an_image_far_from_every_request_answers_none():
    requests = OpenRequests(patience=2)
    requests.ask(0, {5})
    assert requests.answer(7) is None
    assert requests.held == 0


def test_no_wait_for_nothing():
    requests = OpenRequests(patience=2)
    requests.ask(0, set())
    assert requests.held is None


def test_a_wait_ends_some_tokens_after_the_next_scheduled_key_frame():
    requests = OpenRequests(patience=2)
    requests.ask(0, {3, 5})
    assert [requests.expire(newest) for newest in (12, 13, 14)] == [0, 0, 2]
    assert requests.held is None


def test_without_patience_a_wait_ends_at_the_next_scheduled_key_frame():
    requests = OpenRequests(patience=0)
    requests.ask(0, {5})
    assert requests.expire(12) == 1


def test_the_oldest_interval_that_waits_holds_the_frames():
    requests = OpenRequests(patience=9)
    requests.ask(0, {5})
    requests.ask(10, {15})
    assert requests.held == 0
    assert requests.answer(5) == 0
    assert requests.complete(0) == []
    requests.ask(0, set())
    assert requests.held == 10
    assert requests.clear() == 1
    assert requests.held is None
