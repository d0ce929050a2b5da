"""Depth images of a bag, looked up by the stamps of its colour images."""

from collections import deque
from contextlib import suppress
from functools import partial
from operator import itemgetter

import numpy as np

from uplift_ros.bags.reader import BagReader
from uplift_ros.messages.conversion import serialized_header
from uplift_ros.messages.images import to_metres
from uplift_ros.stages.uplifting import DepthLookup
from uplift_ros.streaming.clock import DEPTH_TOLERANCE_NS, nearest
from uplift_ros.streaming.depth_scale import KEPT_DEPTH_IMAGES

DEPTH_TYPES = ("sensor_msgs/msg/Image",)


class BagDepth:
    """Reads a depth topic beside the colour images; only the depth of key-frames is decoded.

    After stamps jump back, which happens only in a bag of several recordings, key-frames have no depth.

    Args:
        bag: open bag, from which the colour images are read too.
        topic: absolute name of a topic from which DEPTH_TYPES are read.
    """

    def __init__(self, bag: BagReader, topic: str) -> None:
        self._bag, self._topic = bag, topic
        self._messages = bag.raw([topic])
        self._read: deque[tuple[int, bytes]] = deque(maxlen=KEPT_DEPTH_IMAGES)

    def at(self, stamp: int) -> DepthLookup | None:
        """Decoder of the depth image nearest to a stamp, nanoseconds; None if none is within the tolerance."""
        while not self._read or self._read[-1][0] <= stamp + DEPTH_TOLERANCE_NS:
            message = next(self._messages, None)
            if message is None:
                break
            with suppress(ValueError):  # without a time it is the depth of no image
                self._read.append((serialized_header(message[2])[0], message[2]))
        found = nearest(self._read, stamp, DEPTH_TOLERANCE_NS, itemgetter(0))
        return None if found is None else partial(self._decode, found[1])

    def _decode(self, data: bytes) -> np.ndarray:
        return to_metres(self._bag.decode(self._topic, data))
