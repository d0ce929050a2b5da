"""Camera with a pose in the world."""

from dataclasses import dataclass

import numpy as np

from uplift_ros.camera import Camera


@dataclass(frozen=True)
class Viewpoint:
    """Camera and its pose: p_optical = rotation (p_world - position).

    Attributes:
        rotation: (3, 3) world to the camera's optical frame.
        position: (3,) metres, world.
    """

    camera: Camera
    rotation: np.ndarray
    position: np.ndarray

    @classmethod
    def looking(cls, camera: Camera, position: np.ndarray, yaw: float, pitch: float) -> "Viewpoint":
        """Make a viewpoint without roll: yaw from the world's x axis to the left, pitch below the horizon, radians."""
        forward = np.array([np.cos(yaw) * np.cos(pitch), np.sin(yaw) * np.cos(pitch), -np.sin(pitch)])
        right = np.array([np.sin(yaw), -np.cos(yaw), 0.0])
        return cls(camera, np.stack([right, np.cross(forward, right), forward]), position)

    def to_optical(self, points: np.ndarray) -> np.ndarray:
        """Transform world points (..., 3) to the optical frame."""
        return (points - self.position) @ self.rotation.T

    def plane_to_image(self, origin: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
        """Homography (3, 3) from coordinates on the plane origin + p u + q v (world) to pixels."""
        return self.camera.matrix @ self.rotation @ np.column_stack([u, v, origin - self.position])
