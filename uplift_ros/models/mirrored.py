"""Average of an uplifting network's results for poses and their mirror images, as VideoPose3D (Pavllo et al. 2019)."""

import numpy as np

from uplift_ros.models.configs import Lifted, Uplifting
from uplift_ros.skeleton import mirror


class Mirrored:
    """An `Uplifting` network whose errors do not depend on the side: a token holds a pose's and its mirror image's.

    Args:
        network: runs on twice as many poses and windows.
    """

    def __init__(self, network: Uplifting) -> None:
        self.network, self.config = network, network.config

    def __call__(self, poses: np.ndarray, known: np.ndarray, windows: np.ndarray) -> Lifted:
        # 1. The network's poses: the new ones, then their mirror images; its known tokens likewise.
        known = known.reshape(-1, 2, self.config.temporal_width)
        # 2. Its windows: index 0 is none; the second half of each kind belongs to the mirror images.
        is_known = windows > len(poses)
        own = windows + is_known * len(poses)
        mirrored = np.where(windows > 0, own + np.where(is_known, len(known), len(poses)), 0)
        lifted = self.network(
            np.concatenate([poses, mirror(poses)]),
            np.concatenate([known[:, 0], known[:, 1]]),
            np.concatenate([own, mirrored]),
        )
        return Lifted(np.concatenate(np.split(lifted.tokens, 2), axis=-1), _averaged(lifted.sequence), lifted.hidden)

    def central(self, hidden: np.ndarray) -> np.ndarray:
        return _averaged(self.network.central(hidden))


def _averaged(poses: np.ndarray) -> np.ndarray:
    """Mean of the first half (B, ..., 17, 3) of the poses, and of the other half mirrored."""
    own, mirrored = np.split(poses, 2)
    return (own + mirror(mirrored)) / 2
