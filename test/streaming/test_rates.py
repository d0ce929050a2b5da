import pytest
from support.clocks import MILLISECOND, SECOND

from uplift_ros.streaming.rates import AskedRate, StampRate


def rate(*milliseconds: float) -> float:
    rate = StampRate()
    for stamp in milliseconds:
        rate.add(round(stamp * MILLISECOND))
    return rate.per_second


def test_events_are_counted_by_their_stamps():
    assert rate(0, 20, 40, 60) == pytest.approx(50)


def test_only_the_last_two_seconds_count():
    slow, fast = [0, 1000, 2000], [2000 + 10 * i for i in range(1, 201)]
    assert rate(*slow, *fast) == pytest.approx(100)


def test_events_of_one_stamp_count_as_many():
    assert rate(0, 0, 20) == pytest.approx(100)


@pytest.mark.parametrize("stamps", [(), (5,), (5, 5)])
def test_there_is_no_rate_without_time_between_events(stamps):
    assert rate(*stamps) == 0


def test_a_step_back_in_time_restarts():
    assert rate(5000, 5500, 0, 100) == pytest.approx(10)


def test_an_event_two_seconds_old_still_counts():
    assert rate(0, 2000) == pytest.approx(0.5)
    assert rate(0, 1, 2001) == pytest.approx(0.5)


def asked_rate(every: int, asked: float, until: int) -> AskedRate:
    """Events every so many milliseconds."""
    rate = AskedRate()
    for milliseconds in range(0, until + 1, every):
        rate.add(milliseconds * MILLISECOND, asked)
    return rate


@pytest.mark.parametrize(("every", "short"), [(100, False), (125, False), (130, True), (400, True), (1500, True)])
def test_a_rate_below_four_fifths_of_what_was_asked_falls_short(every, short):
    assert asked_rate(every, asked=10.0, until=4500).falls_short is short


@pytest.mark.parametrize(("until", "short"), [(1999, False), (2000, True)])
def test_a_rate_is_checked_from_two_seconds_on(until, short):
    rate = asked_rate(400, asked=10.0, until=1600)
    rate.add(until * MILLISECOND, 10.0)
    assert rate.falls_short is short


@pytest.mark.parametrize("asked", [1.0, 10.0])
def test_a_stream_begins_at_whatever_time_it_is(asked):
    rate = AskedRate()
    for milliseconds in (0, 1900):
        rate.add((1_700_000_000_000 + milliseconds) * MILLISECOND, asked)
        assert not rate.falls_short
        assert rate.asked == asked


def test_events_of_one_stamp_are_no_jump_back():
    rate = asked_rate(400, asked=10.0, until=4000)
    rate.add(4000 * MILLISECOND, 10.0)
    assert rate.falls_short


def test_a_rate_is_not_checked_right_after_another_one_was_requested():
    rate = asked_rate(400, asked=2.5, until=4000)
    rate.add(4400 * MILLISECOND, 12.5)
    assert not rate.falls_short


def test_a_jump_back_in_time_is_no_shortage():
    rate = asked_rate(100, asked=10.0, until=4000)
    rate.add(0, 10.0)
    assert (rate.falls_short, rate.reached) == (False, 0.0)


def test_events_seconds_apart_have_a_rate_and_fall_short():
    rate = AskedRate()
    for second in (0, 3, 6, 9):
        rate.add(second * SECOND, 10.0)
    assert rate.reached == pytest.approx(1 / 3)
    assert rate.falls_short
