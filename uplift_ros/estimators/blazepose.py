"""BlazePose (Bazarevsky et al. 2020, arXiv:2006.10204) on LiteRT, with the networks of MediaPipe 0.10.14.

A detector finds people in the whole image; a landmark network then reads a square region of each, rotated so
that the person is upright. Both steps follow MediaPipe's graph `pose_landmark_cpu`, whose numbers are named below.

People are followed from image to image: the landmarks give the next region, which saves a run of the detector.
Key-frames may be 0.4 s apart, though, and for a person who has moved far the network hallucinates joints. So a followed
pose counts only if its confidence is high and its next region is close to its region; otherwise the detector runs.
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from ai_edge_litert.interpreter import Interpreter

from uplift_ros.estimators import PoseEstimator, blazepose_files
from uplift_ros.poses import Person2D
from uplift_ros.similarity import box_overlap, keypoint_similarity, person_size
from uplift_ros.skeleton import BLAZEPOSE33, to_h36m17

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

MIN_PRESENCE = 0.5
"""Minimum confidence of the landmark network that its region shows a person."""

FOLLOW_PRESENCE, FOLLOW_CONTRAST, FOLLOW_OVERLAP = 0.995, 0.5, 0.75
"""A person is followed if presence, the mean peak of the body's heat maps, and the overlap (intersection over union) of
the region and the next region, from its landmarks, are at least these. People 0.4 s apart gave 0.998, 0.56
and 0.78 at least. Of 49 jumps by 0.4 to 0.6 of a person's height, presence above 0.5 alone let 27 pass, with
joints off by up to 58 % of the height, these three none (measured)."""

DOUBTFUL_PRESENCE = 0.9
"""Minimum presence of a person who fails these limits and whom the detector does not find."""

MAX_FOLLOWED = 5
"""Consecutive images in which people are followed before the detector runs again."""

VIEW_SIDE, VIEW_SPACING = 0.8, 0.33
"""Side of the squares that the detector reads for several people, in image heights, and their maximum distance, in
sides. On a clip of two people exactly two were found in 94 % of the images."""

MIN_EXTENT = 0.15
"""Minimum extent of a person as a fraction of the image height: smaller ones are furniture (measured)."""

BODY = [BLAZEPOSE33.index(f"{side}_{joint}") for side in ("left", "right") for joint in
        ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")]  # fmt: skip

DUPLICATE_SIMILARITY, DUPLICATE_TOLERANCE = 0.5, 0.1
"""Two poses are one person above this similarity."""

DUPLICATE_OVERLAP = 0.75
"""They are also one person above this overlap of boxes: one of them may have left and right swapped."""


def create(model: str, model_path: str, device: str, max_persons: int, score_threshold: float) -> PoseEstimator:
    """Load both networks.

    Args:
        model: landmark network, 'lite', 'full' or 'heavy'.
        model_path: folder with the network files; empty is the folder of `uplift models`.
        device: 'cpu'.
        max_persons: maximum number of people to find.
        score_threshold: minimum confidence of the detector; raising it trades false positives for misses.

    Raises:
        ValueError: a file is missing, or a value is not supported; names the parameter.
    """
    if device != "cpu":
        raise ValueError(f"device must be cpu for backend blazepose, got {device!r}")
    if max_persons < 1:
        raise ValueError(f"max_persons must be at least 1, got {max_persons}")
    if model not in blazepose_files.MODELS:
        raise ValueError(f"model must be one of {', '.join(blazepose_files.MODELS)}, got {model!r}")
    return BlazePose(*blazepose_files.locate(model, model_path), max_persons, score_threshold)


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


@dataclass(frozen=True, eq=False)
class Pose:
    """Person in a region.

    Attributes:
        region: the input of the landmark network.
        landmarks: (35, 2) pixels.
        visibility: (33,) [0, 1].
        world: (33, 3) metres from between the hips, x right, y down, z forward.
        presence: confidence that there is a person.
        contrast: mean peak of the body's heat maps, [0, 1].
    """

    region: Region
    landmarks: np.ndarray
    visibility: np.ndarray
    world: np.ndarray
    presence: float
    contrast: float

    @property
    def next_region(self) -> Region:
        return Region.around(self.landmarks[CENTRE], self.landmarks[RIM])


class BlazePose:
    """Estimator with a detector, a landmark network, and the regions of the people in the last image."""

    def __init__(self, detector: Path, landmarks: Path, max_persons: int, score_threshold: float) -> None:
        self._max_persons, self._score_threshold = max_persons, score_threshold
        with _quiet_stderr():
            self._detector, self._landmarks = Network(detector), Network(landmarks)
        self._regions: list[Region] = []
        self._followed = 0

    def estimate(self, image: np.ndarray) -> list[Person2D]:
        return [person for person, _ in self.estimate_with_world(image)]

    def estimate_with_world(self, image: np.ndarray) -> list[tuple[Person2D, np.ndarray]]:
        """Estimate people, with BlazePose's own 3D joints: (17, 3) metres from between the hips, x right, y down."""
        # 1. Follow the people of the last image.
        seen = [pose for region in self._regions if (pose := self._see(image, region))]
        poses = [pose for pose in seen if _is_followed(pose)]
        # 2. Detect people if one was lost, and every few images. The detector misses some whom the landmark network
        #    finds: such a doubtful pose counts if fewer people were found than before.
        self._followed += 1
        if not poses or len(poses) < len(self._regions) or self._followed > MAX_FOLLOWED:
            self._followed = 0
            doubtful = [pose for pose in seen if pose not in poses and pose.presence >= DOUBTFUL_PRESENCE]
            poses += self._find_others(image, poses)
            poses += sorted(doubtful, key=lambda pose: -pose.presence)[: max(0, len(self._regions) - len(poses))]
        # 3. Remove duplicates, the most visible person first.
        found = [(pose, person) for pose in poses if (person := _person(pose, image.shape[0]))]
        found.sort(key=lambda pair: -pair[1].score)
        distinct: list[tuple[Pose, Person2D]] = []
        for pose, person in found:
            if not any(_is_same(person, other) for _, other in distinct):
                distinct.append((pose, person))
        distinct = distinct[: self._max_persons]
        self._regions = [pose.next_region for pose, _ in distinct]
        return [(person, to_h36m17(pose.world, pose.visibility, BLAZEPOSE33)[0]) for pose, person in distinct]

    def reset(self) -> None:
        """Forget the people of the last image."""
        self._regions, self._followed = [], 0

    def close(self) -> None:
        del self._detector, self._landmarks

    def _detect(self, image: np.ndarray) -> list[Region]:
        """Regions of people in any view, the most confident first."""
        found, scores = [], []
        for view in _views(image, self._max_persons):
            boxes, certainty = self._detector.run(
                _floats(view.cut(image, DETECTOR_SIDE, cv2.BORDER_CONSTANT), -1.0, 1.0)
            )
            detections, certainty = merge_detections(*decode_detections(boxes, certainty, self._score_threshold))
            found += [Region.around(*view.to_image(points[4:8].reshape(2, 2))) for points in detections]
            scores += list(certainty)
        return [found[index] for index in np.argsort(-np.array(scores), kind="stable")]

    def _find_others(self, image: np.ndarray, known: list[Pose]) -> list[Pose]:
        """Poses of people whom the detector finds beside the known ones, the most confident first."""
        others: list[Pose] = []
        for region in self._detect(image):
            if len(known) + len(others) == self._max_persons:
                break
            seen = any(box_overlap(region.box, pose.next_region.box) > DUPLICATE_OVERLAP for pose in [*known, *others])
            if not seen and (pose := self._see(image, region)):
                others.append(pose)
        return others

    def _see(self, image: np.ndarray, region: Region) -> Pose | None:
        """Estimate the person in a region, if there is one."""
        picture = _floats(region.cut(image, LANDMARK_SIDE, cv2.BORDER_REPLICATE), 0.0, 1.0)
        landmarks, presence, _, heat_map, world = self._landmarks.run(picture)
        if presence[0] < MIN_PRESENCE:
            return None
        values = landmarks.reshape(-1, 5)[: RIM + 1].astype(np.float64)
        points = region.to_image(refine(values[:, :2] / LANDMARK_SIDE, heat_map))
        metres = world.reshape(-1, 3)[: len(BLAZEPOSE33)].astype(np.float64)
        metres[:, :2] = metres[:, :2] @ (region.axes.T / region.side)
        visibility = _sigmoid(values[: len(BLAZEPOSE33), 3])
        contrast = float(_sigmoid(heat_map[..., BODY].max((0, 1))).mean())
        return Pose(region, points, visibility, metres, float(presence[0]), contrast)


