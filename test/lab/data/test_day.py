"""A robot's day: visits with long pauses, of real poses at their real speed."""

import numpy as np
import pytest
from support.paper_data import motion

from uplift_ros import metrics
from uplift_ros.lab.data import day
from uplift_ros.lab.data.mocap import Sequence

RATE = 50.0
BOXING = motion(150, 100)
SWAY = np.stack([BOXING[0] + 1e-3 * np.sin(frame / 8) * np.arange(17)[:, None] / 17 for frame in range(80)])
STAYS, PASSES = Sequence("stays", np.concatenate([SWAY, BOXING])), Sequence("passes", BOXING)


def test_a_pause_is_found_where_the_person_moves_slowly_for_a_second():
    ((begin, end),) = day.pauses(STAYS.joints, RATE)
    assert begin == 0
    assert 60 <= end <= 85
    assert day.pauses(PASSES.joints, RATE) == []


def test_a_day_lasts_as_long_as_asked_and_is_mostly_slow():
    visits = day.robot_day([STAYS, PASSES], 5.0, RATE, seed=0)
    lasts = sum(len(visit.joints) for visit in visits) / RATE / 60
    assert 5.0 <= lasts < 5.0 + day.LASTING_S[1] / 30
    speed = np.concatenate([metrics.velocity(visit.joints, RATE) for visit in visits])
    assert 0.02 < (speed > 0.5).mean() < 0.25
    assert {visit.name for visit in visits} == {"stays", "passes"}


def test_a_prolonged_pause_keeps_poses_speeds_and_the_motion_after_it():
    visit = next(visit for visit in day.robot_day([STAYS, PASSES], 1.0, RATE, seed=0) if visit.name == "stays")
    assert len(visit.joints) > day.LASTING_S[0] * RATE
    np.testing.assert_array_equal(visit.joints[-len(BOXING) :], BOXING)
    assert metrics.velocity(visit.joints, RATE).max() <= metrics.velocity(STAYS.joints, RATE).max()


def test_equal_seeds_give_equal_days():
    first, second, other = (day.robot_day([STAYS, PASSES], 2.0, RATE, seed=seed) for seed in (1, 1, 2))
    assert [len(visit.joints) for visit in first] == [len(visit.joints) for visit in second]
    assert [len(visit.joints) for visit in first] != [len(visit.joints) for visit in other]


@pytest.mark.parametrize("sequences", [[STAYS], [PASSES], []])
def test_a_day_needs_people_who_stay_and_people_who_pass(sequences):
    with pytest.raises(ValueError, match="data"):
        day.robot_day(sequences, 1.0, RATE, seed=0)


def test_a_day_of_no_minutes_is_refused():
    with pytest.raises(ValueError, match="day"):
        day.robot_day([STAYS, PASSES], 0.0, RATE, seed=0)
