from support.clocks import MILLISECOND

from uplift_ros.drawing.image_buffer import MAX_OVERLAY_BYTES, WaitingImages


def waiting(*stamps: int, size: int = 100) -> WaitingImages[str]:
    images: WaitingImages[str] = WaitingImages()
    for stamp in stamps:
        images.push(stamp * MILLISECOND, f"at {stamp}", size)
    return images


def test_the_image_of_the_same_time_is_found():
    assert waiting(0, 20, 40).take(20 * MILLISECOND) == "at 20"


def test_older_images_leave_with_it_and_newer_ones_stay():
    images = waiting(0, 20, 40)
    images.take(20 * MILLISECOND)
    assert len(images) == 1


def test_an_image_is_given_once():
    images = waiting(20)
    images.take(20 * MILLISECOND)
    assert images.take(20 * MILLISECOND) is None


def test_an_image_of_nearly_the_same_time_will_do():
    assert waiting(20).take(29 * MILLISECOND) == "at 20"


def test_an_image_of_another_time_will_not_do():
    assert waiting(20).take(31 * MILLISECOND) is None


def test_the_oldest_go_when_all_are_too_large():
    images = waiting(0, 20, 40, size=MAX_OVERLAY_BYTES * 2 // 5)
    assert images.take(0) is None
    assert images.take(20 * MILLISECOND) == "at 20"


def test_a_stamp_that_jumps_back_empties_the_queue():
    images = waiting(1000, 1020, 0)
    assert len(images) == 1
    assert images.take(0) == "at 0"


def test_of_several_images_of_nearly_the_same_time_the_nearest_is_found():
    images = waiting(0, 8, 16, 24)
    assert images.take(8 * MILLISECOND) == "at 8"
    assert images.take(21 * MILLISECOND) == "at 24"
