"""Image messages with fields that contradict each other, and compressed images that are damaged or lie."""

import struct
from pathlib import Path
from random import Random
from types import SimpleNamespace

import cv2
import numpy as np
from fuzz.mutation import WORDS, blob, damaged, number
from fuzz.target import Target, promise
from support.pictures import exif

from uplift_ros.messages.images import DEEP, DEPTH_ENCODINGS, TO_RGB, exif_orientation, to_metres, to_rgb

ENCODINGS = (*TO_RGB, *DEEP, *DEPTH_ENCODINGS, "mono16", "8UC5", "RGB8", *WORDS[:12])
PICTURES = [
    cv2.imencode(suffix, np.random.default_rng(0).integers(0, 256, (8, 10, 3), np.uint8))[1].tobytes()
    for suffix in (".jpg", ".png", ".bmp", ".webp", ".tiff", ".ppm")
]


def targets(_: Path) -> list[Target]:
    return [
        Target("image", image, colours, 300),
        Target("depth", image, metres, 150),
        Target("compressed", compressed, colours, 60),
    ]


def image(random: Random) -> SimpleNamespace:
    """A sensor_msgs/Image whose size nearly fits its data, so that most pass the first check."""
    encoding = random.choice(ENCODINGS)
    height, width = random.randint(0, 9), random.randint(0, 9)
    pixel = random.choice((1, 2, 3, 4, 6, 8))
    step = random.choice((width * pixel, width * pixel, width * pixel + random.randint(-2, 5), number(random)))
    length = height * step if height * step < 5000 else random.randint(0, 100)
    data = blob(random, max(0, length))
    if random.random() < 0.8:
        data = data.ljust(max(0, length), b"\xff")
    if random.random() < 0.2:
        height, width = random.choice(((number(random), width), (height, number(random))))
    order = random.choice((0, 1, 255))
    return SimpleNamespace(
        height=height, width=width, encoding=encoding, step=max(0, step), is_bigendian=order, data=data
    )


def compressed(random: Random) -> SimpleNamespace:
    picture = random.choice(PICTURES)
    fate = random.random()
    if picture.startswith(b"\xff\xd8") and random.random() < 0.3:  # turned or mirrored by EXIF
        picture = picture[:2] + exif(random.choice((*range(1, 9), number(random) % 65536))) + picture[2:]
    if fate < 0.2:  # sizes that do not fit the data
        big = struct.pack(">H", random.choice((0, 1, 5000, 65535)))
        at = picture.find(b"\xff\xc0")
        picture = picture[: at + 5] + big + big + picture[at + 9 :] if at >= 0 else damaged(random, picture)
    elif fate < 0.9:
        picture = damaged(random, picture, (b"\xff\xd8", b"\xff\xda", b"IHDR", b"IDAT", b"RIFF", b"\0\0"))
    return SimpleNamespace(format=random.choice(("jpeg", "rgb8; jpeg compressed bgr8", *WORDS)), data=picture)


def colours(message: SimpleNamespace) -> None:
    picture = to_rgb(message)
    promise(0 <= exif_orientation(bytes(message.data)) <= 8, "no orientation of EXIF")
    promise(picture.dtype == np.uint8 and picture.ndim == 3 and picture.shape[2] == 3, f"an image {picture.shape}")
    if hasattr(message, "height"):
        promise(picture.shape[:2] == (message.height, message.width), f"an image {picture.shape}")


def metres(message: SimpleNamespace) -> None:
    depth = to_metres(message)
    promise(depth.dtype == np.float32 and depth.shape == (message.height, message.width), f"depth {depth.shape}")
