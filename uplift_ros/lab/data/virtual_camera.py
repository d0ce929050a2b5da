"""Virtual cameras as robots have them, for motion capture."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from uplift_ros.skeleton import H36M17

HEIGHT_M = (0.3, 2.5)
"""Above the floor: from a vacuum robot's camera to one on a wall."""

SLOPE_DEG, SLOPED = (-15.0, 40.0), 0.3
"""Range of the downward slope of the line from camera to person, whose upper limit holds for all cameras, and share of
cameras for which the slope is drawn instead of the height."""

ROLL_DEG, TILTED_DEG, TILTED = 3.0, 12.0, 0.25
"""Standard deviation of the roll of most cameras, of those that are held or mounted tilted, and the share of those."""

DISTANCE_M = (1.0, 12.0)
"""To the person: from the width of a desk to the farthest at which detectors find people."""

HALF_FOV_DEG = (20.0, 50.0)
"""Half the field of view along the longer side of the image."""

SHAPES, SHARES = (3 / 4, 9 / 16, 4 / 3, 16 / 9), (0.4, 0.4, 0.1, 0.1)
"""Heights of images as parts of their widths, and the probability of each."""

OFF_CENTRE = (0.85, 0.5)
"""Largest angle of a person's middle to the right or left, and up or down, as a part of half the field of view."""

NEAREST_M = 0.5
"""Minimum distance of every joint in front of the camera: no person walks through it during a window."""

TRUNK_ENDS = [H36M17.index("pelvis"), H36M17.index("thorax")]

ATTEMPTS = 20
"""Maximum draws of a camera until no person comes too near; one in 100,000 windows of 7 s of running needs more."""


@dataclass(frozen=True)
class View:
    """Poses of cameras: points in the optical frame are `rotation` @ (world - position).

    Attributes:
        rotation: (..., 3, 3).
        position: (..., 3) metres, world z up.
    """

    rotation: np.ndarray
    position: np.ndarray

    def apply(self, joints: np.ndarray) -> np.ndarray:
        """Joints (..., 17, 3) from the world into the optical frame; leading axes broadcast."""
        return (joints - self.position[..., None, :]) @ np.swapaxes(self.rotation, -1, -2)


