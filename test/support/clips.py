"""Short videos and bags of images that get brighter, for tests: BrightPerson sees a walking person in them."""

from pathlib import Path

import cv2
import numpy as np
from support import recordings

from uplift_ros.bags.reader import BagReader
from uplift_ros.bags.writer import BagWriter
from uplift_ros.messages.typestore import message_class

FPS = 25
FRAMES = 30
SIZE = (160, 120)


def write_clip(path: Path) -> Path:
    """1.2 s, getting brighter."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), FPS, SIZE)
    for i in range(FRAMES):
        writer.write(picture(i))
    writer.release()
    return path


def picture(frame: int) -> np.ndarray:
    return np.full((SIZE[1], SIZE[0], 3), 50 + 5 * frame, np.uint8)


def raw_image(stamp: int, image: np.ndarray):
    height, width = image.shape[:2]
    return message_class("sensor_msgs/msg/Image")(
        recordings.header(stamp), height, width, "bgr8", 0, 3 * width, image.ravel()
    )


def write_bag(path: Path, make=recordings.compressed_image, topic="/image_raw/compressed", info="/camera_info") -> Path:
    """The pictures with the camera_info of recordings.CAMERA, whose size they have."""
    with BagWriter(path) as writer:
        for i in range(FRAMES):
            stamp = recordings.START + i * 10**9 // FPS
            if info:
                writer.write(info, stamp + 1000, recordings.camera_info(stamp))
            image = cv2.resize(picture(i), (recordings.CAMERA.width, recordings.CAMERA.height))
            writer.write(topic, stamp + 2000, make(stamp, image))
    return path


def topics(path: Path) -> dict[str, int]:
    with BagReader(path) as bag:
        return {topic.name: topic.count for topic in bag.topics.values()}
