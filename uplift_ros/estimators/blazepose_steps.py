"""Steps of BlazePose between its networks, as in MediaPipe's graph `pose_landmark_cpu`: regions of the image, people in
the detector's outputs, and landmarks moved to the peaks of their heat maps."""

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

from uplift_ros.similarity import box_overlap

DETECTOR_SIDE, LANDMARK_SIDE = 224, 256
"""Pixels of the networks' inputs."""

ANCHOR_GRIDS = ((28, 2), (14, 2), (7, 6))
"""Cells per side, and anchors per cell, of the detector: strides 8, 16 and three times 32, two anchors each."""

MERGE_OVERLAP = 0.3
"""Intersection over union above which the detector's boxes are averaged, weighted by their scores."""

REGION_SCALE = 1.25
"""Side of a region, in diameters of the circle around the person."""

CENTRE, RIM = 33, 34
"""Landmarks beyond the 33 joints: the middle of the hips, and a point above it on the circle around the person."""

REFINEMENT_KERNEL, REFINEMENT_CONFIDENCE = 9, 0.5
"""Cells per side of the heat map around a landmark that refine it, and the minimum confidence of one of them."""

VIEW_SIDE, VIEW_SPACING = 0.8, 0.33
"""Side of the squares that the detector reads for several people, in image heights, and their maximum distance, in
sides. On a clip of two people exactly two were found in 94 % of the images."""


@dataclass(frozen=True)
class Region:
    """Rotated square region of an image.

    Attributes:
        centre: (2,) pixels.
        side: pixels.
        angle: radians, clockwise, inclination of the person in it.
    """

    centre: np.ndarray
    side: float
    angle: float = 0.0

    @classmethod
    def around(cls, centre: np.ndarray, rim: np.ndarray) -> "Region":
        """Region of a person, from the middle of the hips and the point above it on the person's circle."""
        across, down = rim - centre
        return cls(centre, 2 * REGION_SCALE * float(np.hypot(across, down)), float(np.arctan2(across, -down)))

    @property
    def axes(self) -> np.ndarray:
        """(2, 2): columns are its sides in image pixels."""
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        return self.side * np.array([[cos, -sin], [sin, cos]])

    @property
    def box(self) -> np.ndarray:
        """(4,) x, y, width, height, not rotated."""
        return np.array([*(self.centre - self.side / 2), self.side, self.side])

    def to_image(self, points: np.ndarray) -> np.ndarray:
        """Convert points (..., 2) from fractions of the region, 0 to 1, to image pixels."""
        return (points - 0.5) @ self.axes.T + self.centre

    def cut(self, image: np.ndarray, side: int, border: int) -> np.ndarray:
        """Crop the region as (side, side, 3); `border` is OpenCV's mode outside the image.

        Positions are rounded to 1/32 pixel, as OpenCV 4 does. OpenCV 5 does not, which moves joints by up to 20 pixels:
        the detector is that sensitive.
        """
        steps = np.arange(side, dtype=np.float32) / side
        (across_x, down_x), (across_y, down_y) = self.axes.astype(np.float32)
        x, y = self.to_image(np.zeros(2)).astype(np.float32)
        columns = x + across_x * steps + (down_x * steps)[:, None]
        rows = y + across_y * steps + (down_y * steps)[:, None]
        rounded, table = cv2.convertMaps(columns, rows, cv2.CV_16SC2)
        return cv2.remap(image, rounded, table, cv2.INTER_LINEAR, borderMode=border)


def detector_views(image: np.ndarray, max_persons: int) -> list[Region]:
    """Regions that the detector reads: the whole image, and for several people squares that show them larger."""
    height, width = image.shape[:2]
    views = [Region(np.array([width / 2, height / 2]), max(width, height))]
    side = VIEW_SIDE * height
    if max_persons > 1 and side < width:
        count = int(np.ceil((width - side) / (VIEW_SPACING * side))) + 1
        views += [Region(np.array([x, height / 2]), side) for x in np.linspace(side / 2, width - side / 2, count)]
    return views


@cache
def anchors() -> np.ndarray:
    """(2254, 2): centres of the detector's anchors, in its input, 0 to 1."""
    centres = []
    for cells, repeats in ANCHOR_GRIDS:
        row, column = np.indices((cells, cells)).reshape(2, -1)
        centres.append(np.repeat((np.stack([column, row], -1) + 0.5) / cells, repeats, axis=0))
    return np.concatenate(centres)


def decode_detections(boxes: np.ndarray, scores: np.ndarray, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """Decode the people in the detector's outputs.

    Args:
        boxes: (2254, 12) centre, size and four points, in input pixels from the anchor; scores: (2254, 1) logits.

    Returns:
        (N, 12) in parts of the input, and (N,) scores, the most certain first.
    """
    certainty = sigmoid(scores[:, 0])
    kept = np.flatnonzero(certainty >= threshold)
    kept = kept[np.argsort(-certainty[kept], kind="stable")]
    found = boxes[kept] / DETECTOR_SIDE
    centres = anchors()[kept]
    found[:, :2] += centres
    found[:, 4:] += np.tile(centres, 4)
    return found, certainty[kept]


def merge_detections(found: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weighted non-maximum suppression: each group of overlapping detections (N, 12) is averaged, weighted by score."""
    merged, best = [], []
    while len(found):
        boxes = np.concatenate([found[:, :2] - found[:, 2:4] / 2, found[:, 2:4]], -1)
        same = np.array([box_overlap(box, boxes[0]) > MERGE_OVERLAP for box in boxes])
        same[0] = True
        merged.append(np.average(found[same], axis=0, weights=scores[same]))
        best.append(scores[0])
        found, scores = found[~same], scores[~same]
    return np.array(merged).reshape(-1, 12), np.array(best)


def refine(points: np.ndarray, heat_map: np.ndarray) -> np.ndarray:
    """Move landmarks to the local centre of mass of their heat maps.

    Args:
        points: (K, 2) fractions of the region; heat_map: (h, w, >= K) logits.
    """
    height, width, _ = heat_map.shape
    margin = REFINEMENT_KERNEL // 2
    cells = np.floor(points * (width, height)).astype(int)
    inside = ((cells >= 0) & (cells < (width, height))).all(-1)
    cells = np.where(inside[:, None], cells, 0)
    padded = np.pad(heat_map, ((margin, margin), (margin, margin), (0, 0)), constant_values=-np.inf)
    around = np.arange(REFINEMENT_KERNEL)
    rows, columns = cells[:, 1, None] + around, cells[:, 0, None] + around
    windows = padded[rows[:, :, None], columns[:, None, :], np.arange(len(points))[:, None, None]]
    weight = sigmoid(windows)
    total = weight.sum((1, 2))
    x = (weight.sum(1) * (columns - margin)).sum(-1) / total / width
    y = (weight.sum(2) * (rows - margin)).sum(-1) / total / height
    certain = inside & (weight.max((1, 2)) >= REFINEMENT_CONFIDENCE)
    return np.where(certain[:, None], np.stack([x, y], -1), points)


def sigmoid(logits: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-logits.astype(np.float64)))


def to_floats(picture: np.ndarray, low: float, high: float) -> np.ndarray:
    """Scale uint8 to float32, 0 to `low` and 255 to `high`."""
    return picture.astype(np.float32) * np.float32((high - low) / 255) + np.float32(low)
