"""Stage built from the parameters of pose_estimator; apart from build.py, so that it loads no network library."""

from collections.abc import Mapping
from typing import Any

from uplift_ros import estimators
from uplift_ros.estimators import PoseEstimator
from uplift_ros.stages.detection import DetectionStage


def estimator(parameters: Mapping[str, Any]) -> PoseEstimator:
    """Create the 2D estimator of the node pose_estimator; the caller closes it.

    Raises:
        FileNotFoundError: weights are missing.
        ValueError: a parameter that the backend does not support.
        ImportError: a package that it needs is not installed.
    """
    return estimators.create(parameters["backend"], parameters)


def detection(parameters: Mapping[str, Any], estimator: PoseEstimator) -> DetectionStage:
    """Build the stage of the node pose_estimator.

    Raises:
        ValueError: names the parameter that is out of range.
    """
    phase = None if parameters["phase"] < 0 else parameters["phase"]
    return DetectionStage(estimator, parameters["stride"], parameters["model_rate"], parameters["look_back"], phase)
