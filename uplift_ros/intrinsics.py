"""Camera of an image as received, from the sensor's calibration in sensor_msgs/CameraInfo or a calibration file.

REP-104: the calibration is that of the whole sensor; an image may show a region of it, binned, or rectified.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any, Protocol

import yaml

from uplift_ros.camera import Camera
from uplift_ros.parameters import brief

RECTIFIED_PREFIX = "image_rect"
"""Prefix of the topic names of rectified images (image_proc): image_rect, image_rect_color, image_rect_raw."""

COMPRESSED = "compressed"

CLOCKWISE_TURNS = {1: 0, 6: 1, 3: 2, 8: 3}
"""Quarter turns of the EXIF orientations that do not mirror."""

SHORTEST_FOCAL = 0.05
"""Focal length in widths of the image, of a field of view of 169 degrees; a fisheye lens of 180 degrees has 0.32."""

MAX_PIXEL_ASPECT = 2.5
"""Largest ratio of one focal length to the other: 1.46 in widescreen PAL, the widest pixels of video, and about twice
that in a single field of interlaced video."""

MAX_SIDE = 2**32 - 1
"""Maximum width and height that sensor_msgs/CameraInfo can hold."""


class Intrinsics(Protocol):
    """Intrinsics that become the camera of an image once its size is known."""

    def for_image(self, width: int, height: int) -> Camera:
        """Return the camera of an image of this size.

        Raises:
            ValueError: the intrinsics are of another size, or unknown.
        """


@dataclass(frozen=True)
class FieldOfView:
    """Ideal camera of any image size.

    Args:
        horizontal: radians.
    """

    horizontal: float

    def for_image(self, width: int, height: int) -> Camera:
        return Camera.from_fov(self.horizontal, width, height)


@dataclass(frozen=True)
class Calibration:
    """Content of a sensor_msgs/CameraInfo, from which `for_image` derives the camera of an image.

    Args:
        width, height: pixels of the image that k and p refer to.
        k: (9,) row-major intrinsic matrix of the raw image.
        d: coefficients of the distortion `model`.
        p: (12,) row-major projection matrix of the rectified image.
        binning: pixels of the sensor in one of the image, (x, y); 0 counts as 1.
        roi: region of interest in pixels of the sensor, (x, y, width, height); width and height 0 are the whole sensor.
        rectified: images are rectified: p describes them, without distortion.
        name: of the camera, in a calibration file.
        orientation: EXIF orientation that decoding has applied to the image; 0 if unknown.
    """

    width: int
    height: int
    k: tuple[float, ...]
    d: tuple[float, ...] = ()
    model: str = ""
    p: tuple[float, ...] = (0.0,) * 12
    binning: tuple[int, int] = (0, 0)
    roi: tuple[int, int, int, int] = (0, 0, 0, 0)
    rectified: bool = False
    name: str = ""
    orientation: int = 0

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the image that REP-104 expects."""
        _, _, width, height = self.roi
        across, down = self._bins
        return (width or self.width) // across, (height or self.height) // down

    @property
    def _bins(self) -> tuple[int, int]:
        return max(1, self.binning[0]), max(1, self.binning[1])

    def for_image(self, width: int, height: int) -> Camera:
        """Return the camera of an image of this size.

        Some drivers write the size of the image, although REP-104 requires that of the sensor. Their k may be of the
        sensor or of the image: the one whose principal point is nearer to the centre is used.

        For an image of unknown orientation with exchanged width and height there are two explanations. It was rotated,
        by the metadata of a video, by EXIF in a live stream or by a node; clockwise, as phones are held. Or a driver
        wrote rows for columns. Again the more central principal point decides, and `guess` says what was assumed.

        Raises:
            ValueError: not calibrated, of an image of another size, or not the values of a camera; names the field.
        """
        if self.width <= 0 or self.height <= 0:
            raise ValueError(f"camera_info.width and height must be positive, got {self.width}x{self.height}")
        if self.orientation and self.orientation not in CLOCKWISE_TURNS:
            raise ValueError(f"images are mirrored by EXIF orientation {self.orientation}: camera_info does not fit")
        turns = CLOCKWISE_TURNS.get(self.orientation, 0)
        cameras = self._cameras(width, height, turns)
        if not cameras and not self.orientation:
            exchanged = replace(self, width=self.height, height=self.width)
            cameras = self._cameras(width, height, 1) + exchanged._cameras(width, height, 0)
        if not cameras:
            raise ValueError(f"camera_info is of {self._described()} images, these are {width}x{height}")
        return _most_central(cameras)

    def guess(self, width: int, height: int) -> str:
        """What `for_image` assumes because width and height are exchanged; empty if they are not."""
        if self.orientation or self._views((width, height)):
            return ""
        is_turned = self.for_image(width, height) in self._cameras(width, height, 1)
        assumed = "the images are rotated clockwise" if is_turned else "its width and height are exchanged"
        return f"camera_info is of {self._described()} images, these are {width}x{height}: assuming that {assumed}"

    def _cameras(self, width: int, height: int, turns: int) -> list[Camera]:
        """Possible cameras of an image of this size that was turned clockwise by quarter turns."""
        size = (height, width) if turns % 2 else (width, height)
        sensor = self._sensor()
        cameras = [sensor.seen_through(offset, bins, size) for offset, bins in self._views(size)]
        for _ in range(turns):
            cameras = [camera.turned() for camera in cameras]
        return cameras

    def _sensor(self) -> Camera:
        """Camera of the whole sensor."""
        name, k, d = "k", self.k, self.d
        if self.rectified:
            name, k, d = "p", (*self.p[:3], *self.p[4:7], *self.p[8:11]), ()
        if not any(k):
            raise ValueError(f"camera_info.{name} is all zeros: the camera is not calibrated")
        if k[0] < SHORTEST_FOCAL * self.width or not (k[2] or k[5]):
            raise ValueError(
                f"camera_info.{name} must have focal lengths and a principal point in pixels of {self.width}x"
                f"{self.height}, got fx={k[0]:g}, cx={k[2]:g}, cy={k[5]:g}"
            )
        if not 1 / MAX_PIXEL_ASPECT <= k[4] / k[0] <= MAX_PIXEL_ASPECT:
            raise ValueError(
                f"camera_info.{name} must have focal lengths of nearly square pixels, got fx={k[0]:g}, fy={k[4]:g}"
            )
        return Camera.from_matrix(k, d, self.width, self.height, self.model or "plumb_bob")

    def _views(self, image: tuple[int, int]) -> list[tuple[tuple[int, int], tuple[int, int]]]:
        """Possible offsets and bins of an image of a size (width, height); none if it is not of this calibration."""
        (x, y, *region), bins = self.roi, self._bins
        sensor = (self.width, self.height)
        if x or y:  # an offset without a size: the size is that of the image
            region = [length or pixels * bin_ for length, pixels, bin_ in zip(region, image, bins, strict=True)]
        shown = [length or whole for length, whole in zip(region, sensor, strict=True)]
        inside = x + shown[0] <= self.width and y + shown[1] <= self.height
        if inside and all(
            abs(length / bin_ - pixels) < 1 for length, bin_, pixels in zip(shown, bins, image, strict=True)
        ):
            return [((x, y), bins)]
        if sensor == image:
            return list(product([(x, y), (0, 0)], [bins, (1, 1)]))
        return []

    def _described(self) -> str:
        parts = [f"{self.width}x{self.height}"]
        if any(self.roi):
            x, y, width, height = self.roi
            parts.append(f"roi {width}x{height} at ({x}, {y})")
        if self._bins != (1, 1):
            parts.append(f"binning {self._bins[0]}x{self._bins[1]}")
        return ", ".join(parts)


