"""2D pose estimators with one protocol. Each backend is a module, imported only when it is selected."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol

import numpy as np

from uplift_ros.poses import Person2D


@dataclass(frozen=True)
class Backend:
    """What `create` needs to know of a backend.

    Attributes:
        module: has a function `create`, whose arguments are the `parameters`.
        requirement: package that the module needs.
        parameters: of the node pose_estimator that it supports.
        has_devices: it runs on other devices than the CPU.
    """

    module: str
    requirement: str
    parameters: tuple[str, ...]
    has_devices: bool = False


SHARED = ("model_path", "device", "max_persons", "score_threshold")
"""Parameters that every backend supports."""

BACKENDS = {
    "blazepose": Backend("uplift_ros.estimators.blazepose", "ai-edge-litert", ("model", *SHARED)),
    "onnx": Backend("uplift_ros.estimators.onnx", "onnxruntime", (*SHARED, "person_class"), has_devices=True),
}


class PoseEstimator(Protocol):
    """Estimator that finds people in single images: what came before has no influence."""

    def estimate(self, image: np.ndarray, *, quick: bool = False) -> list[Person2D]:
        """Find the people in an image, the most confident first, without ids.

        Args:
            image: (H, W, 3) uint8, RGB.
            quick: take the faster network, if there are two.
        """

    def close(self) -> None:
        """Free the model; the estimator cannot be used afterwards."""


def create(backend: str, parameters: Mapping[str, Any]) -> PoseEstimator:
    """Load a backend.

    Args:
        backend: a key of BACKENDS.
        parameters: of the node pose_estimator; only those that the backend supports are read.

    Raises:
        ValueError: unknown backend, or a value that it does not support.
        ImportError: a package that it needs is not installed.
    """
    if backend not in BACKENDS:
        raise ValueError(f"backend must be one of {', '.join(BACKENDS)}, got {backend!r}")
    chosen = BACKENDS[backend]
    try:
        implementation = import_module(chosen.module)
    except ModuleNotFoundError as error:
        raise ImportError(f"backend {backend} lacks {error.name}: install {chosen.requirement}") from error
    estimator: PoseEstimator = implementation.create(**{name: parameters[name] for name in chosen.parameters})
    return estimator
