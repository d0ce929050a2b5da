"""Runs the pipeline over a whole recording; its stages overlap in threads."""

from collections.abc import Generator
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace

from uplift_ros.camera import Camera
from uplift_ros.intrinsics import Intrinsics
from uplift_ros.offline.image_sequence import LOST_IMAGE, ImageSequence
from uplift_ros.offline.prefetch import prefetch
from uplift_ros.pipeline import Pipeline, Step
from uplift_ros.poses import seconds_text
from uplift_ros.stages.problem import Problem
from uplift_ros.stages.uplifting import DepthLookup

KEYFRAMES_AHEAD = 4
"""Key-frames by which a stage may be ahead of the next. The stages take similar time; more would only cost memory."""


@dataclass(frozen=True)
class ImageHeader:
    """Image without its pixels; `camera` is set once the size of the images is known."""

    stamp: int
    frame_id: str
    intrinsics: Intrinsics | None
    camera: Camera | None = None


@dataclass(frozen=True)
class KeyframeInterval:
    """Images after the previous key-frame up to the next one, and the results of that key-frame.

    Attributes:
        images: at least one, without pixels to save memory.
        step: results; without a key-frame if the recording ends before the next one.
        depth: depth image of the key-frame, dropped after uplifting.
        problems: problems with images.
    """

    images: list[ImageHeader]
    step: Step
    depth: DepthLookup | None = None
    problems: list[Problem] = field(default_factory=list)


def raw_intervals(sequence: ImageSequence, pipeline: Pipeline) -> Generator[KeyframeInterval, None, None]:
    """Process a recording up to raw skeletons, a few key-frames ahead of the caller, who refines and writes.

    One thread decodes and runs the 2D estimator, a second one uplifts. If the stride may change, one thread does both,
    because then uplifting decides which image is the next key-frame. The results equal those of sequential processing.

    Raises:
        BagError: the bag is damaged.
    """
    detected = _detected(sequence, pipeline)
    if pipeline.uplifting.fixed_stride == pipeline.detection.stride:
        detected = prefetch(detected, KEYFRAMES_AHEAD)
    return prefetch(_uplifted(detected, pipeline), KEYFRAMES_AHEAD)


def _detected(sequence: ImageSequence, pipeline: Pipeline) -> Generator[KeyframeInterval, None, None]:
    """Detect 2D poses. An image that cannot be decoded is a problem."""
    images: list[ImageHeader] = []
    problems: list[Problem] = []
    for image in sequence.images():
        images.append(ImageHeader(image.stamp, image.frame_id, image.camera))
        try:
            keyframe = pipeline.detection.push(image.stamp, image.frame_id, image.image, image.size)
        except ValueError as error:
            problems.append(Problem(LOST_IMAGE, f"image of stamp {seconds_text(image.stamp)}: {error}"))
            continue
        if keyframe is not None:
            yield KeyframeInterval(images, Step(keyframe), image.depth, problems)
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
    """Camera for images of a size (width, height); None if it is unknown."""
    if intrinsics is not None and size is not None:
        with suppress(ValueError):  # already reported by the stage
            return intrinsics.for_image(*size)
    return None
