import numpy as np
import pytest
from support import tiny
from support.clocks import FRAME

from uplift_ros.stages.detection import DetectionStage

BRIGHT = np.full((120, 160, 3), 90, np.uint8)


@pytest.fixture
def stage() -> DetectionStage:
    return DetectionStage(tiny.BrightPerson(), stride=10, model_rate=50.0)


def test_a_busy_estimator_gets_a_later_image_and_one_key_frame_counts_as_dropped(stage):
    assert stage.take(0) == 10
    taken = {frame: stage.take(frame * FRAME, is_busy=frame < 13) for frame in range(1, 15)}
    assert [frame for frame, stride in taken.items() if stride] == [13]
    assert stage.dropped == 1


def test_a_key_frame_has_the_stride_at_which_it_was_taken(stage):
    stride = stage.take(0)
    stage.stride = 4
    assert stage.detect(0, "camera", BRIGHT, stride).stride == 10
    assert stage.push(4 * FRAME, "camera", lambda: BRIGHT).stride == 4


def test_after_a_reset_people_are_new_and_key_frames_are_counted_on(stage):
    before = stage.push(0, "camera", lambda: BRIGHT)
    moved = stage.push(10 * FRAME, "camera", lambda: BRIGHT)
    stage.reset()
    after = stage.push(11 * FRAME, "camera", lambda: BRIGHT)
    assert [keyframe.sequence for keyframe in (before, moved, after)] == [0, 1, 2]
    assert [keyframe.persons[0].id for keyframe in (before, moved, after)] == ["p1"] * 3


def test_the_rate_of_key_frames_is_held_against_the_stride(stage):
    for frame in range(0, 200, 20):  # every other one is missing
        stage.push(frame * FRAME, "camera", lambda: BRIGHT)
    assert (stage.rate.asked, stage.rate.reached) == (5.0, pytest.approx(2.5))
    assert stage.rate.falls_short
