"""The pipeline over a whole recording, its stages overlapping in threads."""

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, replace

from uplift_ros.camera import Camera
from uplift_ros.offline.image_sequence import Footage
from uplift_ros.offline.prefetch import ahead
from uplift_ros.pipeline import Pipeline, Step
from uplift_ros.streaming.stride import FixedStride

KEYFRAMES_AHEAD = 4
"""By which one stage may be ahead of the next. They take about equally long; more would only cost memory."""


@dataclass(frozen=True)
class ImageHeader:
    """What is known of an image that nobody needs to see."""

    stamp: int
    frame_id: str
    camera: Camera | None


@dataclass(frozen=True)
class Stretch:
    """The images since the key-frame before, and what the last of them brought.

    Attributes:
        images: at least one. Their pixels are gone: they would fill the memory.
        step: without a key-frame where the recording ends before the next.
    """

    images: list[ImageHeader]
    step: Step


def raw_stretches(footage: Footage, pipeline: Pipeline) -> Generator[Stretch, None, None]:
    """A recording up to its raw skeletons, a few key-frames ahead of who asks; refining and writing are left to do.

    Decoding with the 2D estimator is one stage, uplifting the next; they are one where the uplifter has to tell which
    image is the next key-frame. Either way the same comes out as of one image after the other.

    Raises:
        ValueError: an image that is needed cannot be decoded.
        BagError: the bag is damaged.
    """
    detected = _detected(footage, pipeline)
    controller = pipeline.controller
    if isinstance(controller, FixedStride) and controller.decision.stride == pipeline.schedule.stride:
        detected = ahead(detected, KEYFRAMES_AHEAD)
    return ahead(_uplifted(detected, pipeline), KEYFRAMES_AHEAD)


def _detected(footage: Footage, pipeline: Pipeline) -> Generator[Stretch, None, None]:
    images: list[ImageHeader] = []
    for shot in footage.shots():
        images.append(ImageHeader(shot.stamp, shot.frame_id, shot.camera))
        keyframe = pipeline.detect(shot.stamp, shot.frame_id, shot.image)
        if keyframe is not None:
            yield Stretch(images, Step(keyframe))
            images = []
    if images:
        yield Stretch(images, Step())


def _uplifted(detected: Generator[Stretch, None, None], pipeline: Pipeline) -> Generator[Stretch, None, None]:
    with closing(detected):
        for stretch in detected:
            keyframe, camera = stretch.step.keyframe, stretch.images[-1].camera
            yield replace(stretch, step=pipeline.uplift(keyframe, camera)) if keyframe else stretch
