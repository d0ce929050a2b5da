"""Synthetic camera: an animated person, seen by a robot-like camera, with ground truth."""

import itertools
import math
from collections.abc import Iterator
from functools import partial

import numpy as np

from uplift_ros.camera import Camera
from uplift_ros.poses import NANOSECONDS, Person3D, ScaleSource, SkeletonFrame, Source
from uplift_ros.sources import SourceFrame
from uplift_ros.sources.synthetic.motion import pose
from uplift_ros.sources.synthetic.room import Room
from uplift_ros.sources.synthetic.viewpoint import Viewpoint

DEFAULT_SIZE = (640, 480)
DEFAULT_FPS = 50.0
HORIZONTAL_FOV = 0.96
"""Radians: 55 degrees, as of a common RGB-D camera."""

POSITION = np.array([3.65, 0.50, 1.20])
"""Metres, world: in front of the person's start, centred on the walk, at the height of a robot's camera."""

PITCH = 0.095
"""Radians below the horizon: the whole body is in view, even with arms overhead."""


class SyntheticSource:
    """Frames of `motion.pose` through a pinhole camera; a pure function of the frame index.

    Args:
        width, height: pixels.
        fps: frames per second.
        moving: whether the camera sways and pans slowly; a static camera is cheaper to render.

    Raises:
        ValueError: fps or size not positive.
    """

    def __init__(
        self, width: int = DEFAULT_SIZE[0], height: int = DEFAULT_SIZE[1], fps: float = DEFAULT_FPS, moving: bool = True
    ) -> None:
        if not fps > 0:
            raise ValueError(f"fps must be positive, got {fps}")
        self.camera = Camera.from_fov(HORIZONTAL_FOV, width, height)
        self.fps = fps
        self._moving = moving
        self._room = Room(width, height)

    def frames(self) -> Iterator[SourceFrame]:
        """Yield frames endlessly: the schedule repeats, the camera moves independently of it."""
        for index in itertools.count():
            yield self.frame(index)

    def frame(self, index: int) -> SourceFrame:
        """Make frame number `index`, at index / fps seconds."""
        t = index / self.fps
        viewpoint = viewpoint_at(self.camera, t if self._moving else 0.0)
        joints = pose(t)
        render = partial(self._room.render, joints, viewpoint)
        return SourceFrame(round(t * NANOSECONDS), render, viewpoint.to_optical(joints))

    def close(self) -> None:
        """Do nothing: no resource is open."""


def viewpoint_at(camera: Camera, t: float) -> Viewpoint:
    """Viewpoint of the moving camera at `t` seconds: slow sines, a few centimetres and degrees."""
    sway = np.array([0.03 * np.sin(0.5 * t), 0.10 * np.sin(0.31 * t), 0.012 * np.sin(0.83 * t)])
    yaw, pitch = np.pi + 0.045 * np.sin(0.37 * t), PITCH + 0.010 * np.sin(0.61 * t)
    return Viewpoint.looking(camera, POSITION + sway, yaw, pitch)


def true_skeleton(joints: np.ndarray, stamp: int, frame_id: str) -> SkeletonFrame:
    """Convert ground-truth joints, (17, 3) metres in the optical frame, to a frame; the velocity is unknown (NaN)."""
    person = Person3D(
        id="truth",
        score=1.0,
        source=Source.KEYFRAME,
        scale_source=ScaleSource.DEPTH,
        joints=joints,
        scores=np.ones(len(joints)),
        velocity=math.nan,
    )
    return SkeletonFrame(stamp, frame_id, (person,))