def look_at_world(position: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Rotation (..., 3, 3) from the world, z up, into the optical frame of a level camera at `position` (..., 3) that
    looks at `target` (..., 3)."""
    forward = target - position
    forward = forward / np.linalg.norm(forward, axis=-1, keepdims=True)
    right = np.cross(forward, np.broadcast_to([0.0, 0.0, 1.0], forward.shape))
    right = right / np.linalg.norm(right, axis=-1, keepdims=True)
    return np.stack([right, np.cross(forward, right), forward], -2)


def rotation_xyz(pitch: np.ndarray, yaw: np.ndarray, roll: np.ndarray) -> np.ndarray:
    """Rotations (..., 3, 3) about the optical axes: x (pitch), then y (yaw), then z (roll); radians, of any shapes."""
    angles = np.stack(np.broadcast_arrays(pitch, yaw, roll), -1)
    return Rotation.from_euler("xyz", angles.reshape(-1, 3)).as_matrix().reshape(*angles.shape, 3)


def random_views(rng: np.random.Generator, joints: np.ndarray, seconds: np.ndarray) -> tuple[View, np.ndarray]:
    """One camera for each window; a third of them move.

    The person is somewhere in a field of view of 40 to 100 degrees, may leave it, but comes no nearer than NEAREST_M.

    Args:
        rng: source of randomness.
        joints: (B, T, 17, 3) world, metres.
        seconds: (T,) times of the frames.

    Returns:
        Views of shape (B, T), and half the width and height (B, 2) of their images on the plane z = 1.
    """
    views, half_size = _draw_views(rng, joints, seconds)
    for _ in range(ATTEMPTS):
        near = (views.apply(joints)[..., 2] < NEAREST_M).any((1, 2))
        if not near.any():
            break
        again, half_size[near] = _draw_views(rng, joints[near], seconds)
        views.rotation[near], views.position[near] = again.rotation, again.position
    return views, half_size


def in_image(seen: np.ndarray, half_size: np.ndarray) -> np.ndarray:
    """(B, T) whether a detector can find a person: pelvis or thorax is in front of the camera and inside the image.

    Args:
        seen: (B, T, 17, 3) joints in the optical frame.
        half_size: (B, 2) half the width and height of the images on the plane z = 1.
    """
    trunk = seen[:, :, TRUNK_ENDS]
    depth = trunk[..., 2:]
    inside = (np.abs(trunk[..., :2]) < half_size[:, None, None] * depth).all(-1)
    return ((depth[..., 0] >= NEAREST_M) & inside).any(-1)


def _draw_views(rng: np.random.Generator, joints: np.ndarray, seconds: np.ndarray) -> tuple[View, np.ndarray]:
    batch = len(joints)
    target = joints[:, joints.shape[1] // 2, 0]
    azimuth = rng.uniform(0, 2 * np.pi, batch)
    distance = np.exp(rng.uniform(np.log(DISTANCE_M[0]), np.log(DISTANCE_M[1]), batch))
    height = rng.uniform(*HEIGHT_M, batch)
    slope = np.radians(rng.uniform(*SLOPE_DEG, batch))
    sloped = np.maximum(target[:, 2] + distance * np.sin(slope), HEIGHT_M[0])
    highest = np.maximum(target[:, 2] + distance * np.sin(np.radians(SLOPE_DEG[1])), HEIGHT_M[0])
    height = np.minimum(np.where(rng.random(batch) < SLOPED, sloped, height), highest)
    horizontal = np.sqrt(np.maximum(distance**2 - (height - target[:, 2]) ** 2, 1.0))
    position = np.stack(
        [target[:, 0] + horizontal * np.cos(azimuth), target[:, 1] + horizontal * np.sin(azimuth), height], -1
    )
    aim = look_at_world(position, target)
    shape = rng.choice(SHAPES, batch, p=SHARES)
    half_size = np.tan(np.radians(rng.uniform(*HALF_FOV_DEG, batch)))[:, None] * np.minimum(
        1, np.stack([1 / shape, shape], -1)
    )
    yaw, pitch = (rng.uniform(-1, 1, (batch, 2)) * OFF_CENTRE * np.arctan(half_size)).T
    roll = np.radians(rng.normal(0, np.where(rng.random(batch) < TILTED, TILTED_DEG, ROLL_DEG)))

    moving = rng.random(batch) < 1 / 3
    drift = np.where(moving[:, None], rng.normal(0, 0.3, (batch, 3)) * (1, 1, 0.1), 0)
    turn = np.where(moving, rng.normal(0, 0.2, batch), 0)
    time = seconds - seconds[len(seconds) // 2]
    position = position[:, None] + drift[:, None] * time[:, None]
    yaws = yaw[:, None] + turn[:, None] * time
    return View(rotation_xyz(pitch[:, None], yaws, roll[:, None]) @ aim[:, None], position), half_size


def surrounding_views(rng: np.random.Generator, joints: np.ndarray, count: int) -> View:
    """Fixed cameras around a whole sequence, which see the person all the time, for evaluation.

    Args:
        rng: source of randomness.
        joints: (T, 17, 3) world, metres.
        count: number of cameras.

    Returns:
        Views of shape (count,).
    """
    root = joints[:, 0]
    middle = (root.min(0) + root.max(0)) / 2
    radius = np.linalg.norm(root[:, :2] - middle[:2], axis=-1).max()
    azimuth = rng.uniform(0, 2 * np.pi) + np.arange(count) * 2 * np.pi / count + rng.uniform(-0.3, 0.3, count)
    distance = radius + rng.uniform(2.5, 5.0, count)
    height = rng.uniform(0.5, 2.0, count)
    position = np.stack([middle[0] + distance * np.cos(azimuth), middle[1] + distance * np.sin(azimuth), height], -1)
    return View(look_at_world(position, np.broadcast_to(middle, position.shape)), position)
