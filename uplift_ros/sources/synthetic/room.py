"""Renders the image of the synthetic camera: a person in a room, whose body parts cast a shadow on the tiled floor."""

import cv2
import numpy as np

from uplift_ros.sources.synthetic.figure import figure
from uplift_ros.sources.synthetic.solids import LIGHT, Parts, draw_parts
from uplift_ros.sources.synthetic.viewpoint import Viewpoint

WALL_X = -2.3
WALL_HEIGHT, FLOOR_DEPTH, HALF_WIDTH = 4.0, 8.0, 6.0
TILE = 0.5
TEXELS = 80
"""Pixels per metre of the room's textures."""

SHADOW_TEXELS = 40
SHADOW_HALF_WIDTH = 1.6
SHADOW_STRENGTH = 0.55


class Room:
    """Room as a camera sees it; the image is cached as long as the camera does not move.

    Args:
        width, height: image size, pixels.
    """

    def __init__(self, width: int, height: int) -> None:
        self._wall, self._floor = _wall_texture(), _floor_texture()
        self._seen_from: Viewpoint | None = None
        # OpenCV warps four channels more than twice as fast as three.
        self._rgba = np.zeros((height, width, 4), np.uint8)
        self._rgb = np.zeros((height, width, 3), np.uint8)

    def render(self, joints: np.ndarray, viewpoint: Viewpoint) -> np.ndarray:
        """Render a person with joints (17, 3) h36m17, world metres, in the room: (H, W, 3) uint8 RGB."""
        parts = figure(joints)
        image = self.seen_from(viewpoint)
        cast_shadow(image, parts, viewpoint)
        draw_parts(image, parts, viewpoint)
        return image

    def seen_from(self, viewpoint: Viewpoint) -> np.ndarray:
        """Image of the empty room, (H, W, 3) uint8 RGB; a copy, which the caller may change."""
        before = self._seen_from
        if before is None or not (
            np.array_equal(before.rotation, viewpoint.rotation) and np.array_equal(before.position, viewpoint.position)
        ):
            self._draw(viewpoint)
            self._seen_from = viewpoint
        return self._rgb.copy()

    def _draw(self, viewpoint: Viewpoint) -> None:
        height, width = self._rgb.shape[:2]
        across, down, towards = np.eye(3)[[1, 2, 0]] * [[1], [-1], [1]] / TEXELS
        wall = viewpoint.plane_to_image(np.array([WALL_X, -HALF_WIDTH, WALL_HEIGHT]), across, down)
        floor = viewpoint.plane_to_image(np.array([WALL_X, -HALF_WIDTH, 0.0]), across, towards)
        # Each texture is warped only into the rows where it is visible: above or below the edge between the two.
        edge = np.linalg.inv(floor)[1]
        ends = -(edge[2] + edge[0] * np.array([0, width - 1])) / edge[1]
        first, last = np.clip([ends.min() - 1, ends.max() + 2], 0, height).astype(int).tolist()
        if last > 0:
            cv2.warpPerspective(self._wall, wall, (width, last), dst=self._rgba[:last], borderMode=cv2.BORDER_REPLICATE)
        if first < height:
            up = np.array([[1, 0, 0], [0, 1, -first], [0, 0, 1]])
            cv2.warpPerspective(
                self._floor,
                up @ floor,
                (width, height - first),
                dst=self._rgba[first:],
                borderMode=cv2.BORDER_TRANSPARENT,
            )
        cv2.cvtColor(self._rgba, cv2.COLOR_RGBA2RGB, dst=self._rgb)


