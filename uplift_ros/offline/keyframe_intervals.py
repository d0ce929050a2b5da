"""The pipeline over a whole recording, its stages overlapping in threads."""

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, replace

from uplift_ros.camera import Camera
from uplift_ros.offline.image_sequence import Footage
from uplift_ros.offline.prefetch import ahead
from uplift_ros.pipeline import Pipeline, Step
from uplift_ros.stages.uplifting import DepthLookup

KEYFRAMES_AHEAD = 4
"""By which one stage may be ahead of the next. They take about equally long; more would only cost memory."""


@dataclass(frozen=True)
class ImageHeader:
    """What is known of an image that no stage needs to see."""

    stamp: int
    frame_id: str
    camera: Camera | None


@dataclass(frozen=True)
class KeyframeInterval:
    """The images since the key-frame before, and what the last of them brought.

    Attributes:
        images: at least one. Their pixels are gone: they would fill the memory.
        step: without a key-frame if the recording ends before the next.
        depth: of the key-frame, until it is uplifted.
    """

    images: list[ImageHeader]
    step: Step
    depth: DepthLookup | None = None


def raw_intervals(footage: Footage, pipeline: Pipeline) -> Generator[KeyframeInterval, None, None]:
    """A recording up to its raw skeletons, a few key-frames ahead of the caller, who refines and writes.

    Decoding with the 2D estimator is one thread, uplifting the next; they are one if the stride may change, because
    then the uplifting decides which image is the next key-frame. Either way the results are those of one image after
    the other.

    Raises:
        ValueError: an image that is needed cannot be decoded.
        BagError: the bag is damaged.
    """
    detected = _detected(footage, pipeline)
    if pipeline.uplifting.fixed_stride == pipeline.detection.stride:
        detected = ahead(detected, KEYFRAMES_AHEAD)
    return ahead(_uplifted(detected, pipeline), KEYFRAMES_AHEAD)


def _detected(footage: Footage, pipeline: Pipeline) -> Generator[KeyframeInterval, None, None]:
    images: list[ImageHeader] = []
    for shot in footage.shots():
        images.append(ImageHeader(shot.stamp, shot.frame_id, shot.camera))
        keyframe = pipeline.detection.push(shot.stamp, shot.frame_id, shot.image)
        if keyframe is not None:
            yield KeyframeInterval(images, Step(keyframe), shot.depth)
            images = []
    if images:
        yield KeyframeInterval(images, Step())


def _uplifted(
    detected: Generator[KeyframeInterval, None, None], pipeline: Pipeline
) -> Generator[KeyframeInterval, None, None]:
    with closing(detected):
        for interval in detected:
            if (keyframe := interval.step.keyframe) is None:
                yield interval
            else:
                step = pipeline.uplift(keyframe, interval.images[-1].camera, interval.depth)
                yield replace(interval, step=step, depth=None)
