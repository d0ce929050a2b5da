"""Similarity of 2D poses: COCO's object keypoint similarity, with one tolerance for all joints; overlap of boxes."""

import numpy as np


def keypoint_similarity(a: np.ndarray, b: np.ndarray, size: float, tolerance: float) -> float:
    """Mean of exp(-d^2 / 2 t^2) over the joints present in both poses; 0 if there are none.

    Args:
        a, b: (K, 2) pixels, NaN where absent.
        size: of the person in pixels; d is the distance of two joints as a fraction of it.
        tolerance: t, the distance at which a joint contributes exp(-1/2).
    """
    squared = np.square((a - b) / size).sum(-1)
    present = np.isfinite(squared)
    return float(np.exp(-squared[present] / (2 * tolerance**2)).mean()) if present.any() else 0.0


def box_overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of two boxes (4,) x, y, width, height; 0 if they are empty."""
    sides = np.maximum(np.minimum(a[:2] + a[2:], b[:2] + b[2:]) - np.maximum(a[:2], b[:2]), 0.0)
    shared = float(sides.prod())
    return shared / max(float(a[2] * a[3] + b[2] * b[3]) - shared, 1e-9)


def person_size(bbox: np.ndarray) -> float:
    """Longer side of a box (4,) x, y, width, height, which varies less with the pose than its area; at least 1."""
    return max(float(bbox[2]), float(bbox[3]), 1.0)
