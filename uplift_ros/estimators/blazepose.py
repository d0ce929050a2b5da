"""BlazePose (Bazarevsky et al. 2020, arXiv:2006.10204) on LiteRT, with the networks of MediaPipe 0.10.14.

A detector finds people in the whole image; a landmark network then reads a square region of each, rotated so
that the person is upright. Both follow MediaPipe's graph `pose_landmark_cpu` (see blazepose_steps.py).

Each image is processed on its own. Taking the last landmarks for the next region would save the detector, a third of
the time; but key-frames are up to 0.4 s apart, and landmarks depend on how well the region fits the person: on a real
clip with 5 key-frames a second 3D errors were 8 % larger, and 5 % larger with stricter limits (measured). Estimating
landmarks again where the region did not fit them gained 1 % for a third more passes.
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
from uplift_ros.estimators.blazepose_steps import (
    CENTRE,
    DETECTOR_SIDE,
    LANDMARK_SIDE,
    RIM,
    Region,
    decode_detections,
    detector_views,
    merge_detections,
    refine,
    sigmoid,
    to_floats,
)
from uplift_ros.poses import Person2D
from uplift_ros.similarity import box_overlap, keypoint_similarity, person_size
from uplift_ros.skeleton import BLAZEPOSE33, to_h36m17

MIN_PRESENCE = 0.5
"""Minimum confidence of the landmark network that its region shows a person."""

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
        model: landmark network, 'lite', 'full' or 'heavy'; 'auto' is heavy, and full for quick estimates.
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
    if model not in (models := (blazepose_files.AUTO, *blazepose_files.MODELS)):
        raise ValueError(f"model must be one of {', '.join(models)}, got {model!r}")
    return BlazePose(blazepose_files.locate(model, model_path), max_persons, score_threshold)


@dataclass(frozen=True, eq=False)
class Pose:
    """Person in a region.

    Attributes:
        region: the input of the landmark network.
        landmarks: (35, 2) pixels.
        visibility: (33,) [0, 1].
        world: (33, 3) metres from between the hips, x right, y down, z forward.
    """

    region: Region
    landmarks: np.ndarray
    visibility: np.ndarray
    world: np.ndarray

    @property
    def own_region(self) -> Region:
        return Region.around(self.landmarks[CENTRE], self.landmarks[RIM])


class BlazePose:
    """Estimator with a detector and a landmark network."""

    def __init__(self, files: blazepose_files.Located, max_persons: int, score_threshold: float) -> None:
        self._max_persons, self._score_threshold = max_persons, score_threshold
        with _quiet_stderr():
            self._detector, self._landmarks = Network(files.detector), Network(files.landmarks)
            self._quick = self._landmarks if files.quick == files.landmarks else Network(files.quick)

    def estimate(self, image: np.ndarray, *, quick: bool = False) -> list[Person2D]:
        return [person for person, _ in self.estimate_with_world(image, quick=quick)]

    def estimate_with_world(self, image: np.ndarray, *, quick: bool = False) -> list[tuple[Person2D, np.ndarray]]:
        """Estimate people, with BlazePose's own 3D joints: (17, 3) metres from between the hips, x right, y down."""
        network = self._quick if quick else self._landmarks
        # 1. Detect people, and estimate the landmarks of each.
        poses: list[Pose] = []
        for region in self._detect(image):
            if len(poses) == self._max_persons:
                break
            seen = any(box_overlap(region.box, pose.own_region.box) > DUPLICATE_OVERLAP for pose in poses)
            if not seen and (pose := _see(network, image, region)):
                poses.append(pose)
        # 2. Remove duplicates, the most visible person first.
        found = [(pose, person) for pose in poses if (person := _person(pose, image.shape[0]))]
        found.sort(key=lambda pair: -pair[1].score)
        distinct: list[tuple[Pose, Person2D]] = []
        for pose, person in found:
            if not any(_is_same(person, other) for _, other in distinct):
                distinct.append((pose, person))
        return [(person, to_h36m17(pose.world, pose.visibility, BLAZEPOSE33)[0]) for pose, person in distinct]

    def close(self) -> None:
        del self._detector, self._landmarks, self._quick

    def _detect(self, image: np.ndarray) -> list[Region]:
        """Regions of people in any view, the most confident first."""
        found, scores = [], []
        for view in detector_views(image, self._max_persons):
            picture = to_floats(view.cut(image, DETECTOR_SIDE, cv2.BORDER_CONSTANT), -1.0, 1.0)
            boxes, certainty = self._detector.run(picture)
            detections, certainty = merge_detections(*decode_detections(boxes, certainty, self._score_threshold))
            found += [Region.around(*view.to_image(points[4:8].reshape(2, 2))) for points in detections]
            scores += list(certainty)
        return [found[index] for index in np.argsort(-np.array(scores), kind="stable")]


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


def _see(network: Network, image: np.ndarray, region: Region) -> Pose | None:
    """Estimate the person in a region, if there is one, with a landmark network."""
    picture = to_floats(region.cut(image, LANDMARK_SIDE, cv2.BORDER_REPLICATE), 0.0, 1.0)
    landmarks, presence, _, heat_map, world = network.run(picture)
    if presence[0] < MIN_PRESENCE:
        return None
    values = landmarks.reshape(-1, 5)[: RIM + 1].astype(np.float64)
    points = region.to_image(refine(values[:, :2] / LANDMARK_SIDE, heat_map))
    metres = world.reshape(-1, 3)[: len(BLAZEPOSE33)].astype(np.float64)
    metres[:, :2] = metres[:, :2] @ (region.axes.T / region.side)
    visibility = sigmoid(values[: len(BLAZEPOSE33), 3])
    return Pose(region, points, visibility, metres)


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