def _most_central(cameras: Sequence[Camera]) -> Camera:
    """Camera whose principal point is nearest to the middle of its image."""
    return min(
        cameras, key=lambda camera: math.hypot(camera.cx - (camera.width - 1) / 2, camera.cy - (camera.height - 1) / 2)
    )


def is_rectified(image_topic: str) -> bool:
    """Whether images on a topic of this name are rectified: /camera/image_rect_color, also compressed."""
    *_, name = [part for part in image_topic.split("/") if part and part != COMPRESSED] or [""]
    return name.startswith(RECTIFIED_PREFIX)


def load_calibration(path: Path) -> Calibration:
    """Read a calibration file in the format of ROS's camera_calibration and camera_info_manager.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not a calibration; names the file and the field.
    """
    try:
        tree = yaml.safe_load(path.read_text())
        if not isinstance(tree, dict):
            raise ValueError(f"expected image_width, image_height, camera_matrix..., got {brief(tree)}")
        calibration = Calibration(
            width=_number(tree, "image_width"),
            height=_number(tree, "image_height"),
            k=_matrix(tree, "camera_matrix", 9),
            d=_matrix(tree, "distortion_coefficients"),
            model=str(tree.get("distortion_model", "")),
            p=_matrix(tree, "projection_matrix", 12) if "projection_matrix" in tree else (0.0,) * 12,
            name=str(tree.get("camera_name", "")),
        )
        calibration.for_image(calibration.width, calibration.height)
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        raise ValueError(f"calibration file {path}: {' '.join(str(error).split())}") from error
    return calibration


def _number(tree: dict[str, Any], name: str) -> int:
    if not isinstance(value := tree.get(name), int) or not 0 < value <= MAX_SIDE:
        raise ValueError(f"{name} must be a whole number from 1 to {MAX_SIDE}, got {brief(value)}")
    return value


def _matrix(tree: dict[str, Any], name: str, length: int | None = None) -> tuple[float, ...]:
    matrix = tree.get(name)
    data = matrix.get("data") if isinstance(matrix, dict) else matrix
    if not isinstance(data, list) or not all(isinstance(value, int | float) for value in data):
        raise ValueError(f"{name} must have data, a list of numbers, got {brief(matrix)}")
    if length is not None and len(data) != length:
        raise ValueError(f"{name} must have {length} numbers, got {len(data)}")
    try:
        return tuple(float(value) for value in data)
    except OverflowError as error:
        raise ValueError(f"{name} must have numbers of double precision: {error}") from error
