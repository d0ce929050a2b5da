"""Small 3D view of skeletons over a floor grid: perspective, drawn from far to near, without a graphics library."""

from dataclasses import replace

import numpy as np

from uplift_ros.camera import Camera
from uplift_ros.drawing.skeletons import OUTLINE, Colour, bone_colours, dot, joint_alphas, line, lines
from uplift_ros.skeleton import H36M17
from uplift_ros.sources.synthetic.viewpoint import Viewpoint
from uplift_ros.transforms import WORLD_TO_OPTICAL

BACKGROUND_TOP = np.array([38, 42, 54])
BACKGROUND_BOTTOM = np.array([17, 19, 25])
GRID_COLOUR = np.array([78, 86, 104])
SHADOW: Colour = (10, 11, 15)
GHOST = np.array([128, 136, 150])

ELEVATION = np.radians(14.0)
FIELD_OF_VIEW = np.radians(36.0)
GRID_STEP = 0.5
GRID_RADIUS = 2.5
BONE_WIDTH = 0.045
HEAD_RADIUS = 0.105
"""Metres, all of them."""

GRID_LEVELS = 8
"""Brightness levels in which the grid lines fade out."""

DEPTH_FADE = 0.55
"""Share of brightness that a bone loses per metre behind the centre."""

NOSE, HEAD = H36M17.index("nose"), H36M17.index("head")


class SkeletonView:
    """3D view of people from any azimuth.

    Args:
        size: pixels, width and height of the image.
        floor: height of the floor as y in the optical frame, metres.
        distance: distance from the eye to the centre of the view, metres. A larger value makes people smaller.
    """

    def __init__(self, size: int, floor: float, distance: float) -> None:
        self._camera = Camera.from_fov(FIELD_OF_VIEW, size, size)
        self._floor = -floor
        self._distance = distance
        rows = np.linspace(0, 1, size)[:, None]
        gradient = BACKGROUND_TOP * (1 - rows) + BACKGROUND_BOTTOM * rows
        self._background = np.repeat(gradient[:, None], size, 1).astype(np.uint8)
        self._colours = bone_colours().astype(float)

    def draw(
        self,
        centre: np.ndarray,
        azimuth: float,
        people: list[tuple[np.ndarray, np.ndarray]],
        ghosts: list[np.ndarray] | None = None,
    ) -> np.ndarray:
        """Draw skeletons.

        Args:
            centre: (3,) centre of the view, metres, optical frame.
            azimuth: radians; 0 is the direction of the camera, positive to the right.
            people: joints (17, 3) in metres, optical frame, and scores (17,) of each person.
            ghosts: joints of faint skeletons, drawn behind the people.

        Returns:
            (size, size, 3) uint8 RGB.
        """
        image = self._background.copy()
        self._look(WORLD_TO_OPTICAL.T @ centre, azimuth)
        self._draw_grid(image, WORLD_TO_OPTICAL.T @ centre)
        worlds = [(joints @ WORLD_TO_OPTICAL, scores) for joints, scores in people]
        for joints, _ in worlds:
            self._draw_shadow(image, joints)
        for joints in ghosts or []:
            self._draw_skeleton(image, joints @ WORLD_TO_OPTICAL, np.ones(len(joints)), ghost=True)
        for joints, scores in sorted(worlds, key=lambda person: -self._project(person[0])[1].mean()):
            self._draw_skeleton(image, joints, scores)
        return image

    def _look(self, target: np.ndarray, azimuth: float) -> None:
        at_target = Viewpoint.looking(self._camera, target, np.pi / 2 - azimuth, ELEVATION)
        self._viewpoint = replace(at_target, position=target - self._distance * at_target.rotation[2])

    def _project(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Project world points (..., 3) to pixels (..., 2) and depth (...) in metres, at least 0.1."""
        seen = self._viewpoint.to_optical(points)
        seen[..., 2] = np.maximum(seen[..., 2], 0.1)
        return self._camera.project(seen), seen[..., 2]

    def _draw_grid(self, image: np.ndarray, centre: np.ndarray) -> None:
        """Draw grid lines that are fixed to the floor and fade out away from the centre."""
        reach = np.arange(-GRID_RADIUS, GRID_RADIUS + GRID_STEP, GRID_STEP)
        ticks = [np.round(centre[axis] / GRID_STEP) * GRID_STEP + reach for axis in (0, 1)]
        corners = np.stack(np.meshgrid(*ticks, [self._floor], indexing="ij"), -1)[:, :, 0]
        pixels, _ = self._project(corners)
        distance = np.linalg.norm(corners[..., :2] - centre[:2], axis=-1)
        strength = np.clip(1 - distance / GRID_RADIUS, 0, 1)
        for points, shares in ((pixels, strength), (pixels.swapaxes(0, 1), strength.swapaxes(0, 1))):
            segments = np.stack([points[:-1], points[1:]], 2).reshape(-1, 2, 2)
            levels = np.ceil(GRID_LEVELS * np.minimum(shares[:-1], shares[1:]).ravel())
            for level in range(1, GRID_LEVELS + 1):
                lines(image, segments[levels == level], _mixed(GRID_COLOUR, level / GRID_LEVELS))

    def _draw_shadow(self, image: np.ndarray, joints: np.ndarray) -> None:
        flat = joints.copy()
        flat[:, 2] = self._floor
        pixels, depth = self._project(flat)
        for parent, child in H36M17.bones:
            line(image, pixels[parent], pixels[child], SHADOW, self._bone_width(depth[child]))

    def _draw_skeleton(self, image: np.ndarray, joints: np.ndarray, scores: np.ndarray, ghost: bool = False) -> None:
        pixels, depth = self._project(joints)
        light = np.clip(1 - DEPTH_FADE * (depth - self._distance), 0.35, 1.0) * joint_alphas(scores)
        bones = sorted(enumerate(H36M17.bones), key=lambda bone: -depth[list(bone[1])].mean())
        for index, (parent, child) in bones:
            width = self._bone_width((depth[parent] + depth[child]) / 2)
            if ghost:
                line(image, pixels[parent], pixels[child], _mixed(GHOST, 0.75), max(1, width // 3))
                continue
            colour = _mixed(self._colours[index], (light[parent] + light[child]) / 2)
            line(image, pixels[parent], pixels[child], OUTLINE, width + 2)
            line(image, pixels[parent], pixels[child], colour, width)
        self._draw_head(image, joints, light[HEAD], ghost)

    def _draw_head(self, image: np.ndarray, joints: np.ndarray, light: float, ghost: bool) -> None:
        centre, depth = self._project((joints[NOSE] + joints[HEAD]) / 2)
        radius = self._camera.fx * HEAD_RADIUS / float(depth)
        if ghost:
            dot(image, centre, radius, _mixed(GHOST, 0.75), thickness=1)
            return
        dot(image, centre, radius + 1, OUTLINE)
        dot(image, centre, radius, _mixed(self._colours[HEAD - 1], light))

    def _bone_width(self, depth: float) -> int:
        return max(1, round(self._camera.fx * BONE_WIDTH / depth))


def _mixed(colour: np.ndarray, share: float) -> Colour:
    """Blend a colour over the background."""
    red, green, blue = np.clip(colour * share + BACKGROUND_BOTTOM * (1 - share), 0, 255).astype(int).tolist()
    return red, green, blue
