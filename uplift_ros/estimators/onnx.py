"""2D pose networks of the user as ONNX files, with ONNX Runtime.

The outputs identify the network; joints are COCO's 17, or a set that begins with them (Halpe, whole body):

| outputs | network |
|---|---|
| simcc_x and simcc_y (N, K, bins) | top-down: RTMPose and similar |
| one of (N, K, h, w) | top-down with heat maps: HRNet, ViTPose |
| dets (1, N, 5) and keypoints (1, N, K, 3) | single stage: RTMO |
| one of (1, 56, A) | single stage: YOLO pose |
| dets (1, N, 5) and labels (1, N) | detector for a top-down network, also of other classes than people: RTMDet |

Without a detector, a top-down network takes the whole image as the box of one person.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import cv2
import numpy as np

from uplift_ros.estimators import PoseEstimator, decoders
from uplift_ros.models.runtime import open_session
from uplift_ros.parameters import brief, error_text
from uplift_ros.poses import Person2D
from uplift_ros.skeleton import COCO17, to_h36m17

BOX_MARGIN = 1.25
"""Size of a top-down network's crop relative to the person's box, as in its training."""

PADDING_GREY = 114
"""Grey value around an image that does not have the network's aspect ratio."""


@dataclass(frozen=True)
class Colours:
    """Normalisation of a network's input pixels: (value - mean) / deviation, channels in RGB order or reversed."""

    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    deviation: tuple[float, float, float] = (1.0, 1.0, 1.0)
    reverse: bool = False