def cast_shadow(image: np.ndarray, parts: Parts, viewpoint: Viewpoint) -> None:
    """Darken the floor in `image` (H, W, 3) where the parts block the light."""
    slope = LIGHT[:2] / LIGHT[2]
    corner = parts.a[0, :2] - slope * parts.a[0, 2] - SHADOW_HALF_WIDTH
    ends = np.stack([parts.a, parts.b], 1)
    texels = np.rint((ends[..., :2] - slope * ends[..., 2:] - corner) * SHADOW_TEXELS).astype(int)
    size = int(2 * SHADOW_HALF_WIDTH * SHADOW_TEXELS)
    mask = np.zeros((size, size), np.uint8)
    widths = np.maximum(2 * parts.radii.mean(-1) * SHADOW_TEXELS, 1).astype(int)
    for (a, b), width in zip(texels.tolist(), widths.tolist(), strict=True):
        cv2.line(mask, a, b, 255, width)
    shadow = cv2.convertScaleAbs(cv2.blur(cv2.blur(mask, (7, 7)), (5, 5)), alpha=SHADOW_STRENGTH)

    along_x, along_y = np.eye(3)[:2] / SHADOW_TEXELS
    to_image = viewpoint.plane_to_image(np.array([*corner, 0.0]), along_x, along_y)
    corners = np.array([[0, 0, 1], [size, 0, 1], [size, size, 1], [0, size, 1]]) @ to_image.T
    if (corners[:, 2] <= 0).any():
        return  # part of the shadow's square lies behind the camera
    corners = corners[:, :2] / corners[:, 2:]
    limits = image.shape[1::-1]
    x0, y0 = np.clip(corners.min(0), 0, limits).astype(int).tolist()
    x1, y1 = np.clip(corners.max(0) + 1, 0, limits).astype(int).tolist()
    if x0 < x1 and y0 < y1:
        shift = np.array([[1, 0, -x0], [0, 1, -y0], [0, 0, 1]])
        shade = cv2.cvtColor(
            255 - cv2.warpPerspective(shadow, shift @ to_image, (x1 - x0, y1 - y0)), cv2.COLOR_GRAY2RGB
        )
        image[y0:y1, x0:x1] = cv2.multiply(image[y0:y1, x0:x1], shade, scale=1 / 255)


def _wall_texture() -> np.ndarray:
    """A painted wall, lit from above, with a skirting board and two framed landscapes."""
    height, width = int(WALL_HEIGHT * TEXELS), int(2 * HALF_WIDTH * TEXELS)
    paint = np.full((height, width, 3), (192, 204, 208), np.uint8)
    paint[-int(0.10 * TEXELS) :] = (236, 234, 228)
    for y, half_width in ((-1.6, 0.55), (2.45, 0.40)):
        x0, x1 = (int((HALF_WIDTH + y + side * half_width) * TEXELS) for side in (-1, 1))
        y0, y1 = int((WALL_HEIGHT - 2.1) * TEXELS), int((WALL_HEIGHT - 1.4) * TEXELS)
        cv2.rectangle(paint, (x0, y0), (x1, y1), (92, 74, 60), -1)
        picture = paint[y0 + 3 : y1 - 2, x0 + 3 : x1 - 2]
        picture[:] = (226, 214, 190)
        rows, columns = picture.shape[:2]
        cv2.circle(picture, (columns * 2 // 3, rows // 3), rows // 7, (232, 150, 92), -1, cv2.LINE_AA)
        cv2.ellipse(
            picture, (columns // 4, rows), (columns // 2, rows // 2), 0, 180, 360, (96, 134, 128), -1, cv2.LINE_AA
        )
        cv2.ellipse(
            picture, (columns, rows), (columns * 2 // 3, rows // 3), 0, 180, 360, (66, 100, 108), -1, cv2.LINE_AA
        )
    across, down = np.linspace(-1, 1, width)[:, None], np.linspace(0, 1, height)[:, None, None]
    return _rgba(paint * (1.04 - 0.30 * across**2 - 0.12 * down))


def _floor_texture() -> np.ndarray:
    """Tiles in two tones with joints, lighter towards the wall."""
    height, width = int(FLOOR_DEPTH * TEXELS), int(2 * HALF_WIDTH * TEXELS)
    tile = int(TILE * TEXELS)
    x, y = np.arange(width), np.arange(height)[:, None]
    tones = np.array([[178, 160, 138], [156, 138, 118]]) * np.linspace(1.06, 0.86, height)[:, None, None]
    return _rgba(tones)[y, (x // tile + y // tile) % 2]


def _rgba(colours: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(np.clip(colours, 0, 255).astype(np.uint8), cv2.COLOR_RGB2RGBA)
