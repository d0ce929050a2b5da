"""Image messages as arrays, and as JPEG: works on messages of rclpy and of the bag reader alike."""

from typing import Any

import cv2
import numpy as np

from uplift_ros.bags.typestore import message_class

TO_BGR: dict[str, tuple[int, int | None]] = {
    "bgr8": (3, None),
    "8UC3": (3, None),
    "rgb8": (3, cv2.COLOR_RGB2BGR),
    "bgra8": (4, cv2.COLOR_BGRA2BGR),
    "rgba8": (4, cv2.COLOR_RGBA2BGR),
    "mono8": (1, cv2.COLOR_GRAY2BGR),
    "8UC1": (1, cv2.COLOR_GRAY2BGR),
}
"""Channels of an encoding of sensor_msgs/Image, and how OpenCV turns it to BGR."""

JPEG_QUALITY = 90


def to_bgr(message: Any) -> np.ndarray:
    """A sensor_msgs Image or CompressedImage as (height, width, 3) uint8, BGR.

    Raises:
        ValueError: an unknown encoding, a size that does not fit the data, or compressed data that is no image.
    """
    if hasattr(message, "format"):
        image = cv2.imdecode(np.frombuffer(message.data, np.uint8), cv2.IMREAD_COLOR)
        if image is None:
            raise ValueError(f"compressed image of format {message.format!r} cannot be decoded")
        return image
    if message.encoding not in TO_BGR:
        raise ValueError(f"image encoding must be one of {', '.join(TO_BGR)}, got {message.encoding!r}")
    channels, conversion = TO_BGR[message.encoding]
    height, width, step = message.height, message.width, message.step
    data = np.frombuffer(message.data, np.uint8)
    if step < width * channels or len(data) != height * step or not len(data):
        raise ValueError(f"image of {width}x{height} {message.encoding} has step {step} and {len(data)} bytes of data")
    image = data.reshape(height, step)[:, : width * channels].reshape(height, width, channels)
    return image if conversion is None else cv2.cvtColor(image, conversion)


def to_jpeg(message: Any) -> Any:
    """An Image as a CompressedImage of the typestore, with the same header.

    Raises:
        ValueError: as `to_bgr`.
    """
    encoded, data = cv2.imencode(".jpg", to_bgr(message), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not encoded:
        raise ValueError(f"image of {message.width}x{message.height} cannot be stored as JPEG")
    return message_class("sensor_msgs/msg/CompressedImage")(message.header, "jpeg", data.ravel())
