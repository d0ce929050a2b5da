import numpy as np
import pytest
from support.clocks import SECOND
from support.crowds import Links, detected, simulate_crowd
from support.places import SHARED

from uplift_ros.poses import Person2D
from uplift_ros.streaming.tracker import PersonTracker

KEYPOINTS = np.array(
    [
        *[(0, 0), (-12, 0), (-13, 45), (-13, 90), (12, 0), (13, 45), (13, 90), (0, -25), (0, -50)],
        *[(0, -62), (0, -75), (18, -48), (24, -20), (25, 5), (-18, -48), (-24, -20), (-25, 5)],
    ],
    float,
)  # 165 pixels tall, so 1 m is about 100 pixels


def person(x: float, y: float = 240.0, missing: tuple[int, ...] = ()) -> Person2D:
    keypoints = KEYPOINTS + np.array([x, y])
    bbox = np.array([*keypoints.min(0), *np.ptp(keypoints, axis=0)])
    keypoints[list(missing)] = np.nan
    return Person2D("", 0.9, bbox, keypoints, np.ones(17))


def ids(tracker: PersonTracker, seconds: float, *persons: Person2D) -> list[str]:
    return [found.id for found in tracker.update(round(seconds * SECOND), persons)]


@pytest.mark.parametrize("gap", [0.08, 0.2, 0.4])
def test_people_who_cross_keep_their_ids_whatever_the_key_frame_gap(gap):
    tracker = PersonTracker()
    for seconds in np.arange(0.0, 4.0, gap):
        rightwards, leftwards = person(100 + 100 * seconds, 220), person(500 - 100 * seconds, 260)
        assert ids(tracker, seconds, rightwards, leftwards) == ["p1", "p2"]


def test_ids_follow_the_people_not_their_order_in_the_list():
    tracker = PersonTracker()
    assert ids(tracker, 0.0, person(100), person(400)) == ["p1", "p2"]
    assert ids(tracker, 0.4, person(410), person(110)) == ["p2", "p1"]


def test_a_runner_is_followed_over_gaps_of_0_4_seconds():
    tracker = PersonTracker()
    for step in range(5):
        assert ids(tracker, 0.4 * step, person(50 + 120 * step)) == ["p1"]


@pytest.mark.parametrize("gap", [0.08, 0.2, 0.4])
def test_a_person_behind_a_pillar_for_a_second_keeps_the_id(gap):
    tracker = PersonTracker()
    walk = {seconds: person(100 + 100 * seconds) for seconds in np.arange(0.0, 4.0, gap)}
    for seconds, walker in walk.items():
        hidden = 1.5 < seconds < 2.5
        assert ids(tracker, seconds, *([] if hidden else [walker])) == ([] if hidden else ["p1"])


def test_a_person_who_stops_behind_a_pillar_is_not_taken_for_one_who_continues():
    tracker = PersonTracker()
    for seconds in (0.0, 0.4, 0.8):
        ids(tracker, seconds, person(100 + 100 * seconds), person(600 - 100 * seconds))
    assert ids(tracker, 1.2, person(480)) == ["p2"]
    assert ids(tracker, 1.6, person(200), person(440)) == ["p1", "p2"]


def test_a_person_unseen_for_longer_than_two_seconds_gets_an_id_never_used_before():
    tracker = PersonTracker()
    ids(tracker, 0.0, person(100))
    assert ids(tracker, 2.1, person(100)) == ["p2"]


@pytest.mark.parametrize(("seconds", "name"), [(1.69, "p1"), (1.71, "p2")])
def test_a_person_unseen_is_remembered_for_1_7_seconds(seconds, name):
    tracker = PersonTracker()
    ids(tracker, 0.0, person(100))
    assert ids(tracker, seconds, person(100)) == [name]


def follows(observations: dict[float, float], seconds: float, x: float) -> bool:
    """Whether a person seen at such seconds and places has the id of the one then seen at x."""
    tracker = PersonTracker()
    for at, place in observations.items():
        assert ids(tracker, at, person(place)) == ["p1"]
    return ids(tracker, seconds, person(x)) == ["p1"]


STATURE = 165.0
FARTHEST = 2.5 * STATURE
"""Pixels to the farthest place that is still believed, at a tolerance of one stature."""


