"""Decoding of the outputs of 2D pose networks: joints as fractions of the input image, and boxes of people."""

from dataclasses import dataclass

import cv2
import numpy as np

from uplift_ros.skeleton import COCO17

MAX_OVERLAP = 0.45
"""Intersection over union above which two boxes are one person."""


@dataclass(frozen=True)
class Detections:
    """People in one input image.

    Attributes:
        boxes: (N, 4) x, y, width, height in input pixels.
        scores: (N,).
        joints: (N, 17, 3) x and y in input pixels, and score; None from a detector of boxes alone.
    """

    boxes: np.ndarray
    scores: np.ndarray
    joints: np.ndarray | None = None


def simcc(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Decode one classification per axis (RTMPose, Jiang et al. 2023).

    Args:
        x: (N, K, bins across), y: (N, K, bins down).

    Returns:
        (N, K, 3) x and y as fractions of the input, and score.
    """
    score = np.minimum(x.max(-1), y.max(-1))
    return np.stack([x.argmax(-1) / x.shape[-1], y.argmax(-1) / y.shape[-1], score], -1)


def heat_maps(maps: np.ndarray) -> np.ndarray:
    """Decode one map per joint: the highest cell, moved by a quarter towards its higher neighbour.

    Args:
        maps: (N, K, h, w).

    Returns:
        (N, K, 3) x and y as fractions of the input, and score.
    """
    count, joints, height, width = maps.shape
    flat = maps.reshape(count, joints, -1)
    best = flat.argmax(-1)
    row, column = best // width, best % width
    padded = np.pad(maps, ((0, 0), (0, 0), (1, 1), (1, 1)), mode="edge")
    n, k = np.ogrid[:count, :joints]
    right = padded[n, k, row + 1, column + 2] - padded[n, k, row + 1, column]
    down = padded[n, k, row + 2, column + 1] - padded[n, k, row, column + 1]
    x = (column + 0.5 + 0.25 * np.sign(right)) / width
    y = (row + 0.5 + 0.25 * np.sign(down)) / height
    return np.stack([x, y, flat.max(-1)], -1)


def corner_boxes(detections: np.ndarray, joints: np.ndarray | None = None) -> Detections:
    """Decode boxes (1, N, 5) of two corners and a score (RTMDet), optionally with joints (1, N, K, 3) (RTMO)."""
    first, second = detections[0, :, :2], detections[0, :, 2:4]
    boxes = np.concatenate([first, second - first], -1)
    return Detections(boxes, detections[0, :, 4], None if joints is None else joints[0, :, : len(COCO17)])


def rows(output: np.ndarray) -> Detections:
    """Decode rows (1, 56, A) of YOLO pose networks: centre, size, score and 17 joints for each of A anchors."""
    columns = output[0].T
    centre, size = columns[:, :2], columns[:, 2:4]
    return Detections(np.concatenate([centre - size / 2, size], -1), columns[:, 4], columns[:, 5:].reshape(-1, 17, 3))


def distinct(found: Detections, score_threshold: float, max_detections: int) -> Detections:
    """Non-maximum suppression: the best `max_detections` people above the threshold, the most confident first.

    Boxes without a size, and people with numbers that are not finite, are no people.
    """
    sound = np.isfinite(found.boxes).all(-1) & (found.boxes[:, 2:] > 0).all(-1)
    if found.joints is not None:
        sound &= np.isfinite(found.joints).all((1, 2))
    scores = np.where(sound, found.scores, 0.0)
    boxes = np.where(sound[:, None], found.boxes, 0.0)
    kept = np.array(cv2.dnn.NMSBoxes(boxes.tolist(), scores.tolist(), score_threshold, MAX_OVERLAP), int)
    kept = kept.ravel()[:max_detections]
    return Detections(found.boxes[kept], found.scores[kept], None if found.joints is None else found.joints[kept])
