"""Renders the image of the synthetic camera: a person in a room, under one light."""

import numpy as np

from uplift_ros.camera import Camera
from uplift_ros.sources.synthetic.figure import figure
from uplift_ros.sources.synthetic.room import Room, cast_shadow
from uplift_ros.sources.synthetic.solids import draw_parts
from uplift_ros.sources.synthetic.viewpoint import Viewpoint

LIGHT = np.array([0.40, 0.34, 0.85]) / np.linalg.norm([0.40, 0.34, 0.85])
"""Direction to the light, world, unit length: above, in front and to the left of a person who faces +x."""


class Renderer:
    """Renderer of a person with given joints.

    Args:
        camera: ideal pinhole camera.
    """

    def __init__(self, camera: Camera) -> None:
        self._room = Room(camera.width, camera.height)

    def render(self, joints: np.ndarray, viewpoint: Viewpoint) -> np.ndarray:
        """Render joints (17, 3) h36m17, world metres, to an image (H, W, 3) uint8 RGB."""
        parts = figure(joints)
        image = self._room.seen_from(viewpoint)
        cast_shadow(image, parts, viewpoint, LIGHT)
        draw_parts(image, parts, viewpoint, LIGHT)
        return image
