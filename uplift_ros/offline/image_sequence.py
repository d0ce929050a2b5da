"""The images of a video file or a bag, each with stamp, frame and camera; decoded only on request."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np

from uplift_ros.bags.reader import BagError, BagReader
from uplift_ros.intrinsics import Calibration, Intrinsics, is_rectified
from uplift_ros.messages.conversion import calibration_from_msg, serialized_header
from uplift_ros.messages.images import exif_orientation, to_rgb
from uplift_ros.offline.bag_depth import DEPTH_TYPES, BagDepth
from uplift_ros.poses import seconds_text
from uplift_ros.sources import guessed_fov
from uplift_ros.sources.video import VideoFile
from uplift_ros.stages.problem import Problem
from uplift_ros.stages.uplifting import DepthLookup
from uplift_ros.streaming.clock import check_time

COMPRESSED_TYPE = "sensor_msgs/msg/CompressedImage"
IMAGE_TYPES = ("sensor_msgs/msg/Image", COMPRESSED_TYPE)
CAMERA_INFO_TYPES = ("sensor_msgs/msg/CameraInfo",)

LOST_IMAGE, LOST_FRAMES = "lost_image", "lost_frames"

INTRINSICS_HINT = "--fov DEGREES or --camera-info FILE.yaml provides intrinsics"

MAX_LISTED = 3
"""Damaged parts of a bag that are named in a line."""

NO_CAMERA_INFO = ""
"""Topic name that means: no camera_info."""

STAMP_SIZE = 12
"""Bytes of a serialised message up to the end of the stamp in its header."""


@dataclass(frozen=True)
class LazyImage:
    """Image that is decoded on request.

    Attributes:
        stamp: nanoseconds.
        camera: intrinsics, None if unknown.
        image: function that decodes the image, (H, W, 3) uint8 RGB; call it before the next image is read, unless the
            sequence keeps images.
        size: bytes that are kept with the function.
        depth: function that decodes the depth image of the same time, None if there is none; may be called later.
    """

    stamp: int
    frame_id: str
    camera: Intrinsics | None
    image: Callable[[], np.ndarray]
    size: int = 0
    depth: DepthLookup | None = None


class ImageSequence(Protocol):
    """Recorded images in the order of capture.

    Attributes:
        length: number of images, 0 if unknown.
        problems: what was missing or guessed; complete once all images have been read.
    """

    length: int
    problems: list[Problem]

    def images(self) -> Iterator[LazyImage]: ...

    def close(self) -> None: ...


class VideoSequence:
    """Images of a video file; time begins at 0, and an ideal camera is assumed (see VideoFile).

    Args:
        fps: frames per second instead of the container's own times; 0 for the container's.
        horizontal_fov: radians; GUESSED_FOV is reported as a problem.
        intrinsics: intrinsics of the camera, instead of a field of view.
        keeps_images: images may be decoded at any time, which costs their memory; else before the next one is read.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: no frame can be read from the file.
    """

    def __init__(
        self,
        path: Path,
        fps: float,
        horizontal_fov: float,
        frame_id: str,
        intrinsics: Intrinsics | None = None,
        keeps_images: bool = False,
    ) -> None:
        self._keeps_images = keeps_images
        self._video = VideoFile(path, fps, loop=False, horizontal_fov=horizontal_fov)
        self._frame_id = frame_id
        self._intrinsics = intrinsics or self._video.camera
        self.length = self._video.length
        self.problems: list[Problem] = []
        if intrinsics is None and (warning := guessed_fov(str(path), horizontal_fov)):
            self.problems.append(Problem("guessed_fov", f"{warning}; {INTRINSICS_HINT}"))

    def images(self) -> Iterator[LazyImage]:
        for frame in self._video.frames():
            image, size = _kept(frame.make) if self._keeps_images else (frame.make, 0)
            yield LazyImage(frame.time, self._frame_id, self._intrinsics, image, size)
        if self._video.missing:
            count = f"{self._video.missing} of {self.length} frames" if self.length else "frames"
            message = f"{count} are missing at the end: the file was cut off, or has a longer track"
            self.problems.append(Problem(LOST_FRAMES, message))
        elif not self.length:
            self.problems.append(Problem("unknown_length", "the file states no length: its end may be missing"))

    def close(self) -> None:
        self._video.close()


class BagSequence:
    """Images of a bag topic, each with the newest camera_info before it (the first images with the first camera_info).

    Args:
        image_topic: None for the only image topic.
        camera_info_topic: None for the one beside the image topic, or the only one; '' for none.
        depth_topic: topic of depth images aligned with the images; None for no depth.
        intrinsics: intrinsics that replace those of the bag.
        rectified: whether the images are rectified; otherwise the name of their topic decides.

    Raises:
        BagError: the bag cannot be read, has no such topic, or the choice is ambiguous; the text lists the topics.
    """

    def __init__(
        self,
        path: Path,
        image_topic: str | None = None,
        camera_info_topic: str | None = None,
        depth_topic: str | None = None,
        intrinsics: Intrinsics | None = None,
        rectified: bool = False,
    ) -> None:
        self._bag = BagReader(path, skip_damaged=True)
        self.problems: list[Problem] = []
        self._rectified = rectified
        self._taken: set[str] = set()
        self._depth: BagDepth | None = None
        try:
            if depth_topic is not None:
                self._depth = BagDepth(self._bag, self._asked(depth_topic, DEPTH_TYPES))
            self._image_topic = self._find_images(image_topic)
            self._camera_info_topic = self._find_camera_info(NO_CAMERA_INFO if intrinsics else camera_info_topic)
        except BagError:
            self.close()
            raise
        self.length = self._bag.topics[self._image_topic].count
        self._rectified |= is_rectified(self._image_topic)
        if isinstance(intrinsics, Calibration):
            intrinsics = replace(intrinsics, rectified=self._rectified)
        self._intrinsics: tuple[bytes, Intrinsics | None] = (b"", intrinsics)

    def images(self) -> Iterator[LazyImage]:
        """Yield all images with a time. In simulations the first one may have the stamp 0, later ones have no time.

        Raises:
            ValueError: no image has a time.
        """
        for _, _, data in self._bag.raw([self._camera_info_topic]):
            self._take_camera_info(data)
            if self._intrinsics[1] is not None:
                break
        previous, count = None, 0
        for topic, log_time, data in self._bag.raw([self._image_topic, self._camera_info_topic]):
            if topic == self._camera_info_topic:
                self._take_camera_info(data)
                continue
            count += 1
            try:
                stamp, frame_id = serialized_header(data)
                check_time(stamp, previous)
            except ValueError as error:
                self.problems.append(Problem(LOST_IMAGE, f"image logged at {seconds_text(log_time)}: {error}"))
                continue
            depth = self._depth.at(stamp) if self._depth else None
            yield LazyImage(stamp, frame_id, self._intrinsics_of(data), partial(self._decode, data), len(data), depth)
            previous = stamp
        self._report_missing(self.length - count)
        if previous == 0 and any(problem.kind == LOST_IMAGE for problem in self.problems):
            raise ValueError(f"images on {self._image_topic} carry no time: header.stamp is 0")

    def _report_missing(self, count: int) -> None:
        """Report damage of the bag, and images that its index counts, but that are not there."""
        texts = [f"{count} of {self.length} images are missing"] if count > 0 else []
        texts += [each.text for each in self._bag.damage]
        if len(texts) > MAX_LISTED:
            texts[MAX_LISTED:] = [f"{len(texts) - MAX_LISTED} more"]
        if texts:
            self.problems.append(Problem(LOST_FRAMES, "; ".join(texts)))

    def close(self) -> None:
        self._bag.close()

    def _decode(self, data: bytes) -> np.ndarray:
        return to_rgb(self._bag.decode(self._image_topic, data))

    def _intrinsics_of(self, data: bytes) -> Intrinsics | None:
        """Intrinsics of an image, which EXIF may have rotated."""
        intrinsics = self._intrinsics[1]
        if isinstance(intrinsics, Calibration) and self._bag.topics[self._image_topic].msgtype == COMPRESSED_TYPE:
            return replace(intrinsics, orientation=exif_orientation(data))
        return intrinsics

    def _take_camera_info(self, data: bytes) -> None:
        """Update the intrinsics if more than the stamp has changed; an unusable message is reported."""
        if data[STAMP_SIZE:] == self._intrinsics[0]:
            return
        self._intrinsics = data[STAMP_SIZE:], None
        try:
            calibration = calibration_from_msg(self._bag.decode(self._camera_info_topic, data), self._rectified)
            calibration.for_image(*calibration.size)  # raises ValueError if it is unusable
            self._intrinsics = data[STAMP_SIZE:], calibration
        except ValueError as error:
            self.problems.append(Problem("unusable_camera_info", f"{error}; {INTRINSICS_HINT}"))

    def _find_images(self, asked: str | None) -> str:
        if asked is not None:
            return self._asked(asked, IMAGE_TYPES)
        candidates = self._candidates(IMAGE_TYPES)
        if not candidates:
            damage = "".join(f"; {each.text}" for each in self._bag.damage[:MAX_LISTED])
            raise BagError(f"bag {self._bag.path} has no images, only: {_listed(self._bag.topics)}{damage}")
        if len(candidates) > 1:
            raise BagError(
                f"bag {self._bag.path} has several image topics, --image-topic chooses: {_listed(candidates)}"
            )
        self._taken.add(candidates[0])
        return candidates[0]

    def _find_camera_info(self, asked: str | None) -> str:
        if asked == NO_CAMERA_INFO:
            return NO_CAMERA_INFO
        if asked is not None:
            return self._asked(asked, CAMERA_INFO_TYPES)
        candidates = self._candidates(CAMERA_INFO_TYPES)
        beside = self._image_topic.removesuffix("/compressed").rpartition("/")[0] + "/camera_info"
        if beside in candidates:
            return beside
        if len(candidates) > 1:
            raise BagError(
                f"bag {self._bag.path} has several topics of intrinsics, none of them {beside}, "
                f"--camera-info-topic chooses: {_listed(candidates)}"
            )
        return candidates[0] if candidates else NO_CAMERA_INFO

    def _candidates(self, types: Collection[str]) -> list[str]:
        """Find topics with messages of these types; from now on only these types are read from them."""
        return [name for name in self._bag.topics if name not in self._taken and self._bag.choose(name, types)]

    def _asked(self, topic: str, types: Sequence[str]) -> str:
        name = f"/{topic.lstrip('/')}"
        if name not in (candidates := self._candidates(types)):
            raise BagError(f"bag {self._bag.path} has no {types[0]} on {name}, only on: {_listed(candidates)}")
        self._taken.add(name)
        return name


def _kept(make: Callable[[], np.ndarray]) -> tuple[Callable[[], np.ndarray], int]:
    """Decode an image, and return a function that returns it, or raises the same error, with its size in bytes."""
    try:
        image = make()
    except ValueError as error:
        return partial(_raise, error), 0
    return lambda: image, image.nbytes


def _raise(error: ValueError) -> np.ndarray:
    raise error


def _listed(topics: Collection[str]) -> str:
    return ", ".join(sorted(topics)) or "nothing"
