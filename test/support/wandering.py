"""Random motion: joints that wander."""

import numpy as np

from uplift_ros.lab.data.mocap import Sequence


def motion(frames: int, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (0.3 * rng.normal(size=(1, 17, 3)) + np.cumsum(rng.normal(0, 0.01, (frames, 17, 3)), 0)).astype(np.float32)


SEQUENCES = [
    Sequence("cmu/walk/1", motion(120)),
    Sequence("cmu/salsa/2", motion(30, 2)),
    Sequence("x/run/3", motion(5)),
]
