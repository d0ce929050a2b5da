"""Recordings with real cameras: the truth and a detector's 2D poses, as the papers evaluate and train on them."""

from dataclasses import dataclass

import numpy as np

from uplift_ros.camera import SCREEN_FOCAL, Camera
from uplift_ros.lab.data.protocols import Clip


@dataclass(frozen=True)
class Take:
    """Recording of one camera.

    Attributes:
        name: subject/action/take, the action as the papers average over them.
        truth: (T, 17, 3) metres, camera optical frame.
        pixels: (T, 17, 2) 2D poses.
        camera: intrinsics, with the size of the image.
    """

    name: str
    truth: np.ndarray
    pixels: np.ndarray
    camera: Camera

    def clip(self, normalisation: str) -> Clip:
        """The take for the protocols; a network of the screen normalisation gets exactly the input of the papers."""
        scores = np.ones(self.pixels.shape[:2])
        if normalisation == "screen":
            return Clip(self.name, self.truth, screen(self.pixels, self.camera) / SCREEN_FOCAL, scores)
        return Clip(self.name, self.truth, self.camera.rays(self.pixels), scores)


def screen(pixels: np.ndarray, camera: Camera) -> np.ndarray:
    """Pixels (..., 2) to x' = 2 x / w - 1, y' = 2 y / w - h / w (Uplift and Upsample, as VideoPose3D)."""
    return 2 * pixels / camera.width - (1.0, camera.height / camera.width)