@pytest.mark.parametrize(
    ("observations", "seconds", "expected", "tolerance"),
    [
        pytest.param({0.0: 0}, 0.4, 0, 0.1 + 0.7 * 0.4, id="velocity not known"),
        pytest.param({0.0: 0, 0.4: 0}, 0.8, 0, 0.1 + 0.5 * 0.4, id="at rest"),
        pytest.param({0.0: 0, 0.4: 40}, 1.6, 40 + 100 * (1 - np.exp(-1.2)), 0.1 + 0.5 * 1.2, id="coasting"),
        pytest.param(
            {0.0: 0, 0.4: 40, 0.8: 40}, 1.2, 40 + 100 * np.exp(-0.8) * (1 - np.exp(-0.4)), 0.3, id="slowing down"
        ),
    ],
)
def test_the_place_that_is_believed_grows_with_the_time_unseen(observations, seconds, expected, tolerance):
    limit = expected + FARTHEST * tolerance
    assert follows(observations, seconds, limit - 0.5)
    assert not follows(observations, seconds, limit + 0.5)


def test_of_two_people_in_one_place_the_pose_decides_identity():
    tracker = PersonTracker()
    lying = detected(KEYPOINTS[:, ::-1] + 240.0)
    standing = person(240.0)
    assert ids(tracker, 0.0, standing, lying) == ["p1", "p2"]
    assert ids(tracker, 0.4, lying, standing) == ["p2", "p1"]


def test_a_person_far_from_all_others_is_new():
    tracker = PersonTracker()
    ids(tracker, 0.0, person(100))
    assert ids(tracker, 0.4, person(400)) == ["p2"]


def test_people_entering_and_leaving_do_not_change_the_ids_of_others():
    tracker = PersonTracker()
    ids(tracker, 0.0, person(100), person(400))
    assert ids(tracker, 0.4, person(400)) == ["p2"]
    assert ids(tracker, 0.8, person(700), person(400)) == ["p3", "p2"]


def test_absent_joints_are_left_out_of_the_comparison():
    tracker = PersonTracker()
    ids(tracker, 0.0, person(100, missing=(1, 2, 3)))
    assert ids(tracker, 0.4, person(120, missing=(11, 12, 13))) == ["p1"]
    assert ids(tracker, 0.8, person(140)) == ["p1"]


def test_a_person_without_any_joint_is_new_each_time_and_affects_no_other():
    tracker = PersonTracker()
    ids(tracker, 0.0, person(100))
    assert ids(tracker, 0.4, person(400, missing=tuple(range(17))), person(110)) == ["p2", "p1"]
    assert ids(tracker, 0.8, person(400, missing=tuple(range(17))), person(120)) == ["p3", "p1"]


def test_a_jump_back_in_time_forgets_all_people():
    tracker = PersonTracker()
    ids(tracker, 100.0, person(100))
    assert ids(tracker, 0.0, person(100)) == ["p2"]


def test_a_repeated_stamp_keeps_the_ids():
    tracker = PersonTracker()
    ids(tracker, 1.0, person(100))
    assert ids(tracker, 1.0, person(102)) == ["p1"]


def test_everything_but_the_id_is_handed_on():
    seen = person(100)
    (named,) = PersonTracker().update(0, [seen])
    assert named.keypoints is seen.keypoints
    assert named.score == seen.score


MOTION_CAPTURE = SHARED / "mocap" / "mocap_val.npz"


@pytest.fixture(scope="module")
def crowds():
    """Four people each who come, cross, vanish for a second behind a pillar, and leave."""
    if not MOTION_CAPTURE.exists():
        pytest.skip("needs the motion capture beside the project")
    with np.load(MOTION_CAPTURE) as arrays:
        motions = [arrays[key] for key in arrays.files if "/s1" in key or "/s05" in key]
    rng = np.random.default_rng(0)
    return [simulate_crowd(rng, motions, people=4, seconds=8.0) for _ in range(6)]


@pytest.mark.parametrize(("stride", "share"), [(4, 0.99), (10, 0.97), (20, 0.92)])
def test_people_in_a_crowd_keep_their_ids_from_key_frame_to_key_frame(crowds, stride, share):
    links = Links()
    for index, crowd in enumerate(crowds):
        links.follow(crowd, stride, np.random.default_rng(index))
    print(f"stride {stride}: {links}")
    assert links.true > 100
    assert links.share >= share


def displaced(by: float) -> Person2D:
    """In the pose of person(300), so many statures beside it."""
    return person(300 + by * STATURE)


