"""Synchronises frames of several cameras in time; needs message_filters."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from std_msgs.msg import Header

from uplift_ros.messages.conversion import ros_messages
from uplift_ros.nodes.links.optional import needed
from uplift_ros.poses import NANOSECONDS, SkeletonFrame
from uplift_ros.streaming.clock import VIEW_TOLERANCE_NS

QUEUE_FRAMES = 200
"""Frames of one camera that wait for another's: a key-frame at a large stride brings a second of them at once."""


@dataclass(frozen=True)
class _Stamped:
    """A frame with a header, as message_filters expects of a message."""

    header: Header
    frame: SkeletonFrame


class Synchroniser:
    """Groups the frames of several cameras by time.

    Args:
        cameras: number of cameras; a group has one frame of each.

    Raises:
        ImportError: message_filters is not installed.
    """

    def __init__(self, cameras: int) -> None:
        self._filters = needed("message_filters", "views", otherwise="empty")
        self._cameras = cameras
        self.reset()

    def reset(self) -> None:
        """Drop the waiting frames."""
        self._inputs: list[Any] = [self._filters.SimpleFilter() for _ in range(self._cameras)]
        self._newest = [0] * self._cameras
        self._last = 0
        self._together: list[tuple[SkeletonFrame, ...]] = []
        synchroniser = self._filters.ApproximateTimeSynchronizer(
            self._inputs, QUEUE_FRAMES, VIEW_TOLERANCE_NS / NANOSECONDS
        )
        synchroniser.registerCallback(self._take)

    def push(self, camera: int, frames: Sequence[SkeletonFrame]) -> list[tuple[SkeletonFrame, ...]]:
        """Add the next frames of one camera; return the complete groups, one frame of each camera, in order of time.

        A jump back in time (a bag that restarts) drops the waiting frames.
        """
        complete: list[tuple[SkeletonFrame, ...]] = []
        for frame in frames:
            if frame.stamp < self._newest[camera]:
                complete += self._together
                self.reset()
            self._newest[camera] = frame.stamp
            self._inputs[camera].signalMessage(_Stamped(ros_messages().header(frame.stamp, frame.frame_id), frame))
        complete += self._together
        self._together = []
        return complete

    def _take(self, *views: _Stamped) -> None:
        if views[0].frame.stamp > self._last:
            self._last = views[0].frame.stamp
            self._together.append(tuple(view.frame for view in views))