IMAGENET = Colours((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
COLOURS = {
    "simcc": IMAGENET,
    "heat maps": IMAGENET,
    "boxes": Colours(IMAGENET.mean[::-1], IMAGENET.deviation[::-1], reverse=True),
    "boxes and joints": Colours(reverse=True),
    "rows": Colours(deviation=(255.0, 255.0, 255.0)),
}
TYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
}
"""Types of inputs; networks with uint8 take unnormalised pixels."""

TOP_DOWN = ("simcc", "heat maps")

ORIGIN = np.zeros(2)


def create(model_path: str, device: str, max_persons: int, score_threshold: float, person_class: int) -> PoseEstimator:
    """Load one network, or a person detector and a top-down network after it.

    Args:
        model_path: an .onnx file, or two separated by a comma.
        device: 'cpu', 'cuda' or 'cuda:N'.
        max_persons: maximum number of people to find.
        score_threshold: minimum confidence of a person; raising it trades false positives for misses.
        person_class: index of the class of people, for a detector of several classes.

    Raises:
        ValueError: no such file, not an ONNX model, or unknown outputs; names the parameter.
    """
    networks = [Network(Path(path.strip()), device, person_class) for path in model_path.split(",")]
    kinds = [network.kind for network in networks]
    if len(networks) == 2 and kinds[0] == "boxes" and kinds[1] in TOP_DOWN:
        return TopDown(networks[1], networks[0], max_persons, score_threshold)
    if len(networks) > 1 or kinds[0] == "boxes":
        raise ValueError(
            f"model_path must be a pose network, or a person detector and a top-down network, got {' and '.join(kinds)}"
        )
    if kinds[0] not in TOP_DOWN:
        return SingleStage(networks[0], max_persons, score_threshold)
    if max_persons > 1:
        raise ValueError(f"max_persons must be 1 for a top-down network without a person detector, got {max_persons}")
    return TopDown(networks[0], None, max_persons, score_threshold)


class Network:
    """Network in one ONNX file.

    Args:
        person_class: class index of people, for a detector of several classes.

    Attributes:
        kind: a key of COLOURS.
        size: (2,) width and height of its input.

    Raises:
        ValueError: not an ONNX model, or unknown inputs or outputs; names file, input, type and shape.
    """

    def __init__(self, path: Path, device: str, person_class: int = 0) -> None:
        if path.suffix.lower() != ".onnx" or not path.is_file():
            raise ValueError(f"model_path must be an .onnx file, got {str(path)!r}")
        self._session = open_session(f"model_path: {path}", str(path), device)
        given, *others = self._session.get_inputs()
        self._input, shape, self._person_class = given.name, given.shape, person_class
        what = f"input {given.name!r} {given.type} {shape}"
        self._channels_last = len(shape) == 4 and shape[3] == 3 and shape[1] != 3
        if self._channels_last:
            shape = [shape[0], shape[3], shape[1], shape[2]]
        if others or len(shape) != 4 or shape[1] != 3 or not all(isinstance(n, int) and n > 0 for n in shape[2:]):
            also = "".join(f", {other.name!r} {other.type} {other.shape}" for other in others)
            raise ValueError(
                f"model_path: {path} must take pictures (N, 3, height, width) of fixed size and nothing else, "
                f"got {what}{also}"
            )
        if given.type not in TYPES:
            raise ValueError(f"model_path: {path} must take {' or '.join(TYPES)}, got {what}")
        self._type = TYPES[given.type]
        self._batch = shape[0] if isinstance(shape[0], int) else None
        self.size = np.array([shape[3], shape[2]])
        self._names = [output.name for output in self._session.get_outputs()]
        try:
            outputs = self._run(np.zeros((self._batch or 1, 3, shape[2], shape[3]), np.float32))
        except Exception as error:  # ONNX Runtime's errors have no common base
            raise ValueError(f"model_path: {path} does not run on {what} ({error_text(error)})") from error
        shapes = {name: output.shape for name, output in outputs.items()}
        self.kind = _kind(path, shapes)
        self._y_first = self.kind == "simcc" and _is_y_first(path, shapes, self.size)

    def run(self, pictures: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        """Run the network on images (height, width, 3) uint8 RGB; returns outputs by name, float32, in its order."""
        colours = COLOURS[self.kind]
        stack: np.ndarray = np.stack(pictures).astype(np.float32)
        stack = stack[..., ::-1] if colours.reverse else stack
        if self._type is not np.uint8:  # such networks normalise internally
            stack = (stack - np.array(colours.mean, np.float32)) / np.array(colours.deviation, np.float32)
        inputs = stack.transpose(0, 3, 1, 2)
        size = self._batch or len(inputs)
        parts = []
        for begin in range(0, len(inputs), size):
            part = inputs[begin : begin + size]
            full = np.concatenate([part, np.repeat(part[-1:], size - len(part), 0)])
            parts.append({name: output[: len(part)] for name, output in self._run(full).items()})
        return {name: np.concatenate([part[name] for part in parts]) for name in self._names}

    def _run(self, inputs: np.ndarray) -> dict[str, np.ndarray]:
        """Outputs by name for (N, 3, height, width), N the batch size of the network."""
        inputs = inputs.transpose(0, 2, 3, 1) if self._channels_last else inputs
        outputs = self._session.run(None, {self._input: np.ascontiguousarray(inputs.astype(self._type))})
        return {name: np.asarray(output, np.float32) for name, output in zip(self._names, outputs, strict=True)}

    def simcc(self, outputs: dict[str, np.ndarray]) -> np.ndarray:
        """Joints of a network with one output per axis."""
        first, second = outputs.values()
        return decoders.simcc(second, first) if self._y_first else decoders.simcc(first, second)

    def find(self, picture: np.ndarray) -> decoders.Detections:
        """Find people in one image, with a detector or a single-stage network."""
        outputs = self.run([picture])
        if self.kind == "rows":
            return decoders.rows(*outputs.values())
        if "labels" in outputs and self.kind == "boxes":
            people = outputs["labels"][0] == self._person_class
            outputs["dets"] = outputs["dets"][:, people]
        return decoders.corner_boxes(outputs["dets"], outputs.get("keypoints"))

    def close(self) -> None:
        del self._session


class SingleStage:
    """Estimator with a single-stage network, which finds people and their joints at once."""

    def __init__(self, network: Network, max_persons: int, score_threshold: float) -> None:
        self._network, self._max_persons, self._score_threshold = network, max_persons, score_threshold

    def estimate(self, image: np.ndarray, *, quick: bool = False) -> list[Person2D]:
        found = _find(self._network, image, self._score_threshold, self._max_persons)
        all_joints = cast(np.ndarray, found.joints)  # a single-stage network has joints
        return [
            _person(joints[:, :2], joints[:, 2], float(score))
            for joints, score in zip(all_joints, found.scores, strict=True)
        ]

    def close(self) -> None:
        self._network.close()


class TopDown:
    """Estimator with a top-down network on the boxes of a detector; without one, the whole image is the box."""

    def __init__(self, network: Network, detector: Network | None, max_persons: int, score_threshold: float) -> None:
        self._network, self._detector = network, detector
        self._max_persons, self._score_threshold = max_persons, score_threshold

    def estimate(self, image: np.ndarray, *, quick: bool = False) -> list[Person2D]:
        views = self._views(image)
        if not views:
            return []
        outputs = self._network.run([_cut(image, corner, size, self._network.size) for corner, size in views])
        is_simcc = self._network.kind == "simcc"
        joints = self._network.simcc(outputs) if is_simcc else decoders.heat_maps(*outputs.values())
        persons = [
            _person(seen[:, :2] * size + corner, seen[:, 2])
            for seen, (corner, size) in zip(joints[:, : len(COCO17)], views, strict=True)
        ]
        return sorted(
            (person for person in persons if person.score >= self._score_threshold), key=lambda person: -person.score
        )

    def close(self) -> None:
        self._network.close()
        if self._detector is not None:
            self._detector.close()

    def _views(self, image: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """Corner and size of the network's crop for each person, in image pixels."""
        if self._detector is None:
            return [(ORIGIN, _around(image, self._network.size))]
        views = []
        for box in _find(self._detector, image, self._score_threshold, self._max_persons).boxes:
            extent = self._network.size * (box[2:] / self._network.size).max() * BOX_MARGIN
            views.append((box[:2] + box[2:] / 2 - extent / 2, extent))
        return views


def _find(network: Network, image: np.ndarray, score_threshold: float, max_detections: int) -> decoders.Detections:
    """Find the people in an image, in its pixels."""
    extent = _around(image, network.size)
    picture = _cut(image, ORIGIN, extent, network.size)
    found = decoders.distinct(network.find(picture), score_threshold, max_detections)
    factor = extent / network.size
    joints = None if found.joints is None else found.joints * (*factor, 1.0)
    return decoders.Detections(found.boxes * np.tile(factor, 2), found.scores, joints)


def _around(image: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Size of the smallest rectangle of the network's aspect ratio that the image fits into."""
    return size * (np.array(image.shape[1::-1]) / size).max()


def _cut(image: np.ndarray, corner: np.ndarray, extent: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Crop a rectangle of the image at the network's size; grey outside the image."""
    factor = size / extent
    matrix = np.array([[factor[0], 0, -corner[0] * factor[0]], [0, factor[1], -corner[1] * factor[1]]])
    width, height = (int(length) for length in size)
    return cv2.warpAffine(image, matrix, (width, height), borderValue=(PADDING_GREY,) * 3)


def _person(pixels: np.ndarray, scores: np.ndarray, score: float | None = None) -> Person2D:
    """Person of COCO joints (17, 2) and scores (17,), whose mean is the person's score if there is no other."""
    scores = scores.clip(0, 1).astype(float)
    keypoints, joint_scores = to_h36m17(pixels.astype(float), scores, COCO17)
    corner, extent = keypoints.min(0), np.ptp(keypoints, axis=0)
    certainty = float(scores.mean()) if score is None else min(score, 1.0)
    return Person2D("", certainty, np.concatenate([corner, extent]), keypoints, joint_scores)


def _kind(path: Path, outputs: dict[str, tuple[int, ...]]) -> str:
    """Identify the network by names and shapes of its outputs."""
    joints = len(COCO17)
    dets, labels, keypoints = (outputs.get(name, ()) for name in ("dets", "labels", "keypoints"))
    if dets[2:] == (5,):
        if len(keypoints) == 4 and keypoints[:2] == dets[:2] and keypoints[2] >= joints and keypoints[3] == 3:
            return "boxes and joints"
        if labels == dets[:2]:
            return "boxes"
    match list(outputs.values()):
        case [(n, k, across), (m, j, down)] if (n, k) == (m, j) and k >= joints and across and down:
            return "simcc"
        case [(_, k, height, width)] if k >= joints and height and width:
            return "heat maps"
        case [(_, rows, anchors)] if rows == 5 + 3 * joints and anchors:
            return "rows"
    raise ValueError(
        f"model_path: {path} must give simcc_x and simcc_y, heat maps (N, 17, h, w), dets and keypoints, "
        f"rows (1, 56, A), or dets and labels; got {brief(outputs)}"
    )


def _is_y_first(path: Path, outputs: dict[str, tuple[int, ...]], size: np.ndarray) -> bool:
    """Order of a network's outputs for x and y, by their names, or else by their lengths."""
    ends = [name[-1:].lower() for name in outputs]
    if set(ends) == {"x", "y"}:
        return ends[0] == "y"
    if size[0] == size[1]:
        raise ValueError(
            f"model_path: {path}: outputs for square pictures must be named as x and y, got {brief(outputs)}"
        )
    aspect = float(size[0] / size[1])
    first, second = (shape[-1] for shape in outputs.values())
    return abs(first / second * aspect - 1) < abs(first / second / aspect - 1)
