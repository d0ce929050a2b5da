"""MediaPipe's BlazePose (Bazarevsky et al. 2020), with the weights inside the wheel of MediaPipe 0.10.14.

One person through the pose solution (28 ms an image on one CPU core), several through the pose landmarker (90 to 170).
Every image is taken by itself. Following the landmarks of the last image is faster (16 ms), but key-frames may be 0.4 s
apart: of 40 people moved by half their height it lost 19, by 0.7 of it all of them. Image by image none was lost.
"""

import os
import re
import sys
import tempfile
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import mediapipe
import numpy as np
from mediapipe.python.solutions.pose import Pose
from mediapipe.tasks.python import BaseOptions, vision
from mediapipe.tasks.python.metadata.metadata_writers.metadata_writer import MetadataWriter
from mediapipe.tasks.python.metadata.metadata_writers.model_asset_bundle_utils import create_model_asset_bundle

from uplift_ros.estimators import PoseEstimator
from uplift_ros.poses import Person2D
from uplift_ros.similarity import box_overlap, keypoint_similarity, person_size
from uplift_ros.skeleton import BLAZEPOSE33, to_h36m17

MIN_EXTENT = 0.15
"""Smallest extent of a person as a part of the image's height: smaller ones are furniture (measured)."""

BODY = [BLAZEPOSE33.index(f"{side}_{joint}") for side in ("left", "right") for joint in
        ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")]  # fmt: skip

DUPLICATE_SIMILARITY, DUPLICATE_TOLERANCE = 0.5, 0.1
"""Two poses in overlapping views are one person above this similarity."""

DUPLICATE_OVERLAP = 0.75
"""They are too where their boxes overlap so much: one of them may have left and right swapped."""

LOG_NOISE = re.compile(rb"INFO: |WARNING: All log messages before absl|[IW]\d{4} ")


def create(model_path: str, device: str, max_persons: int, score_threshold: float) -> PoseEstimator:
    """Load MediaPipe.

    Args:
        model_path: empty, the weights are MediaPipe's own.
        device: 'cpu'.
        max_persons: most people to find.
        score_threshold: the detector's confidence from which on something is a person.

    Raises:
        ValueError: names the parameter that is not supported.
    """
    if model_path:
        raise ValueError(
            f"model_path must be empty for backend mediapipe, which has its own weights, got {model_path!r}"
        )
    if device != "cpu":
        raise ValueError(f"device must be cpu for backend mediapipe, got {device!r}")
    if max_persons < 1:
        raise ValueError(f"max_persons must be at least 1, got {max_persons}")
    estimator = OnePerson(score_threshold) if max_persons == 1 else SeveralPersons(score_threshold, max_persons)
    with _quiet_stderr():  # the first image loads the models, which takes 0.3 s
        estimator.estimate(np.zeros((256, 256, 3), np.uint8))
    return estimator


class OnePerson:
    """The most prominent person."""

    def __init__(self, score_threshold: float) -> None:
        with _quiet_stderr():
            self._pose = Pose(
                static_image_mode=True,
                model_complexity=1,  # the only one in the wheel
                smooth_landmarks=False,  # assumes 30 images per second
                min_detection_confidence=score_threshold,
            )

    def estimate(self, image: np.ndarray) -> list[Person2D]:
        return [person for person, _ in self.estimate_with_world(image)]

    def estimate_with_world(self, image: np.ndarray) -> list[tuple[Person2D, np.ndarray]]:
        """`estimate`, each person with BlazePose's own 3D: (17, 3) metres from between the hips, x right, y down."""
        found = self._pose.process(image)
        if not found.pose_landmarks:
            return []
        landmarks = _landmarks(found.pose_landmarks.landmark)
        metres = np.array([(joint.x, joint.y, joint.z) for joint in found.pose_world_landmarks.landmark])
        world, _ = to_h36m17(metres, landmarks[:, 2], BLAZEPOSE33)
        return [(person, world) for person in _persons([landmarks], image)]

    def close(self) -> None:
        self._pose.close()


class SeveralPersons:
    """Up to `max_persons` people, looked for in the whole image and in three overlapping strips.

    The strips show people larger: exactly two were found in 95 and 86 % of the images of two clips with two people,
    against 65 and 63 % in the whole image alone.
    """

    def __init__(self, score_threshold: float, max_persons: int) -> None:
        self._max_persons = max_persons
        options = vision.PoseLandmarkerOptions(
            base_options=BaseOptions(model_asset_buffer=_landmarker_bundle()),
            running_mode=vision.RunningMode.IMAGE,  # VIDEO loses people and refuses repeated stamps
            num_poses=max_persons,
            min_pose_detection_confidence=score_threshold,
        )
        with _quiet_stderr():
            self._landmarker = vision.PoseLandmarker.create_from_options(options)

    def estimate(self, image: np.ndarray) -> list[Person2D]:
        width = image.shape[1]
        views = [(0, width), (0, width // 2), (width // 4, width // 4 + width // 2), (width - width // 2, width)]
        poses = []
        for left, right in views:
            view = mediapipe.Image(mediapipe.ImageFormat.SRGB, np.ascontiguousarray(image[:, left:right]))
            for found in self._landmarker.detect(view).pose_landmarks:
                landmarks = _landmarks(found)
                landmarks[:, 0] = (landmarks[:, 0] * (right - left) + left) / width
                poses.append(landmarks)
        distinct: list[Person2D] = []
        for person in _persons(poses, image):
            if not any(_is_same(person, other) for other in distinct):
                distinct.append(person)
        return distinct[: self._max_persons]

    def close(self) -> None:
        self._landmarker.close()


def _landmarks(landmarks: Iterable) -> np.ndarray:
    """(33, 3) x, y in parts of the image, visibility."""
    return np.array([(landmark.x, landmark.y, landmark.visibility) for landmark in landmarks])


def _persons(poses: list[np.ndarray], image: np.ndarray) -> list[Person2D]:
    """People from (33, 3) landmarks, the most visible first; what is too small to be one is left out."""
    height, width = image.shape[:2]
    persons = []
    for landmarks in poses:
        keypoints, scores = to_h36m17(landmarks[:, :2] * (width, height), landmarks[:, 2].clip(0, 1), BLAZEPOSE33)
        corner, extent = keypoints.min(0), np.ptp(keypoints, axis=0)
        if extent.max() >= MIN_EXTENT * height:
            visible = float(landmarks[BODY, 2].mean().clip(0, 1))
            persons.append(Person2D("", visible, np.concatenate([corner, extent]), keypoints, scores))
    return sorted(persons, key=lambda person: -person.score)


def _is_same(a: Person2D, b: Person2D) -> bool:
    if box_overlap(a.bbox, b.bbox) > DUPLICATE_OVERLAP:
        return True
    size = max(person_size(a.bbox), person_size(b.bbox))
    return keypoint_similarity(a.keypoints, b.keypoints, size, DUPLICATE_TOLERANCE) > DUPLICATE_SIMILARITY


def _landmarker_bundle() -> bytes:
    """What the pose landmarker loads, put together from the two networks of the pose solution."""
    modules = Path(mediapipe.__file__).parent / "modules"
    detector = (modules / "pose_detection" / "pose_detection.tflite").read_bytes()
    writer = MetadataWriter.create(bytearray((modules / "pose_landmark" / "pose_landmark_full.tflite").read_bytes()))
    writer.add_image_input([0.0], [255.0])  # mean and deviation: the network takes values from 0 to 1
    landmarks, _ = writer.populate()
    bundle = BytesIO()
    create_model_asset_bundle(
        {"pose_detector.tflite": detector, "pose_landmarks_detector.tflite": bytes(landmarks)}, bundle
    )
    return bundle.getvalue()


@contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Hold back the notes that MediaPipe's C++ part writes while it loads; anything else comes out afterwards."""
    warnings.filterwarnings("ignore", message="SymbolDatabase.GetPrototype", category=UserWarning)
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as held_back:
        os.dup2(held_back.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(stderr, 2)
            os.close(stderr)
            held_back.seek(0)
            for line in held_back:
                if not LOG_NOISE.match(line):
                    os.write(2, line)
