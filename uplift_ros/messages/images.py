"""Image messages to RGB arrays, for the messages of rclpy and of bag readers; needs neither.

The decoder uses OpenCV and NumPy. cv_bridge gives the same images for ten encodings (a test compares them), but knows
fewer, crashes with another NumPy than it was compiled for (vision_opencv#535), loads a second OpenCV (42 MB), and takes
0.5 ms for an rgb8 image. It ignores the padding of rows in some versions, as rosbags-image does, which shears images.
"""

import struct
from typing import Any

import cv2
import numpy as np

from uplift_ros.parameters import brief

TO_RGB: dict[str, tuple[int, int | None]] = {
    "rgb8": (3, None),
    "bgr8": (3, cv2.COLOR_BGR2RGB),
    "8UC3": (3, cv2.COLOR_BGR2RGB),
    "rgba8": (4, cv2.COLOR_RGBA2RGB),
    "bgra8": (4, cv2.COLOR_BGRA2RGB),
    "8UC4": (4, cv2.COLOR_BGRA2RGB),
    "mono8": (1, cv2.COLOR_GRAY2RGB),
    "8UC1": (1, cv2.COLOR_GRAY2RGB),
    "yuv422": (2, cv2.COLOR_YUV2RGB_UYVY),
    "uyvy": (2, cv2.COLOR_YUV2RGB_UYVY),
    "yuv422_yuy2": (2, cv2.COLOR_YUV2RGB_YUY2),
    "yuyv": (2, cv2.COLOR_YUV2RGB_YUY2),
    # OpenCV names a Bayer pattern by the second and third pixel of the second row, ROS by the first two rows.
    "bayer_rggb8": (1, cv2.COLOR_BayerBG2RGB),
    "bayer_bggr8": (1, cv2.COLOR_BayerRG2RGB),
    "bayer_gbrg8": (1, cv2.COLOR_BayerGR2RGB),
    "bayer_grbg8": (1, cv2.COLOR_BayerGB2RGB),
}
"""Number of channels of the 8-bit encodings of sensor_msgs/Image, and OpenCV's conversion to RGB."""

DEEP = {f"{encoding[:-1]}16": encoding for encoding in TO_RGB if encoding.endswith("8")}
"""16-bit encodings, of which the upper bits are kept."""

EXIF, EXIF_WITHIN, ORIENTATION_TAG = b"Exif\0\0", 1 << 16, 0x0112
"""Begin of the EXIF segment of a JPEG, the first bytes in which it must lie, and its tag of the orientation."""

SIGNIFICANT_BITS = (10, 12, 14, 16)

COMPRESSED_DEPTH = "compressedDepth"
"""Part of the format of depth images by image_transport."""

IMREAD = cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH
"""Three channels, turned as EXIF says, of 8 or 16 bits."""

DEPTH_ENCODINGS: dict[str, tuple[np.dtype, float]] = {
    "16UC1": (np.dtype(np.uint16), 0.001),
    "32FC1": (np.dtype(np.float32), 1.0),
}
"""Type of a pixel and metres in its unit (REP-118)."""


def to_rgb(message: Any) -> np.ndarray:
    """Convert a sensor_msgs Image or CompressedImage to (height, width, 3) uint8, RGB.

    Raises:
        ValueError: an unknown encoding, a size that does not fit the data, or data that cannot be decoded.
    """
    return _decompressed(message) if hasattr(message, "format") else _converted(message)


