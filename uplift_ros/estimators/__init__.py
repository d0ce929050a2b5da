"""2D pose estimators with one protocol. Each backend is a module, imported only when it is selected."""

from importlib import import_module
from typing import Protocol

import numpy as np

from uplift_ros.poses import Person2D

BACKENDS = {
    "blazepose": ("uplift_ros.estimators.blazepose", "ai-edge-litert"),
    "onnx": ("uplift_ros.estimators.onnx", "onnxruntime"),
}
"""Name of each backend: its module, which has a function `create`, and the package that it requires."""


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


def create(
    backend: str,
    *,
    model: str,
    model_path: str,
    device: str,
    max_persons: int,
    score_threshold: float,
    person_class: int = 0,
) -> PoseEstimator:
    """Load a backend; the arguments are the parameters of the node pose_estimator.

    Raises:
        ValueError: unknown backend, or an argument that it does not support.
        ImportError: a package that it needs is not installed.
    """
    if backend not in BACKENDS:
        raise ValueError(f"backend must be one of {', '.join(BACKENDS)}, got {backend!r}")
    module, requirement = BACKENDS[backend]
    try:
        implementation = import_module(module)
    except ModuleNotFoundError as error:
        raise ImportError(f"backend {backend} lacks {error.name}: install {requirement}") from error
    labels = {"person_class": person_class} if backend == "onnx" else {}
    estimator: PoseEstimator = implementation.create(
        model=model,
        model_path=model_path,
        device=device,
        max_persons=max_persons,
        score_threshold=score_threshold,
        **labels,
    )
    return estimator
