"""Skeletons in a fixed frame, such as odom, so that the motion of the robot is not smoothed with that of people."""

from collections import deque
from collections.abc import Callable, Sequence

from uplift_ros.poses import SkeletonFrame
from uplift_ros.streaming.clock import TRANSFORM_PATIENCE_NS
from uplift_ros.transforms import RigidTransform, moved

Lookup = Callable[[str, str, int], RigidTransform]
"""(target frame, source frame, stamp) to the transform from source to target at that stamp, never at another; raises
LookupError with the reason if it is not known, or not yet."""


class TargetFrame:
    """Transforms every frame, in order, at its own stamp; frames wait for transforms that are not yet known.

    Args:
        name: the target frame.
        lookup: returns transforms.

    Attributes:
        lost: frames dropped so far, because their transform did not arrive within TRANSFORM_PATIENCE_NS.
        reason: why the last lookup failed.
    """

    def __init__(self, name: str, lookup: Lookup) -> None:
        self.name = name
        self.lost = 0
        self.reason = ""
        self._lookup = lookup
        self._waiting: deque[SkeletonFrame] = deque()

    @property
    def is_waiting(self) -> bool:
        return bool(self._waiting)

    def reset(self) -> None:
        """Forget the frames that wait."""
        self._waiting.clear()

    def move(self, frames: Sequence[SkeletonFrame]) -> list[SkeletonFrame]:
        """Take the next frames, which may be none, and return those whose transforms are known by now."""
        self._waiting.extend(frames)
        ready = []
        while self._waiting:
            first = self._waiting[0]
            try:
                transform = self._lookup(self.name, first.frame_id, first.stamp)
            except LookupError as error:
                self.reason = str(error)
                if (
                    abs(self._waiting[-1].stamp - first.stamp) < TRANSFORM_PATIENCE_NS
                ):  # absolute: a bag may start again
                    break
                self.lost += 1
            else:
                ready.append(moved(first, transform, self.name))
            self._waiting.popleft()
        return ready
