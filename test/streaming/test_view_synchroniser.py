import pytest
from support.clocks import FRAME, START

from uplift_ros.poses import SkeletonFrame
from uplift_ros.streaming.clock import VIEW_PATIENCE_NS
from uplift_ros.streaming.view_synchroniser import ViewSynchroniser

PATIENCE = VIEW_PATIENCE_NS // FRAME


def seen(camera: int, numbers, late: int = 0) -> list[SkeletonFrame]:
    return [SkeletonFrame(START + number * FRAME + late, f"camera{camera}", ()) for number in numbers]


def names(groups) -> list[tuple[int, str]]:
    """Frame number and cameras of each group."""
    return [
        (round((group[0].stamp - START) / FRAME), "".join(frame.frame_id[-1] for frame in group)) for group in groups
    ]


@pytest.mark.parametrize("late", [-9_000_000, 0, 9_000_000])
def test_frames_of_one_time_are_grouped_once_all_cameras_are_as_far(late):
    synchroniser = ViewSynchroniser(2)
    assert synchroniser.push([seen(0, range(10)), []]) == []
    groups = synchroniser.push([[], seen(1, range(10), late)])
    assert names(groups) == [(number, "01") for number in range(10 if late >= 0 else 9)]
    assert all(abs(a.stamp - b.stamp) == abs(late) for a, b in groups)
    assert names(synchroniser.push([[], seen(1, range(10, 20), late)])) == ([] if late >= 0 else [(9, "01")])
    assert names(synchroniser.push([seen(0, range(10, 12)), []])) == [(10, "01"), (11, "01")]


def test_frames_wait_for_a_camera_that_starts_late_and_then_go_on_without_it():
    synchroniser = ViewSynchroniser(2)
    assert synchroniser.push([seen(0, range(PATIENCE + 1)), []]) == []
    groups = synchroniser.push([seen(0, [PATIENCE + 1]), []])
    assert names(groups) == [(number, "0") for number in range(PATIENCE + 2)]
    assert synchroniser.lost == [1]


@pytest.mark.parametrize(("lost", "others"), [(0, "12"), (1, "02"), (2, "01")])
def test_a_lost_camera_is_left_out_until_it_is_back(lost, others):
    synchroniser = ViewSynchroniser(3)
    everyone = synchroniser.push([seen(camera, range(5)) for camera in range(3)])
    assert names(everyone) == [(number, "012") for number in range(5)]
    without = synchroniser.push([seen(camera, range(5, 300)) if camera != lost else [] for camera in range(3)])
    assert (names(without), synchroniser.lost) == ([(number, others) for number in range(5, 300)], [lost])
    again = synchroniser.push([seen(camera, range(300, 303)) for camera in range(3)])
    assert (names(again), synchroniser.lost) == ([(number, "012") for number in range(300, 303)], [])


def test_a_lost_frame_costs_its_own_view_of_that_time():
    groups = ViewSynchroniser(2).push([seen(0, range(8)), seen(1, [0, 1, 5, 6, 7])])
    assert names(groups)[2:6] == [(2, "01"), (3, "0"), (4, "01"), (5, "01")]


@pytest.mark.parametrize("back", [20, 200])
def test_a_recording_that_starts_again_is_followed(back):
    synchroniser = ViewSynchroniser(2)
    old, new = range(back, back + 10), range(10)
    groups = synchroniser.push([[*seen(camera, old), *seen(camera, new)] for camera in range(2)])
    assert names(groups) == [(number, "01") for number in new]
    synchroniser.reset()
    assert names(synchroniser.push([seen(0, old), seen(1, old)])) == [(number, "01") for number in old]
    assert names(synchroniser.push([seen(0, new), seen(1, new)])) == [(number, "01") for number in new]


def test_no_group_is_older_than_the_one_before():
    synchroniser = ViewSynchroniser(2)
    synchroniser.push([seen(0, range(10)), seen(1, range(160))])
    assert synchroniser.lost == [0]
    groups = synchroniser.push([seen(0, range(10, 200)), seen(1, range(160, 170))])
    assert names(groups) == [(number, "01") for number in range(160, 170)]