class Network:
    """Network in one .tflite file, on one thread: other nodes need the cores."""

    def __init__(self, path: Path) -> None:
        self._interpreter = Interpreter(model_path=str(path), num_threads=1)
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._outputs = [output["index"] for output in self._interpreter.get_output_details()]

    def run(self, picture: np.ndarray) -> list[np.ndarray]:
        """Run the network on an image (side, side, 3) float32; outputs have no batch dimension."""
        self._interpreter.set_tensor(self._input, picture[None])
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(output)[0] for output in self._outputs]


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
    certainty = _sigmoid(scores[:, 0])
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
    weight = _sigmoid(windows)
    total = weight.sum((1, 2))
    x = (weight.sum(1) * (columns - margin)).sum(-1) / total / width
    y = (weight.sum(2) * (rows - margin)).sum(-1) / total / height
    certain = inside & (weight.max((1, 2)) >= REFINEMENT_CONFIDENCE)
    return np.where(certain[:, None], np.stack([x, y], -1), points)


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-logits.astype(np.float64)))


def _views(image: np.ndarray, max_persons: int) -> list[Region]:
    """Inputs of the detector: the whole image, and for several people squares that show them larger."""
    height, width = image.shape[:2]
    views = [Region(np.array([width / 2, height / 2]), max(width, height))]
    side = VIEW_SIDE * height
    if max_persons > 1 and side < width:
        count = int(np.ceil((width - side) / (VIEW_SPACING * side))) + 1
        views += [Region(np.array([x, height / 2]), side) for x in np.linspace(side / 2, width - side / 2, count)]
    return views


