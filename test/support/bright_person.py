"""A 2D estimator with predefined output."""

import numpy as np
from support.people import STANDING

from uplift_ros.poses import Person2D


class BrightPerson:
    """A person who stands further right the brighter the image is; no person in a black one.

    Attributes:
        images: number of processed images.
        quick: number of those that were to be estimated quickly.
    """

    def __init__(self) -> None:
        self.images = self.quick = 0

    def estimate(self, image: np.ndarray, *, quick: bool = False) -> list[Person2D]:
        self.images += 1
        self.quick += quick
        height, width = image.shape[:2]
        brightness = image.mean() / 255
        if brightness < 0.02:
            return []
        keypoints = STANDING[:, :2] * 0.4 * height + (width * (0.3 + 0.4 * brightness), height / 2)
        corner, extent = keypoints.min(0), np.ptp(keypoints, axis=0)
        return [Person2D("", 0.9, np.concatenate([corner, extent]), keypoints, np.full(17, 0.8))]

    def close(self) -> None:
        pass
