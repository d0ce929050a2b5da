"""Uncertainty of each joint, as a score and as a covariance, from the expected error of a network.

The dependence of the error was measured on motion capture with a noisy detector (lab/studies/calibration.py): on the
joint above all, and for each joint on its distance to the pelvis, its speed, its displacement since the nearest
key-frame, and the detector's score.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from uplift_ros.files import write_json
from uplift_ros.paths import find_weights
from uplift_ros.transforms import COLUMNS, ROWS, about_line

SCORE_LENGTH = 0.1
"""Metres of expected error that lower a score to 1/e."""

SMALLEST_ERROR = 0.005
"""Metres, a lower bound for every joint, the pelvis included (its position has an uncertainty of its own)."""

LARGEST_PART = 1000.0
"""Upper bound of every number in an error model: metres per metre or less."""

WORST_SCORE = 0.01
"""Lower scores do not mean a larger error."""

BALL_COVERAGE, BALL_FACTOR = 0.9, 1.7
"""A ball of BALL_FACTOR times the expected error around a root-relative joint holds the truth in BALL_COVERAGE of all
frames; an error model is fitted so that this is true joint by joint."""

TENSION = 1.05
"""Weight of the tension between SynSP's branches: the expected error is that before it plus TENSION times tension.

Least squares on validation data (`tension` of `uplift study quality`).
"""


def score_of(error: np.ndarray) -> np.ndarray:
    """Scores (0, 1] of expected errors in metres; their product is the score of the sum of the errors."""
    return np.exp(-error / SCORE_LENGTH)


def error_of(score: np.ndarray) -> np.ndarray:
    """Expected errors in metres of scores, the inverse of `score_of`."""
    return -SCORE_LENGTH * np.log(np.maximum(score, WORST_SCORE))


def ball_radius(score: np.ndarray) -> np.ndarray:
    """Radii in metres of balls around root-relative joints that hold the truth in BALL_COVERAGE of all frames."""
    return BALL_FACTOR * error_of(score)


def joint_speeds(joints: np.ndarray, rate: float) -> np.ndarray:
    """Speeds (K, 17) in m/s of root-relative joints (K, 17, 3) at `rate` poses per second."""
    if len(joints) == 1:
        return np.zeros(joints.shape[:2])
    return np.linalg.norm(np.gradient(joints, axis=0), axis=-1) * rate


def refined(scores: np.ndarray, covariance: np.ndarray, tension: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Update scores and covariance after SynSP; the uncertainty of the pelvis's position stays as it is.

    Args:
        scores, covariance: (17,) and (17, 6) or (0, 6), before.
        tension: (17,) metres between its branches.
    """
    before = np.maximum(error_of(scores), SMALLEST_ERROR)
    after = before + TENSION * tension
    grown = (after / before)[: len(covariance), None]
    place = covariance[:1]
    return score_of(after), place + (covariance - place) * grown**2


def features(joints: np.ndarray, speeds: np.ndarray, seconds: np.ndarray | float, detected: np.ndarray) -> np.ndarray:
    """Features in which the expected error is linear.

    Args:
        joints: (..., 17, 3) root-relative, metres.
        speeds: (..., 17) relative to the root, m/s.
        seconds: (...) to the nearest key-frame.
        detected: (..., 17) the detector's scores.

    Returns:
        (..., 17, 5): one, the distance to the root, the speed, the displacement since the nearest key-frame, and the
        error of the detector's score.
    """
    distance_to_root = np.linalg.norm(joints, axis=-1)
    displacement = speeds * np.asarray(seconds)[..., None]
    columns = np.ones_like(distance_to_root), distance_to_root, speeds, displacement, error_of(detected)
    return np.stack(columns, -1)


@dataclass(frozen=True)
class ErrorModel:
    """Error model of one uplifting network.

    Attributes:
        coefficients: (17, 5) of `features`, for the expected root-relative distance between estimate and truth, metres.
        across, along: standard deviation of the error on each axis across the line of sight and on the one along it, as
            fractions of the expected error. For one camera depth is the least certain.
        place_across, place_along: standard deviations of the pelvis's position as fractions of its distance, if the
            stature is known or measured.
    """

    coefficients: np.ndarray
    across: float
    along: float
    place_across: float
    place_along: float

    def predict(
        self,
        joints: np.ndarray,
        root: np.ndarray,
        speeds: np.ndarray,
        seconds: float,
        detected: np.ndarray,
        scale: float = 1.0,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Predict scores (17,) and covariance (17, 6) of one pose.

        Args:
            joints, root, speeds, seconds, detected: as in `expected` and `covariance`.
            scale: size of the person relative to canonical stature, by which errors are larger.
        """
        expected = scale * self.expected(joints / scale, speeds / scale, seconds, detected)
        return score_of(expected), self.covariance(expected, root)

    def expected(
        self, joints: np.ndarray, speeds: np.ndarray, seconds: np.ndarray | float, detected: np.ndarray
    ) -> np.ndarray:
        """Expected errors (..., 17) in metres, of the arguments of `features`."""
        linear = (features(joints, speeds, seconds, detected) * self.coefficients).sum(-1)
        return np.maximum(linear, SMALLEST_ERROR)

    def covariance(self, expected: np.ndarray, root: np.ndarray) -> np.ndarray:
        """Covariance of joints in the camera's frame: their own error, and that of the pelvis, which they share.

        Args:
            expected: (17,) metres.
            root: (3,) the placed pelvis; NaN where it is not placed: then joints are root-relative.

        Returns:
            (17, 6) xx xy xz yy yz zz, square metres.
        """
        placed = bool(np.isfinite(root).all())
        distance = float(np.linalg.norm(root)) if placed else 0.0
        sight = root / distance if placed else np.array([0.0, 0.0, 1.0])
        pose = about_line(sight, self.across, self.along)
        place = distance**2 * about_line(sight, self.place_across, self.place_along)
        own = np.array(expected)
        own[0] = 0.0  # the pelvis is the origin of root-relative joints
        joints = own[:, None, None] ** 2 * pose + place
        return joints[:, ROWS, COLUMNS]

    def save(self, path: Path, provenance: dict[str, Any]) -> None:
        values = asdict(self) | {"coefficients": np.round(self.coefficients, 5).tolist(), "provenance": provenance}
        write_json(path, values)


def path_of(name: str) -> Path:
    """Path of the error model of the weights `name`: beside them."""
    return find_weights(name, ".onnx", ".safetensors").with_suffix(".quality.json")


def load(name: str) -> ErrorModel | None:
    """Load the error model of the weights `name`; None if it was not measured.

    Raises:
        FileNotFoundError: no such weights.
        ValueError: the file is not an error model.
    """
    path = path_of(name)
    if not path.is_file():
        return None
    try:
        values = json.loads(path.read_text())
        parts = {key: float(values[key]) for key in ("across", "along", "place_across", "place_along")}
        coefficients = np.array(values["coefficients"], float).reshape(17, 5)
        if not (np.abs(coefficients) <= LARGEST_PART).all() or not all(0 <= x <= LARGEST_PART for x in parts.values()):
            raise ValueError(f"coefficients must be within {LARGEST_PART:g}, the others 0 to {LARGEST_PART:g}")
        return ErrorModel(coefficients, **parts)
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise ValueError(f"{path} is not an error model of uplift_ros ({str(error)[:200]})") from error
