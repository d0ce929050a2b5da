import numpy as np
import pytest
from support.bright_person import BrightPerson
from support.clocks import FRAME

from uplift_ros.poses import Origin
from uplift_ros.stages.detection import DetectionStage

BRIGHT = np.full((120, 160, 3), 90, np.uint8)


@pytest.fixture
def stage() -> DetectionStage:
    return DetectionStage(BrightPerson(), stride=10, model_rate=50.0)


def test_a_busy_estimator_gets_a_later_image_and_one_key_frame_counts_as_dropped(stage):
    assert stage.take(0) == 10
    taken = {frame: stage.take(frame * FRAME, is_busy=frame < 13) for frame in range(1, 15)}
    assert [frame for frame, stride in taken.items() if stride] == [13]
    assert stage.dropped == 1


@pytest.mark.parametrize("stamp", [0, -FRAME])
def test_an_image_without_a_time_is_refused_and_the_stream_continues(stage, stamp):
    start = 1000 * FRAME
    assert stage.take(start) == 10
    with pytest.raises(ValueError, match=r"header\.stamp"):
        stage.take(stamp)
    taken = [frame for frame in range(1, 11) if stage.take(start + frame * FRAME)]
    assert taken == [10]


def test_the_image_after_one_that_cannot_be_decoded_becomes_the_key_frame(stage):
    def broken():
        raise ValueError("no image")

    for frame in range(0, 31, 2):
        images = {10: broken, 12: broken}
        try:
            keyframe = stage.push(frame * FRAME, "camera", images.get(frame, lambda: BRIGHT))
        except ValueError:
            assert frame in images
        else:
            assert (keyframe is not None) == (frame in (0, 14, 20, 30))


def test_a_key_frame_has_the_stride_at_which_it_was_taken(stage):
    stride = stage.take(0)
    stage.stride = 4
    assert stage.detect(0, "camera", lambda: BRIGHT, stride).stride == 10
    assert stage.push(4 * FRAME, "camera", lambda: BRIGHT).stride == 4


def test_estimates_are_quick_for_two_seconds_after_an_image_that_had_to_wait():
    estimator = BrightPerson()
    stage = DetectionStage(estimator, stride=10, model_rate=50.0)
    quick = []
    for frame in range(0, 160, 10):
        stride = stage.take(frame * FRAME, is_busy=frame == 30)
        if stride is not None:
            before = estimator.quick
            stage.detect(frame * FRAME, "camera", lambda: BRIGHT, stride)
            quick.append((frame, estimator.quick > before))
    assert [frame for frame, was_quick in quick if was_quick] == [*range(40, 130, 10)]


def test_estimates_are_quick_if_a_request_has_to_wait():
    estimator = BrightPerson()
    stage = DetectionStage(estimator, stride=10, model_rate=50.0, look_back=1.0)
    for frame in range(15):
        stage.push(frame * FRAME, "camera", lambda: BRIGHT)
    stage.history.request([5 * FRAME])
    assert not stage.is_quick
    assert stage.take_requested(estimate_seconds=0.2) is None
    assert stage.is_quick
    assert [keyframe.origin for keyframe in stage.look_back([7 * FRAME])] == [Origin.LOOK_BACK] * 2
    assert (estimator.images, estimator.quick) == (4, 2)


def test_after_a_reset_people_are_new_and_key_frames_are_counted_on(stage):
    before = stage.push(0, "camera", lambda: BRIGHT)
    moved = stage.push(10 * FRAME, "camera", lambda: BRIGHT)
    stage.reset()
    after = stage.push(11 * FRAME, "camera", lambda: BRIGHT)
    assert [keyframe.sequence for keyframe in (before, moved, after)] == [0, 1, 2]
    assert [keyframe.persons[0].id for keyframe in (before, moved, after)] == ["p1", "p1", "p2"]