def _floats(picture: np.ndarray, low: float, high: float) -> np.ndarray:
    return picture.astype(np.float32) * np.float32((high - low) / 255) + np.float32(low)


def _is_followed(pose: Pose) -> bool:
    """Whether the region still fits the person."""
    overlap = box_overlap(pose.region.box, pose.next_region.box)
    return pose.presence >= FOLLOW_PRESENCE and pose.contrast >= FOLLOW_CONTRAST and overlap >= FOLLOW_OVERLAP


def _person(pose: Pose, height: int) -> Person2D | None:
    """Person in h36m17; None if too small for an image of this height."""
    landmarks = pose.landmarks[: len(BLAZEPOSE33)]
    keypoints, scores = to_h36m17(landmarks, pose.visibility, BLAZEPOSE33)
    corner, extent = keypoints.min(0), np.ptp(keypoints, axis=0)
    if extent.max() < MIN_EXTENT * height:
        return None
    return Person2D("", float(pose.visibility[BODY].mean()), np.concatenate([corner, extent]), keypoints, scores)


def _is_same(a: Person2D, b: Person2D) -> bool:
    if box_overlap(a.bbox, b.bbox) > DUPLICATE_OVERLAP:
        return True
    size = max(person_size(a.bbox), person_size(b.bbox))
    return keypoint_similarity(a.keypoints, b.keypoints, size, DUPLICATE_TOLERANCE) > DUPLICATE_SIMILARITY


@contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Suppress LiteRT's messages at loading; any other output appears afterwards."""
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as held_back:
        os.dup2(held_back.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            held_back.seek(0)
            os.write(2, b"".join(line for line in held_back if not line.startswith(b"INFO: ")))
