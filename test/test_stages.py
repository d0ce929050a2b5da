"""The overlapping stages against the pipeline that takes one image after the other."""

import weakref
from collections.abc import Iterator
from contextlib import closing

import numpy as np
import pytest
import tiny

from uplift_ros.bags.footage import Shot
from uplift_ros.bags.stages import KEYFRAMES_AHEAD, Stretch, raw_stretches
from uplift_ros.camera import Camera
from uplift_ros.online.keyframes import KeyframeSchedule
from uplift_ros.online.refiner import StreamingRefiner
from uplift_ros.online.stride import AdaptiveStride, FixedStride, StrideController
from uplift_ros.online.uplifter import StreamingUplifter
from uplift_ros.pipeline import Pipeline, Step

FRAME = 20_000_000
CAMERA = Camera.from_fov(1.0, 160, 120)
CONTROLLERS = {
    "fixed": lambda: FixedStride(10, 2),
    "fixed, not as it begins": lambda: FixedStride(20, 2),
    "adaptive": lambda: AdaptiveStride(20, 4, 0.5, 10, s_out=2),
}
STRIDES = {"fixed": {10}, "fixed, not as it begins": {20}, "adaptive": {4, 20}}


class Walk:
    """50 Hz of somebody who walks, stands and walks; counts the images that were made and those in memory."""

    def __init__(self, length: int) -> None:
        self.length = length
        self.made: list[int] = []
        self.alive: list[weakref.ref] = []
        self.most = 0
        self.closed = False

    def shots(self) -> Iterator[Shot]:
        for i in range(self.length):
            assert not self.closed
            yield Shot(i * FRAME, "camera", CAMERA, lambda i=i: self._image(i))

    def _image(self, i: int) -> np.ndarray:
        self.made.append(i)
        brightness = 40 + 2 * min(i, 40) + 2 * max(0, i - 80)
        image = np.full((120, 160, 3), brightness % 256, np.uint8)
        self.alive = [one for one in (*self.alive, weakref.ref(image)) if one() is not None]
        self.most = max(self.most, len(self.alive))
        return image

    def close(self) -> None:
        self.closed = True


def pipeline(controller: StrideController) -> Pipeline:
    return Pipeline(
        tiny.BrightPerson(),
        StreamingUplifter(tiny.uplift()),
        StreamingRefiner("none", 0),
        controller,
        KeyframeSchedule(10, 50.0),
    )


def stretches(walk: Walk, chain: Pipeline) -> list[Stretch]:
    with closing(raw_stretches(walk, chain)) as made:
        return list(made)


@pytest.mark.parametrize("name", CONTROLLERS)
def test_the_same_comes_out_as_of_one_image_after_the_other(name):
    chain, overlapping = pipeline(CONTROLLERS[name]()), pipeline(CONTROLLERS[name]())
    steps = [chain.push(shot.stamp, shot.frame_id, shot.camera, shot.image) for shot in Walk(157).shots()]
    expected = [step for step in steps if step.keyframe]
    results = [overlapping.refine(stretch.step) for stretch in stretches(Walk(157), overlapping)]
    assert {step.decision.stride for step in expected} == STRIDES[name]
    for step, twin in zip(expected, results, strict=False):
        assert_same(step, twin)
    assert results[len(expected) :] == [Step()] * (len(results) - len(expected))
    assert len(results) <= len(expected) + 1


def assert_same(step: Step, twin: Step) -> None:
    assert (step.velocity, step.decision) == (twin.velocity, twin.decision)
    assert step.keyframe is not None
    assert twin.keyframe is not None
    assert step.keyframe.stamp == twin.keyframe.stamp
    assert step.keyframe.stride == twin.keyframe.stride
    for frame, other in zip(step.refined, twin.refined, strict=True):
        assert frame.stamp == other.stamp
        for person, same in zip(frame.persons, other.persons, strict=True):
            np.testing.assert_array_equal(person.joints, same.joints)


@pytest.mark.parametrize("controller", CONTROLLERS.values(), ids=CONTROLLERS)
def test_every_image_is_in_one_stretch_that_ends_at_a_key_frame(controller):
    results = stretches(Walk(157), pipeline(controller()))
    assert [image.stamp // FRAME for stretch in results for image in stretch.images] == list(range(157))
    for stretch in results[:-1]:
        assert stretch.step.keyframe is not None
        assert stretch.step.keyframe.stamp == stretch.images[-1].stamp


def test_images_between_key_frames_are_never_made():
    walk = Walk(157)
    stretches(walk, pipeline(FixedStride(10, 2)))
    assert walk.made == list(range(0, 157, 10))


@pytest.mark.parametrize("controller", CONTROLLERS.values(), ids=CONTROLLERS)
def test_no_image_stays_in_memory_however_long_the_recording(controller):
    walk = Walk(1500)
    stretches(walk, pipeline(controller()))
    assert len(walk.made) >= 75
    assert walk.most <= 2  # one that was looked at, one that is looked at


def test_a_slow_writer_holds_the_estimator_back():
    walk = Walk(1500)
    with closing(raw_stretches(walk, pipeline(FixedStride(10, 2)))) as made:
        next(made)
    assert len(walk.made) <= 1 + 2 * (KEYFRAMES_AHEAD + 1)


def test_nothing_is_read_after_the_stages_were_closed():
    walk = Walk(1500)
    made = raw_stretches(walk, pipeline(FixedStride(10, 2)))
    next(made)
    made.close()
    walk.close()  # an image taken after this fails
    taken = len(walk.made)
    assert taken < 150
    assert list(made) == []
    assert len(walk.made) == taken
