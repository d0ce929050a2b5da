"""The pipeline over a whole recording, its stages overlapping in threads."""

from collections.abc import Generator
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace

from uplift_ros.camera import Camera
from uplift_ros.intrinsics import Intrinsics
from uplift_ros.offline.image_sequence import LOST_IMAGE, ImageSequence
from uplift_ros.offline.prefetch import prefetch
from uplift_ros.pipeline import Pipeline, Step
from uplift_ros.poses import NANOSECONDS
from uplift_ros.stages.problem import Problem
from uplift_ros.stages.uplifting import DepthLookup

KEYFRAMES_AHEAD = 4
"""By which one stage may be ahead of the next. They take about equally long; more would only cost memory."""


@dataclass(frozen=True)
class ImageHeader:
    """What is known of an image that no stage needs to see; its camera once the size of the images is known."""

    stamp: int
    frame_id: str
    intrinsics: Intrinsics | None
    camera: Camera | None = None


@dataclass(frozen=True)
class KeyframeInterval:
    """The images since the key-frame before, and what the last of them brought.

    Attributes:
        images: at least one. Their pixels are gone: they would fill the memory.
        step: without a key-frame if the recording ends before the next.
        depth: of the key-frame, until it is uplifted.
        problems: with images.
    """

    images: list[ImageHeader]
    step: Step
    depth: DepthLookup | None = None
    problems: list[Problem] = field(default_factory=list)


def raw_intervals(footage: ImageSequence, pipeline: Pipeline) -> Generator[KeyframeInterval, None, None]:
    """A recording up to its raw skeletons, a few key-frames ahead of the caller, who refines and writes.

    Decoding with the 2D estimator is one thread, uplifting the next; they are one if the stride may change, because
    then the uplifting decides which image is the next key-frame. Either way the results are those of one image after
    the other.

    Raises:
        BagError: the bag is damaged.
    """
    detected = _detected(footage, pipeline)
    if pipeline.uplifting.fixed_stride == pipeline.detection.stride:
        detected = prefetch(detected, KEYFRAMES_AHEAD)
    return prefetch(_uplifted(detected, pipeline), KEYFRAMES_AHEAD)


def _detected(footage: ImageSequence, pipeline: Pipeline) -> Generator[KeyframeInterval, None, None]:
    """As in the node, an image that cannot be decoded costs its key-frame and no other."""
    images: list[ImageHeader] = []
    problems: list[Problem] = []
    for shot in footage.images():
        images.append(ImageHeader(shot.stamp, shot.frame_id, shot.camera))
        try:
            keyframe = pipeline.detection.push(shot.stamp, shot.frame_id, shot.image)
        except ValueError as error:
            problems.append(
                Problem(
                    LOST_IMAGE, f"image of stamp {shot.stamp // NANOSECONDS}.{shot.stamp % NANOSECONDS:09d}: {error}"
                )
            )
            continue
        if keyframe is not None:
            yield KeyframeInterval(images, Step(keyframe), shot.depth, problems)
            images, problems = [], []
    if images:
        yield KeyframeInterval(images, Step(), problems=problems)


def _uplifted(
    detected: Generator[KeyframeInterval, None, None], pipeline: Pipeline
) -> Generator[KeyframeInterval, None, None]:
    size = None
    with closing(detected):
        for interval in detected:
            step, newest = interval.step, interval.images[-1].intrinsics
            if (keyframe := step.keyframe) is not None:
                size = keyframe.width, keyframe.height
                step = pipeline.uplift(keyframe, newest, interval.depth)
            images = [replace(image, camera=_known(image.intrinsics, size)) for image in interval.images]
            yield replace(interval, images=images, step=step, depth=None)


def _known(intrinsics: Intrinsics | None, size: tuple[int, int] | None) -> Camera | None:
    """The camera of images of a size (width, height), as far as it is known."""
    if intrinsics is not None and size is not None:
        with suppress(ValueError):  # the stage has reported it
            return intrinsics.for_image(*size)
    return None
