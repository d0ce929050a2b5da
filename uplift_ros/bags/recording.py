"""Recorded run of the graph as plain data: everything but the images, which stay in the bag."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from uplift_ros.bags.reader import BagError, BagReader
from uplift_ros.camera import Camera
from uplift_ros.messages.conversion import (
    camera_from_msg,
    keyframe_from_msg,
    serialized_header,
    skeletons_from_msg,
    stamp_from_msg,
)
from uplift_ros.messages.images import to_rgb
from uplift_ros.poses import NANOSECONDS, Keyframe, SkeletonFrame

IMAGE_TOPICS = ("/image_raw/compressed", "/image_raw")
"""Image topics in order of preference, the cheapest first."""


@dataclass
class Recording:
    """Messages of one graph by topic, in order of log time.

    Attributes:
        image_topic: absolute name, empty if no images were recorded.
        image_stamps: nanoseconds, of the images, or of camera_info if no images were recorded.
        camera: camera of the first calibrated camera_info, None if there is none.
        skeletons: refined skeletons, topic `skeletons`.
        ages: seconds from stamp to log time of `skeletons`.
        rates: messages of `rate_state` as (stamp in nanoseconds, message).
    """

    image_topic: str = ""
    image_stamps: list[int] = field(default_factory=list)
    camera: Camera | None = None
    keyframes: list[Keyframe] = field(default_factory=list)
    raw_skeletons: list[SkeletonFrame] = field(default_factory=list)
    skeletons: list[SkeletonFrame] = field(default_factory=list)
    ages: list[float] = field(default_factory=list)
    ground_truth: list[SkeletonFrame] = field(default_factory=list)
    rates: list[tuple[int, Any]] = field(default_factory=list)


def load(path: str | Path) -> Recording:
    """Read the topics of the graph from a bag.

    Raises:
        BagError: the bag cannot be read, has no topic of the graph, or a message that no node of the graph publishes.
    """
    with BagReader(path) as bag:
        if not {*IMAGE_TOPICS, *_TAKE} & set(bag.topics):
            raise BagError(f"bag {path} has no topic of the graph, only: {', '.join(bag.topics)}")
        filled = {topic.name for topic in bag.topics.values() if topic.count}
        recording = Recording(image_topic=next((topic for topic in IMAGE_TOPICS if topic in filled), ""))
        stamped = recording.image_topic or "/camera_info"
        for _, _, data in bag.raw([stamped]):
            with _explained(f"bag {path}, topic {stamped}"):
                recording.image_stamps.append(serialized_header(data)[0])
        for topic, log_time, message in bag.messages(_TAKE):
            with _explained(f"bag {path}, topic {topic}"):
                _TAKE[topic](recording, log_time, message)
    return recording


@contextmanager
def _explained(where: str) -> Iterator[None]:
    """Convert errors to BagError: a message of another type, or with values that the graph never publishes."""
    try:
        yield
    except (ValueError, TypeError, AttributeError) as error:
        raise BagError(f"{where} is not as the graph writes it: {error}") from error


def images(path: str | Path, topic: str) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (stamp in nanoseconds, (height, width, 3) uint8 RGB) of an image topic.

    Raises:
        BagError: the bag cannot be read.
        ValueError: an image cannot be decoded.
    """
    with BagReader(path) as bag:
        for _, _, message in bag.messages([topic]):
            yield stamp_from_msg(message.header.stamp), to_rgb(message)


def _take_camera_info(recording: Recording, _log_time: int, message: Any) -> None:
    if recording.camera is None:
        with suppress(ValueError):  # not calibrated
            recording.camera = camera_from_msg(message)


def _take_skeletons(recording: Recording, log_time: int, message: Any) -> None:
    frame = skeletons_from_msg(message)
    recording.skeletons.append(frame)
    recording.ages.append((log_time - frame.stamp) / NANOSECONDS)


_TAKE = {
    "/camera_info": _take_camera_info,
    "/keyframes": lambda recording, _, message: recording.keyframes.append(keyframe_from_msg(message)),
    "/skeletons/raw": lambda recording, _, message: recording.raw_skeletons.append(skeletons_from_msg(message)),
    "/skeletons": _take_skeletons,
    "/ground_truth": lambda recording, _, message: recording.ground_truth.append(skeletons_from_msg(message)),
    "/rate_state": lambda recording, _, message: recording.rates.append(
        (stamp_from_msg(message.header.stamp), message)
    ),
}
