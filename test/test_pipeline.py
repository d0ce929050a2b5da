import numpy as np
import pytest
from support import tiny
from support.bright_person import BrightPerson
from support.cameras import SMALL_CAMERA as CAMERA
from support.clocks import FRAME, START, frame_numbers

from uplift_ros.camera import Camera
from uplift_ros.pipeline import Pipeline, Step
from uplift_ros.poses import ScaleSource
from uplift_ros.settings import defaults_of
from uplift_ros.stages import build
from uplift_ros.stages.detection import DetectionStage
from uplift_ros.streaming.stride import AdaptiveStride, FixedStride, Reason

DELAY = 3


class Camcorder:
    """Sends images of 50 Hz into a pipeline and counts those that were decoded."""

    def __init__(self, pipeline: Pipeline, camera: Camera | None = CAMERA) -> None:
        self.pipeline, self.camera = pipeline, camera
        self.decoded: list[int] = []

    def record(self, frames: int) -> list[Step]:
        return [
            self.pipeline.push(START + i * FRAME, "camera", self.camera, lambda i=i: self._decode(i))
            for i in range(frames)
        ]

    def _decode(self, frame: int) -> np.ndarray:
        self.decoded.append(frame)
        return np.full((120, 160, 3), 50 + frame, np.uint8)


def pipeline(controller=None, **parameters) -> Pipeline:
    return Pipeline(
        DetectionStage(BrightPerson(), 10, 50.0, look_back=0.5),
        build.uplifting(
            defaults_of("uplift", **parameters), build.UpliftNetwork(tiny.uplifting()), controller or FixedStride(10, 2)
        ),
        build.refinement(defaults_of("refiner", delay=DELAY), tiny.refining()),
    )


def test_only_images_at_the_stride_are_decoded():
    camcorder = Camcorder(pipeline())
    steps = camcorder.record(45)
    assert camcorder.decoded == [0, 10, 20, 30, 40]
    assert [i for i, step in enumerate(steps) if step.keyframe] == camcorder.decoded


def test_an_image_between_key_frames_brings_nothing():
    assert Camcorder(pipeline()).record(2)[1] == Step()


def test_key_frames_carry_stamp_frame_size_count_and_stride():
    keyframe = Camcorder(pipeline()).record(11)[10].keyframe
    assert (keyframe.stamp, keyframe.frame_id, keyframe.width, keyframe.height) == (
        START + 10 * FRAME,
        "camera",
        160,
        120,
    )
    assert (keyframe.sequence, keyframe.stride) == (1, 10)
    assert [person.id for person in keyframe.persons] == ["p1"]


def test_every_frame_is_emitted_once_raw_and_once_refined():
    camcorder = Camcorder(pipeline(latency=4))
    steps = camcorder.record(41)
    raw = [frame for step in steps for frame in step.raw]
    refined = [frame for step in steps for frame in step.refined]
    assert frame_numbers(raw) == list(range(37))
    assert frame_numbers(refined) == list(range(37 - DELAY))
    end = camcorder.pipeline.flush()
    assert frame_numbers(end.raw) == list(range(37, 41))
    assert frame_numbers(end.refined) == list(range(37 - DELAY, 41))
    assert (end.keyframe, end.uplifting.decision) == (None, None)


def test_a_pause_emits_pending_frames_and_both_stages_restart():
    camcorder = Camcorder(pipeline(latency=4))
    before = camcorder.record(21)
    step = camcorder.pipeline.push(START + 500 * FRAME, "camera", CAMERA, lambda: np.full((120, 160, 3), 90, np.uint8))
    assert frame_numbers([frame for each in before for frame in each.raw] + step.raw) == list(range(21))
    assert frame_numbers([frame for each in before for frame in each.refined] + step.refined) == list(range(21 - DELAY))
    assert frame_numbers(camcorder.pipeline.flush().refined) == [*range(21 - DELAY, 21), 500]


def test_the_controllers_decision_sets_the_stride_of_the_next_key_frame():
    camcorder = Camcorder(pipeline(AdaptiveStride(20, 4, threshold=1e9, medium=20, s_out=2)))
    steps = camcorder.record(41)
    assert camcorder.decoded == [0, 20, 40]
    assert steps[0].uplifting.decision.reason is Reason.SLOW
    assert [step.keyframe.stride for step in steps if step.keyframe] == [10, 20, 20]


def test_fast_motion_brings_more_key_frames():
    camcorder = Camcorder(pipeline(AdaptiveStride(20, 4, threshold=1e-9, s_out=2)))
    steps = camcorder.record(41)
    assert steps[20].uplifting.rates.velocity > 0
    assert steps[20].uplifting.decision.reason is Reason.FAST
    assert camcorder.decoded == [0, 20, 24, 28, 32, 36, 40]


@pytest.mark.parametrize(
    ("camera", "scale"),
    [(CAMERA, ScaleSource.PRIOR), (None, ScaleSource.NONE), (Camera.from_fov(1.0, 320, 240), ScaleSource.NONE)],
    ids=["fitting", "unknown", "of another image size"],
)
def test_people_have_a_scale_if_the_camera_fits_the_images(camera, scale):
    raw = [frame for step in Camcorder(pipeline(), camera).record(11) for frame in step.raw]
    assert {person.scale_source for frame in raw for person in frame.persons} == {scale}


def test_an_image_that_repeats_a_key_frame_of_the_same_time_is_harmless():
    chain = pipeline(FixedStride(2, 2))
    camcorder = Camcorder(chain)
    camcorder.record(3)
    step = chain.push(START + 2 * FRAME, "camera", CAMERA, lambda: np.zeros((120, 160, 3), np.uint8))
    assert step == Step()


def test_a_late_image_right_before_the_next_key_frame_makes_that_one_stale():
    chain = pipeline(FixedStride(2, 2))
    image = np.full((120, 160, 3), 100, np.uint8)
    _, late, next_one = (
        chain.push(START + milliseconds * 1_000_000, "camera", CAMERA, lambda: image) for milliseconds in (0, 69, 80)
    )
    assert late.uplifting.decision is not None
    assert next_one.keyframe.stamp == START + 80_000_000
    assert (next_one.uplifting.live, next_one.uplifting.decision) == (None, None)
    assert [problem.kind for problem in next_one.uplifting.problems] == ["repeated"]


def test_images_between_key_frames_are_detected_if_the_uplifting_requests_them():
    class Middle:
        def middle(self, left, right, motions):
            return (left + right) // 2 if right - left > 3 else None

    chain = pipeline()
    chain.uplifting.control(FixedStride(20, 2), Middle())
    camcorder = Camcorder(chain)
    steps = camcorder.record(21)
    assert camcorder.decoded == [0, 20, 10, 4, 14]
    assert frame_numbers(steps[20].older) == [10, 4, 14]
    assert [(stamp - START) // FRAME for stamp in steps[20].uplifting.wanted] == [10, 4, 14]
    assert frame_numbers(frame for step in steps for frame in step.raw) == list(range(17))
