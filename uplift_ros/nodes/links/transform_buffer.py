"""Transforms from /tf and /tf_static; needs tf2_ros."""

from collections.abc import Callable
from typing import Any

import numpy as np
from rclpy.time import Time

from uplift_ros.nodes import qos
from uplift_ros.nodes.lifecycle.base import ManagedNode
from uplift_ros.nodes.links.optional import needed
from uplift_ros.streaming.clock import TRANSFORM_MEMORY_NS
from uplift_ros.transforms import RigidTransform


class TransformBuffer:
    """Buffer of transforms, looked up by stamp and never as the latest.

    Raises:
        ImportError: tf2_ros is not installed.
    """

    def __init__(self) -> None:
        self._tf2 = needed("tf2_ros", "target_frame", otherwise="empty")
        self._message = needed("tf2_msgs.msg", "target_frame", otherwise="empty").TFMessage
        self._buffer: Any = self._tf2.BufferCore()
        self._last_stamp = 0

    def subscribe(self, node: ManagedNode, on_news: Callable[[], None]) -> None:
        """Subscribe until the node is deactivated; `on_news` is called after every message."""
        self._buffer.clear()

        def take(add: Callable[[Any, str], None], message: Any) -> None:
            for transform in message.transforms:
                add(transform, "tf")
            on_news()

        node.subscribe(self._message, "/tf", lambda news: take(self._buffer.set_transform, news), qos.poses())
        node.subscribe(
            self._message,
            "/tf_static",
            lambda news: take(self._buffer.set_transform_static, news),
            qos.static_transforms(),
        )

    def lookup(self, target: str, source: str, stamp: int) -> RigidTransform:
        """Look up the transform from the frame `source` to the frame `target` at a stamp in nanoseconds.

        Raises:
            LookupError: tf2 has no transform (the text gives its reason), or the stamp is not positive.
        """
        if stamp <= 0:
            raise LookupError(f"stamp must be above 0 (0 means latest to tf2), got {stamp}")
        if stamp < self._last_stamp - TRANSFORM_MEMORY_NS:  # a bag restarts: tf2 would ignore its old stamps
            self._buffer.clear()
        self._last_stamp = stamp
        try:
            found = self._buffer.lookup_transform_core(target, source, Time(nanoseconds=stamp)).transform
        except self._tf2.TransformException as error:
            raise LookupError(str(error)) from error
        turn, shift = found.rotation, found.translation
        return RigidTransform.from_quaternion(
            np.array([turn.x, turn.y, turn.z, turn.w]), np.array([shift.x, shift.y, shift.z])
        )
