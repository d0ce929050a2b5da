import pytest
from support.clocks import FRAME, at

from uplift_ros.streaming.clock import REQUEST_TOLERANCE_NS
from uplift_ros.streaming.image_history import MAX_BYTES, MAX_REQUESTS, ImageHistory


def history_of(frames, seconds: float = 1.0, size: int = 1) -> ImageHistory[int]:
    history: ImageHistory[int] = ImageHistory(seconds)
    for frame in frames:
        history.add(at(frame), frame, size)
    return history


def answers(history: ImageHistory[int], *frames: float) -> list[int]:
    history.request([at(frame) for frame in frames])
    taken = []
    while (image := history.take()) is not None:
        assert image[0] == at(image[1])
        taken.append(image[1])
    return taken


def test_requests_are_answered_with_the_nearest_images_the_oldest_first():
    history = history_of(range(0, 20, 2))
    assert answers(history, 4.2, 13.9) == [4, 14]
    assert not history.refused


def test_the_newest_request_is_answered_first():
    history = history_of(range(40))
    history.request([at(5), at(10)])
    assert answers(history, 25, 30) == [25, 30, 5, 10]


def test_images_older_than_the_history_are_gone():
    history = history_of(range(40), seconds=0.5)
    assert answers(history, 14, 10) == [14]
    assert history.refused == {"gone": 1}


def test_an_image_that_has_not_arrived_or_was_lost_is_gone():
    history = history_of([0, 1, 2, 20, 21])
    assert REQUEST_TOLERANCE_NS < 5 * FRAME
    assert answers(history, 10, 26) == []
    assert history.refused == {"gone": 2}


def test_a_request_that_waited_until_its_image_was_too_old_is_gone():
    history = history_of(range(20), seconds=0.5)
    history.request([at(5)])
    history.add(at(31), 31, 1)
    assert history.take() is None
    assert history.refused == {"gone": 1}


def test_an_image_becomes_a_key_frame_once():
    history = history_of(range(20))
    history.use(at(10))
    assert answers(history, 10, 5, 5) == [5]
    assert answers(history, 5) == []
    assert history.refused == {"repeated": 3}


def test_a_flood_of_requests_is_bounded_and_counted():
    history = history_of(range(50))
    history.request([at(frame) for frame in range(40)])
    assert history.waiting == MAX_REQUESTS
    assert history.refused == {"flooded": 40 - MAX_REQUESTS}


def test_memory_is_bounded_in_bytes():
    history = history_of(range(20), size=MAX_BYTES * 3 // 10)
    assert answers(history, 14, 17, 18, 19) == [17, 18, 19]
    assert history.refused == {"gone": 1}


def test_an_image_larger_than_the_bound_is_not_kept():
    history = history_of([0], size=MAX_BYTES + 1)
    assert answers(history, 0) == []


def test_a_history_of_no_length_answers_nothing():
    history = history_of(range(5), seconds=0.0)
    history.use(at(2))
    assert answers(history, 3) == []
    assert history.refused == {"gone": 1}


@pytest.mark.parametrize("jump", [-100, 1000])
def test_after_a_jump_in_time_earlier_images_are_gone(jump):
    history = history_of(range(100, 120))
    history.request([at(110)])
    history.add(at(100 + jump), 100 + jump, 1)
    assert history.take() is None
    assert answers(history, 110) == []


def test_the_newest_stamp_is_that_of_the_newest_image():
    assert history_of([3, 5, 4]).newest == at(5)
