"""Cameras of several image sizes and lenses."""

import pytest

from uplift_ros.camera import Camera
from uplift_ros.sources.synthetic.synthetic_source import HORIZONTAL_FOV

CAMERA = Camera.from_fov(1.0, 640, 480)
SMALL_CAMERA = Camera.from_fov(1.0, 160, 120)
SYNTHETIC_CAMERA = Camera.from_fov(HORIZONTAL_FOV, 320, 240)
"""Sees the whole synthetic person."""

LENSES = [
    Camera(500, 510, 320, 240, 640, 480),
    Camera(500, 510, 320, 240, 640, 480, (-0.2, 0.05, 0.001, -0.002, 0.0)),
    Camera(500, 510, 320, 240, 640, 480, (0.1, 0.02, 0.0, 0.0, 0.01, 0.05, 0.01, 0.0), "rational_polynomial"),
    Camera(300, 300, 320, 240, 640, 480, (0.05, -0.01, 0.002, 0.0), "equidistant"),
]
by_lens = pytest.mark.parametrize("camera", LENSES, ids=lambda camera: f"{camera.model}{len(camera.distortion)}")
