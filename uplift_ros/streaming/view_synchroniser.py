"""Synchronisation of several cameras: groups of frames that were taken at one time."""

from collections import deque
from collections.abc import Sequence
from operator import attrgetter

from uplift_ros.poses import SkeletonFrame
from uplift_ros.streaming.clock import VIEW_PATIENCE_NS, VIEW_TOLERANCE_NS, nearest


class ViewSynchroniser:
    """Groups each frame of the first camera with the frames of the others that are nearest in time.

    A frame waits until every other camera is as far. A camera that falls behind by VIEW_PATIENCE_NS is lost, and the
    others go on without it until it is back; a first camera that is lost is replaced by the next. Unlike in
    message_filters' synchronisers, neither a lost camera nor a single lost frame stops the others.

    Args:
        cameras: number of cameras.

    Attributes:
        lost: indices of cameras that the newest frames do not wait for.
    """

    def __init__(self, cameras: int) -> None:
        self._cameras = cameras
        self.reset()

    def reset(self) -> None:
        """Drop the waiting frames."""
        self._waiting: list[deque[SkeletonFrame]] = [deque() for _ in range(self._cameras)]
        self._newest: list[int | None] = [None] * self._cameras
        self._begin: int | None = None
        self._last = -1
        self.lost: list[int] = []

    def push(self, views: Sequence[Sequence[SkeletonFrame]]) -> list[tuple[SkeletonFrame, ...]]:
        """Add the next frames of every camera; return the complete groups, in order of time and of cameras.

        A camera that jumps back in time (a bag that restarts) drops its waiting frames, and those far ahead of it.
        """
        for camera, frames in enumerate(views):
            for frame in frames:
                newest = self._newest[camera]
                if newest is not None and frame.stamp < newest:
                    self._restart(camera, frame.stamp)
                if self._begin is None:
                    self._begin = frame.stamp
                self._newest[camera] = frame.stamp
                self._waiting[camera].append(frame)
        return list(iter(self._next, None)) if self._begin is not None else []

    def _restart(self, camera: int, stamp: int) -> None:
        for other, newest in enumerate(self._newest):
            if other == camera or (newest is not None and newest - stamp > VIEW_PATIENCE_NS):
                self._waiting[other].clear()
                self._newest[other] = None
        self._begin, self._last = stamp, min(self._last, stamp - 1)

    def _next(self) -> tuple[SkeletonFrame, ...] | None:
        # 1. The cameras that are waited for; one that has not begun counts as far as the first frame of all.
        begin = self._begin or 0
        reached = [begin if newest is None else newest for newest in self._newest]
        self.lost = [camera for camera, stamp in enumerate(reached) if max(reached) - stamp > VIEW_PATIENCE_NS]
        first, *others = (camera for camera in range(self._cameras) if camera not in self.lost)
        # 2. The oldest frame of the first one, once all others are as far.
        waiting = self._waiting[first]
        while waiting and waiting[0].stamp <= self._last:
            waiting.popleft()
        if not waiting or any(self._newest[camera] is None or reached[camera] < waiting[0].stamp for camera in others):
            return None
        frame = waiting.popleft()
        self._last = frame.stamp
        # 3. The nearest frame of each other camera; older ones are not read again.
        group = [frame]
        for camera in others:
            seen = self._waiting[camera]
            while len(seen) > 1 and seen[1].stamp <= frame.stamp:
                seen.popleft()
            match = nearest(seen, frame.stamp, VIEW_TOLERANCE_NS, attrgetter("stamp"))
            if match is not None:
                group.append(match)
        return tuple(group)