def _converted(message: Any) -> np.ndarray:
    height, width, encoding, step = message.height, message.width, message.encoding, message.step
    if encoding not in TO_RGB and encoding not in DEEP:
        raise ValueError(f"image encoding must be one of {', '.join([*TO_RGB, *DEEP])}, got {brief(encoding)}")
    channels, conversion = TO_RGB[DEEP.get(encoding, encoding)]
    if channels == 2 and width % 2:  # some versions of OpenCV decode such an image wrongly
        raise ValueError(f"image width must be even for encoding {encoding}, got {width}")
    row_bytes = width * channels * (2 if encoding in DEEP else 1)
    if not height or not width:
        raise ValueError(f"image must have a height and a width, got {width}x{height}")
    if step < row_bytes:
        raise ValueError(f"image step must be at least {row_bytes} for {width} pixels {encoding}, got {step}")
    if len(message.data) != height * step:
        raise ValueError(f"image data must be {height * step} bytes ({height} rows of {step}), got {len(message.data)}")
    rows = np.ascontiguousarray(np.frombuffer(message.data, np.uint8).reshape(height, step)[:, :row_bytes])
    if encoding in DEEP:
        rows = _upper_bits(rows.view(">u2" if message.is_bigendian else "<u2"))
    pixels = np.ascontiguousarray(rows).reshape(height, width, channels)
    if conversion is None:
        return pixels
    try:
        return cv2.cvtColor(pixels, conversion)
    except cv2.error as error:
        raise ValueError(f"image of {width}x{height} cannot be {encoding}: {error.err}") from error


def _upper_bits(values: np.ndarray) -> np.ndarray:
    """Keep the upper 8 of the bits that a camera uses: 10, 12, 14 or 16, which the encoding does not specify."""
    used = int(values.max(initial=0)).bit_length()
    bits = next(bits for bits in SIGNIFICANT_BITS if used <= bits)
    return (values >> (bits - 8)).astype(np.uint8)


def _decompressed(message: Any) -> np.ndarray:
    what = f"compressed image of format {brief(message.format)} ({len(message.data)} bytes)"
    if COMPRESSED_DEPTH in message.format:
        raise ValueError(f"{what} must be a colour image, got depth")
    try:
        image = cv2.imdecode(np.frombuffer(message.data, np.uint8), IMREAD) if len(message.data) else None
    except cv2.error:  # more pixels than the limit, 2^26 (see __init__.py)
        image = None
    if image is None or image.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"{what} cannot be decoded, or is too large")
    return cv2.cvtColor(_upper_bits(image) if image.dtype == np.uint16 else image, cv2.COLOR_BGR2RGB)


def exif_orientation(data: bytes) -> int:
    """Orientation that `to_rgb` applies to a JPEG, alone or in a serialised message: 1 to 8 as in EXIF, 0 if not given.

    1 is upright, 6 is rotated clockwise by 90 degrees, 3 by 180, 8 by 270; the others are mirrored.
    """
    begin = data.find(EXIF, 0, EXIF_WITHIN) + len(EXIF)
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(data[begin : begin + 4])
    if order is None or begin < len(EXIF):
        return 0
    try:
        directory = begin + struct.unpack_from(f"{order}I", data, begin + 4)[0]
        (count,) = struct.unpack_from(f"{order}H", data, directory)
        for entry in range(directory + 2, directory + 2 + 12 * count, 12):
            tag, _, _, value = struct.unpack_from(f"{order}HHIH", data, entry)
            if tag == ORIENTATION_TAG:
                return value if 1 <= value <= 8 else 0
    except struct.error:  # cut off
        pass
    return 0


def to_metres(message: Any) -> np.ndarray:
    """Convert a depth image, sensor_msgs/Image, to (height, width) in metres; 0 and NaN are unknown (REP-118).

    Raises:
        ValueError: an encoding other than 16UC1 (millimetres) and 32FC1 (metres), or a size that does not fit the data.
    """
    encoding, step = message.encoding, message.step
    if encoding not in DEPTH_ENCODINGS:
        raise ValueError(f"depth encoding must be one of {', '.join(DEPTH_ENCODINGS)}, got {brief(encoding)}")
    kind, unit = DEPTH_ENCODINGS[encoding]
    kind = kind.newbyteorder(">" if message.is_bigendian else "<")
    least = message.width * kind.itemsize
    if step < least or len(message.data) != message.height * step:
        raise ValueError(
            f"depth data must be {message.height} rows of at least {least} bytes, "
            f"got {len(message.data)} bytes in rows of {step}"
        )
    rows = np.frombuffer(message.data, np.uint8).reshape(message.height, step)[:, :least]
    return np.ascontiguousarray(rows).view(kind).astype(np.float32) * np.float32(unit)
