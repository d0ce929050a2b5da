"""Depth images by the stamp of a key-frame; needs message_filters."""

import numpy as np
from rclpy.clock import ClockType
from rclpy.time import Time
from sensor_msgs.msg import Image

from uplift_ros.messages.conversion import stamp_from_msg
from uplift_ros.messages.images import to_metres
from uplift_ros.nodes import qos
from uplift_ros.nodes.lifecycle.base import ManagedNode
from uplift_ros.nodes.lifecycle.memory import keep_freed_memory
from uplift_ros.nodes.links.optional import needed
from uplift_ros.streaming.clock import DEPTH_TOLERANCE_NS, nearest
from uplift_ros.streaming.depth_scale import KEPT_DEPTH_IMAGES


class DepthImages:
    """Cache of the newest depth images.

    Unlike with a synchroniser, key-frames do not wait for depth: a late or lost depth image must not delay skeletons.

    Raises:
        ImportError: message_filters is not installed.
    """

    def __init__(self) -> None:
        keep_freed_memory()
        self._filters = needed("message_filters", "use_depth", otherwise="false")

    def subscribe(self, node: ManagedNode) -> None:
        """Subscribe to the topic `depth` until the node is deactivated."""
        arriving = self._filters.SimpleFilter()
        self._cache = self._filters.Cache(arriving, KEPT_DEPTH_IMAGES)
        node.subscribe(Image, "depth", arriving.signalMessage, qos.images(depth=5), expected="depth images")

    def at(self, stamp: int) -> np.ndarray | None:
        """(height, width) metres at a stamp in nanoseconds, or None if there was no image at that time.

        Raises:
            ValueError: the message is not a depth image.
        """
        time = Time(nanoseconds=stamp, clock_type=ClockType.ROS_TIME)
        around = [self._cache.getElemBeforeTime(time), self._cache.getElemAfterTime(time)]
        images = (image for image in around if image)
        found = nearest(images, stamp, DEPTH_TOLERANCE_NS, lambda image: stamp_from_msg(image.header.stamp))
        return None if found is None else to_metres(found)
