"""Depth images of a bag, looked up by the stamps of its colour images."""

from collections import deque
from functools import partial
from pathlib import Path

import numpy as np

from uplift_ros.bags.reader import BagReader
from uplift_ros.bags.storage import Damage
from uplift_ros.messages.conversion import serialized_header
from uplift_ros.messages.images import to_metres
from uplift_ros.stages.uplifting import DepthLookup
from uplift_ros.streaming.clock import DEPTH_TOLERANCE_NS

DEPTH_TYPES = ("sensor_msgs/msg/Image",)

KEPT_IMAGES = 15
"""Serialised depth images kept: half a second at 30 Hz, by which colour images may be late."""


class BagDepth:
    """Reads a depth topic beside the colour images; only the depth of key-frames is decoded.

    After stamps jump back, which happens only in a bag of several recordings, key-frames have no depth.

    Args:
        topic: absolute name of a sensor_msgs/Image topic.

    Raises:
        BagError: the bag cannot be read, or has no such topic.
    """

    def __init__(self, path: Path, topic: str) -> None:
        self._bag, self._topic = BagReader(path, skip_damaged=True), topic
        self._bag.choose(topic, DEPTH_TYPES)
        self._messages = self._bag.raw([topic])
        self._read: deque[tuple[int, bytes]] = deque(maxlen=KEPT_IMAGES)

    def at(self, stamp: int) -> DepthLookup | None:
        """Decoder of the depth image nearest to a stamp, nanoseconds; None if none is within the tolerance."""
        while not self._read or self._read[-1][0] <= stamp + DEPTH_TOLERANCE_NS:
            message = next(self._messages, None)
            if message is None:
                break
            self._read.append((serialized_header(message[2])[0], message[2]))
        nearest = min(self._read, key=lambda read: abs(read[0] - stamp), default=None)
        if nearest is None or abs(nearest[0] - stamp) > DEPTH_TOLERANCE_NS:
            return None
        return partial(self._decode, nearest[1])

    @property
    def damage(self) -> list[Damage]:
        """What of the bag was skipped until now."""
        return self._bag.damage

    def close(self) -> None:
        self._bag.close()

    def _decode(self, data: bytes) -> np.ndarray:
        return to_metres(self._bag.decode(self._topic, data))
