import pytest

from uplift_ros.online.rates import StampRate

MILLISECOND = 1_000_000


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


@pytest.mark.parametrize("stamps", [(), (5,), (5, 5)])
def test_there_is_no_rate_without_time_between_events(stamps):
    assert rate(*stamps) == 0


def test_a_step_back_in_time_starts_anew():
    assert rate(5000, 5500, 0, 100) == pytest.approx(10)
