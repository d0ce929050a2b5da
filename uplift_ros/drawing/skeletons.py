"""Colours of skeletons, and drawing on images. Images are (H, W, 3) uint8 RGB and are changed in place."""

import cv2
import numpy as np

from uplift_ros.skeleton import H36M17

Colour = tuple[int, int, int]

SIDE_COLOURS: dict[str, Colour] = {"left": (255, 128, 82), "right": (72, 160, 255), "centre": (240, 236, 220)}
"""RGB: warm for the person's left side, cold for the right."""

SHIFT = 4
"""Fractional bits of coordinates for OpenCV: motion is smooth instead of jumping from pixel to pixel."""

OUTLINE: Colour = (16, 18, 24)
FAINTEST = 0.35
"""Opacity of a joint with score 0."""


def joint_colours() -> np.ndarray:
    """(17, 3) uint8 RGB by side."""
    return np.array([SIDE_COLOURS[H36M17.side(joint)] for joint in range(len(H36M17))], np.uint8)


def joint_alphas(scores: np.ndarray) -> np.ndarray:
    """Opacity (J,) in [FAINTEST, 1] of joints with these scores in [0, 1]."""
    return FAINTEST + (1 - FAINTEST) * np.clip(np.nan_to_num(scores), 0, 1)


def bone_colours() -> np.ndarray:
    """(B, 3) uint8 RGB: a bone has the colour of the joint that it leads to."""
    return joint_colours()[[child for _, child in H36M17.bones]]


def draw_pose(image: np.ndarray, pixels: np.ndarray, scores: np.ndarray) -> None:
    """Draw bones and joints of one person.

    Args:
        pixels: (J, 2); joints that are NaN or far outside the image are skipped.
        scores: (J,) in [0, 1]; joints and bones of low score are darker.
    """
    visible = _drawable(image, pixels)
    width = max(2, round(image.shape[0] / 160))
    alphas = joint_alphas(scores)
    bones = [bone for bone in H36M17.bones if visible[list(bone)].all()]
    colours = joint_colours()
    for thickness, outline in ((width + 2, True), (width, False)):
        for parent, child in bones:
            colour = OUTLINE if outline else _shaded(colours[child], min(alphas[parent], alphas[child]))
            line(image, pixels[parent], pixels[child], colour, thickness)
    for joint in np.flatnonzero(visible):
        dot(image, pixels[joint], width * 0.9, _shaded(colours[joint], alphas[joint]))


def draw_keypoints(image: np.ndarray, pixels: np.ndarray) -> None:
    """Draw rings around detected keypoints (J, 2); NaN keypoints are skipped."""
    radius = max(3, image.shape[0] / 110)
    for point in pixels[_drawable(image, pixels)]:
        dot(image, point, radius, OUTLINE, thickness=4)
        dot(image, point, radius, (255, 255, 255), thickness=2)


def line(image: np.ndarray, start: np.ndarray, end: np.ndarray, colour: Colour, thickness: int) -> None:
    """Draw a straight line between two points in fractional pixels."""
    cv2.line(image, _fixed(start), _fixed(end), colour, thickness, cv2.LINE_AA, SHIFT)


def lines(image: np.ndarray, segments: np.ndarray, colour: Colour) -> None:
    """Draw thin straight lines (N, 2, 2) in fractional pixels."""
    fixed = np.round(segments * 2**SHIFT).astype(np.int32)
    cv2.polylines(image, list(fixed), False, colour, 1, cv2.LINE_AA, SHIFT)


def dot(image: np.ndarray, centre: np.ndarray, radius: float, colour: Colour, thickness: int = -1) -> None:
    """Draw a disc, or a ring if a thickness is given."""
    cv2.circle(image, _fixed(centre), max(1, round(radius * 2**SHIFT)), colour, thickness, cv2.LINE_AA, SHIFT)


def text(image: np.ndarray, words: str, corner: tuple[int, int], colour: Colour, size: float = 0.45) -> None:
    """Write text with its lower left corner at `corner`."""
    cv2.putText(image, words, corner, cv2.FONT_HERSHEY_SIMPLEX, size, colour, 1, cv2.LINE_AA)


def _drawable(image: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Mask (J,) of points that are finite and near the image; far ones overflow OpenCV's coordinates."""
    height, width = image.shape[:2]
    return (np.abs(np.nan_to_num(pixels, nan=np.inf) - (width / 2, height / 2)) < 2 * max(height, width)).all(-1)


def _fixed(point: np.ndarray) -> tuple[int, int]:
    return round(float(point[0]) * 2**SHIFT), round(float(point[1]) * 2**SHIFT)


def _shaded(colour: np.ndarray, alpha: float) -> Colour:
    red, green, blue = (colour * alpha).tolist()
    return int(red), int(green), int(blue)
