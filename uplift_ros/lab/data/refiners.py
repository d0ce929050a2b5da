"""Refinement of whole sequences by the methods of the streaming refiner and by baselines, all with the same look-ahead.

Gaussian, SmoothNet and the two branches of SynSP are baselines; all other methods are those of the streaming refiner.
"""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d

from uplift_ros.lab.data.mocap import FRAME_RATE_HZ
from uplift_ros.lab.smoothnet import SmoothNet
from uplift_ros.lab.whole_sequence import average_windows, pad_front, sliding_windows
from uplift_ros.metrics import root_relative
from uplift_ros.models.synsp import ACCELERATION_ROLES, SynSP
from uplift_ros.poses import NANOSECONDS
from uplift_ros.streaming.filters import OneEuro, PassThrough, SavitzkyGolay, Smoother
from uplift_ros.streaming.refiner import MAX_DELAY
from uplift_ros.streaming.swaa import StreamingAverage

REFINEMENT_METHODS = ("none", "one_euro", "savgol", "gaussian", "smoothnet", "synsp")
BRANCHES = tuple(ACCELERATION_ROLES)

SAVGOL_MIN_FRAMES = 15
"""Length of the Savitzky-Golay fit, unless the look-ahead is more than half of it."""

GAUSSIAN_SIGMA_FRAMES = 3.0
"""From SynSP's comparison."""

WINDOWS_PER_REFINEMENT = 256
"""Windows in one forward pass."""


@dataclass(frozen=True)
class Refiner:
    """Refinement method with its look-ahead.

    Args:
        method: of REFINEMENT_METHODS.
        network: for 'smoothnet' and 'synsp', in evaluation mode.
        branch: of SynSP: 'final', or one of the branches from which it is computed.
        delay: frames of look-ahead; windows that end at a frame or up to `delay` frames after it are averaged if the
            method is a network. A larger value smooths more and adds latency.
        rigid: keep bone lengths constant, for estimates with covariances (protocols.refine).

    Raises:
        ValueError: delay out of range.
    """

    method: str
    network: SynSP | SmoothNet | None = None
    branch: str = "final"
    delay: int = MAX_DELAY
    rigid: bool = False

    def __post_init__(self) -> None:
        if self.delay < 0:
            raise ValueError(f"delay must be at least 0 frames, got {self.delay}")
        if self.network is not None and self.network.config.window <= self.delay:
            window = self.network.config.window
            raise ValueError(f"delay must be below the network's window of {window} frames, got {self.delay}")

    def refine(self, poses: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Refine a sequence of consecutive frames.

        Args:
            poses: (N, 17, 3) metres; the pelvis is subtracted.

        Returns:
            Root-relative poses (N, 17, 3) in metres, and with SynSP the tension (N, 17) between its branches.
        """
        poses = root_relative(poses.astype(float))
        if self.method == "gaussian":
            truncate = self.delay / GAUSSIAN_SIGMA_FRAMES
            return gaussian_filter1d(poses, GAUSSIAN_SIGMA_FRAMES, axis=0, truncate=truncate), None
        estimates = poses if self.network is None else self._estimate(self.network, poses)
        smoother = self._smoother()
        stamps = np.round(np.arange(len(poses)) / FRAME_RATE_HZ * NANOSECONDS).astype(int).tolist()
        smoothed = [value for args in zip(estimates, stamps, strict=True) for value in smoother.push(*args)]
        refined = np.stack(smoothed + smoother.flush())
        return root_relative(refined[..., :3]), refined[..., 3] if refined.shape[-1] == 4 else None

    def _smoother(self) -> Smoother:
        if self.network is not None:
            return StreamingAverage(self.delay)
        if self.method == "one_euro":
            return OneEuro()
        if self.method == "savgol":
            return SavitzkyGolay(self.delay, max(2 * self.delay + 1, SAVGOL_MIN_FRAMES))
        return PassThrough()

    def _estimate(self, network: SynSP | SmoothNet, poses: np.ndarray) -> np.ndarray:
        """The window (N, T, 17, 3) that ends at each frame, refined; with SynSP's tension (N, T, 17, 4)."""
        length, flat = network.config.window, poses.reshape(len(poses), -1)
        predicted = _predict(network, sliding_windows(pad_front(flat, length - 1), length), self.branch)
        joints, tension = np.split(predicted, [flat.shape[1]], -1)
        joints = joints.reshape(*joints.shape[:2], *poses.shape[1:])
        return np.concatenate([joints, tension[..., None]], -1) if tension.size else joints


def refine_sequence(model: SynSP, views: np.ndarray, branch: str = "final") -> np.ndarray:
    """Refine a whole sequence as the paper does: every window once, full sliding-window average, no delay.

    Args:
        model: the network.
        views: (P, N, C) of P cameras, which the network reads together.
        branch: of the network's output, as of `Refiner`.

    Returns:
        (P, N, C).
    """
    windows = sliding_windows(views.swapaxes(0, 1), model.config.window).swapaxes(1, 2)  # (W, P, T, C)
    predicted = _predict(model, windows, branch)[..., : views.shape[-1]]
    return average_windows(predicted.swapaxes(1, 2)).swapaxes(0, 1)[:, -views.shape[1] :]


@torch.inference_mode()
def _predict(network: SynSP | SmoothNet, windows: np.ndarray, branch: str) -> np.ndarray:
    """Refined windows (W, ..., T, C); of SynSP (W, ..., T, C + J), with the tension of the J joints."""
    outputs = []
    for part in np.split(windows, range(WINDOWS_PER_REFINEMENT, len(windows), WINDOWS_PER_REFINEMENT)):
        output = network(torch.from_numpy(np.ascontiguousarray(part, np.float32)))
        if isinstance(network, SynSP):
            output = torch.cat([getattr(output, branch), output.tension], -1)
        outputs.append(output.double().numpy())
    return np.concatenate(outputs)
