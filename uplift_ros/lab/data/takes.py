"""Recordings with real cameras: the truth and a detector's 2D poses, on which the papers evaluate and train."""

from dataclasses import dataclass

import numpy as np

from uplift_ros.camera import SCREEN_FOCAL, Camera
from uplift_ros.lab.data.protocols import Clip


@dataclass(frozen=True)
class Take:
    """Recording of one camera.

    Attributes:
        name: subject/action/take; the papers average over actions.
        truth: (T, 17, 3) metres, camera optical frame.
        pixels: (T, 17, 2) 2D poses.
        camera: intrinsics, with the size of the image.
    """

    name: str
    truth: np.ndarray
    pixels: np.ndarray
    camera: Camera

    def clip(self, normalisation: str) -> Clip:
        """The take as input of the protocols.

        Args:
            normalisation: of the network; with "screen" the network reads exactly what it reads in the papers.
        """
        scores = np.ones(self.pixels.shape[:2])
        if normalisation == "screen":
            return Clip(self.name, self.truth, screen(self.pixels, self.camera) / SCREEN_FOCAL, scores)
        return Clip(self.name, self.truth, self.camera.rays(self.pixels), scores)


def screen(pixels: np.ndarray, camera: Camera) -> np.ndarray:
    """Normalise pixels (..., 2): x' = 2 x / w - 1, y' = 2 y / w - h / w (VideoPose3D; Uplift and Upsample)."""
    return 2 * pixels / camera.width - (1.0, camera.height / camera.width)