def bent(by: float, joints: slice = slice(None)) -> Person2D:
    """In the place of person(300), joints by so many statures to the left and right in turns."""
    other = person(300)
    other.keypoints[joints] += np.resize([[by * STATURE, 0.0], [-by * STATURE, 0.0]], other.keypoints[joints].shape)
    other.keypoints[16] = person(300).keypoints[16]  # so that the median of all is the place
    return other


@pytest.mark.parametrize(("seconds", "place", "pose"), [(0.1, 0.17, 0.157), (0.4, 0.38, 0.247), (1.6, 1.22, 0.299)])
def test_a_pose_that_is_as_unlikely_as_a_place_counts_as_much(seconds, place, pose):
    """At deviations of both that grow with the time unseen, the place's evenly and the pose's ever more slowly."""
    changed = bent(1.5 * pose * np.sqrt(17 / 16))
    for deviations, name in ((1.45, "p1"), (1.55, "p2")):
        tracker = PersonTracker()
        ids(tracker, 0.0, person(300))
        assert ids(tracker, seconds, displaced(deviations * place), changed)[0] == name


def test_a_joint_that_the_detector_got_wrong_counts_as_three_deviations():
    wrong = bent(20.0, slice(5, 6))
    for deviations, name in ((0.70, "p1"), (0.76, "p2")):  # 3 / sqrt(17) = 0.73
        tracker = PersonTracker()
        ids(tracker, 0.0, person(300))
        assert ids(tracker, 0.4, displaced(deviations * 0.38), wrong)[0] == name


@pytest.mark.parametrize(("deviations", "name"), [(2.31, "p2"), (2.41, "p1")])
def test_a_person_seen_just_now_is_likelier_than_one_who_was_here_long_ago(deviations, name):
    """The place is known to 0.25 after 0.3 s, to 1.01 after 1.3 s: sqrt(4 log(1.01 / 0.25)) = 2.36 deviations."""
    tracker = PersonTracker()
    near = displaced(deviations * 0.25)
    assert ids(tracker, 0.0, person(300), near) == ["p1", "p2"]
    assert ids(tracker, 1.0, near) == ["p2"]
    assert ids(tracker, 1.3, person(300)) == [name]


def test_a_joint_of_which_one_coordinate_is_unknown_is_left_out():
    tracker = PersonTracker()
    half = person(300)
    half.keypoints[:8, 0] = np.nan
    ids(tracker, 0.0, half)
    assert ids(tracker, 0.4, person(310)) == ["p1"]


def between(tracker: PersonTracker, seconds: float, *persons: Person2D) -> list[str]:
    return [found.id for found in tracker.update_between(round(seconds * SECOND), persons)]


def test_in_an_older_image_people_are_those_between_their_neighbours():
    """They cross: at the middle each is where the other will be nearest."""
    tracker = PersonTracker()
    ids(tracker, 0.0, person(100), person(300))
    assert ids(tracker, 0.4, person(180), person(220)) == ["p1", "p2"]
    assert ids(tracker, 0.8, person(260), person(140)) == ["p1", "p2"]
    assert between(tracker, 0.6, person(181), person(219)) == ["p2", "p1"]
    assert between(tracker, 0.7, person(239), person(161)) == ["p1", "p2"]


def test_older_images_do_not_move_the_tracks():
    tracker, plain = PersonTracker(), PersonTracker()
    for seconds in (0.0, 0.4):
        assert ids(tracker, seconds, person(100 + 200 * seconds)) == ids(plain, seconds, person(100 + 200 * seconds))
    for seconds in (0.1, 0.2, 0.3):
        assert between(tracker, seconds, person(100 + 200 * seconds)) == ["p1"]
    assert vars(tracker._tracks[0]).keys() == vars(plain._tracks[0]).keys()
    for ours, theirs in zip(vars(tracker._tracks[0]).values(), vars(plain._tracks[0]).values(), strict=True):
        np.testing.assert_equal(ours, theirs)


def test_a_person_is_found_in_images_before_the_first_one():
    tracker = PersonTracker()
    ids(tracker, 0.0)
    ids(tracker, 0.4, person(100))
    assert between(tracker, 0.2, person(95)) == ["p1"]


def test_a_person_whom_only_an_older_image_shows_has_an_id_of_their_own():
    tracker = PersonTracker()
    ids(tracker, 0.0, person(100))
    ids(tracker, 0.4, person(100))
    assert between(tracker, 0.2, person(100), person(500)) == ["p1", "p2"]
    assert ids(tracker, 0.8, person(100), person(510)) == ["p1", "p2"]