def test_estimates_are_not_quick_after_a_recording_has_started_again():
    estimator = BrightPerson()
    stage = DetectionStage(estimator, stride=10, model_rate=50.0)
    for frame in (1000, 1010):
        stage.take(frame * FRAME, is_busy=True)
    assert stage.is_quick
    stage.push(10 * FRAME, "camera", lambda: BRIGHT)
    assert not stage.is_quick
    assert (estimator.images, estimator.quick) == (1, 0)


def test_the_rate_of_key_frames_is_held_against_the_stride(stage):
    for frame in range(0, 200, 20):  # every other one is missing
        stage.push(frame * FRAME, "camera", lambda: BRIGHT)
    assert (stage.rate.asked, stage.rate.reached) == (5.0, pytest.approx(2.5))
    assert stage.rate.falls_short


@pytest.fixture
def looking_back() -> DetectionStage:
    """A stage that took images until frame 20, whose brightness is their number."""
    made = DetectionStage(BrightPerson(), stride=20, model_rate=50.0, look_back=0.5)
    for frame in range(21):
        made.push(frame * FRAME, "camera", lambda frame=frame: BRIGHT + np.uint8(frame), 1)
    return made


def test_older_images_become_key_frames_on_request_with_their_own_stamp(looking_back):
    older = list(looking_back.look_back([5 * FRAME, 10 * FRAME + 1]))
    assert [keyframe.stamp for keyframe in older] == [5 * FRAME, 10 * FRAME]
    assert [keyframe.origin for keyframe in older] == [Origin.LOOK_BACK] * 2
    assert [keyframe.sequence for keyframe in older] == [2, 3]
    assert [keyframe.persons[0].id for keyframe in older] == ["p1"] * 2
    assert older[0].persons[0].keypoints[0, 0] < older[1].persons[0].keypoints[0, 0], "each shows its own image"


def test_requests_do_not_move_the_schedule(looking_back):
    list(looking_back.look_back([15 * FRAME]))
    taken = [frame for frame in range(21, 45) if looking_back.take(frame * FRAME)]
    assert taken == [40]
    assert looking_back.rate.asked == 2.5


def test_an_older_image_that_cannot_be_decoded_is_counted_and_left_out():
    def broken() -> np.ndarray:
        raise ValueError("image is damaged")

    stage = DetectionStage(BrightPerson(), stride=20, model_rate=50.0, look_back=0.5)
    for frame in range(21):
        stage.push(frame * FRAME, "camera", broken if frame == 5 else lambda: BRIGHT)
    assert [keyframe.stamp for keyframe in stage.look_back([5 * FRAME, 10 * FRAME])] == [10 * FRAME]
    assert stage.history.refused == {"undecodable": 1}


@pytest.mark.parametrize(("estimate_seconds", "answered"), [(0.39, True), (0.41, False)])
def test_a_request_waits_if_a_scheduled_key_frame_would_be_delayed(looking_back, estimate_seconds, answered):
    looking_back.history.request([10 * FRAME])
    assert (looking_back.take_requested(estimate_seconds) is not None) is answered
    assert looking_back.history.waiting == (not answered)


def test_without_a_history_no_request_is_answered(stage):
    stage.push(0, "camera", lambda: BRIGHT)
    stage.push(5 * FRAME, "camera", lambda: BRIGHT)
    assert list(stage.look_back([5 * FRAME])) == []
    assert stage.history.refused == {"gone": 1}


def test_a_reset_drops_the_images(looking_back):
    looking_back.reset()
    assert list(looking_back.look_back([10 * FRAME])) == []


def test_a_key_frame_that_was_taken_waits_for_no_request(looking_back):
    for frame in range(21, 41):
        stride = looking_back.take(frame * FRAME, ("camera", lambda: BRIGHT), 1)
    looking_back.history.request([25 * FRAME, 35 * FRAME])
    assert looking_back.take_requested() is None
    looking_back.detect(40 * FRAME, "camera", lambda: BRIGHT, stride)
    assert looking_back.take_requested() is not None
