"""Error metrics of 3D poses, as in the literature.

Poses are (T, J, 3) in metres with the root (pelvis) at joint 0; results are millimetres. Sources: Uplift and Upsample
(WACV 2023), evaluation and supplement eq. (1); SynSP (CVPR 2024), evaluation code.
"""

from collections.abc import Sequence

import numpy as np

MILLIMETRES = 1000.0

Joints = Sequence[int] | slice
ALL: Joints = slice(None)
"""Joints that a mean includes; errors are root-relative whether or not the root is included."""


def root_relative(poses: np.ndarray) -> np.ndarray:
    """Poses (..., J, 3) with the root moved to the origin."""
    return poses - poses[..., :1, :]


def mpjpe(predicted: np.ndarray, truth: np.ndarray, joints: Joints = ALL) -> float:
    """Mean distance of joints, both poses root-relative, mm."""
    return _mean_distance(*_relative(predicted, truth, joints))


def clip_scale(predicted: np.ndarray, truth: np.ndarray, joints: Joints = ALL) -> float:
    """Least-squares scale sum<p, g> / sum<p, p> of all root-relative poses of a clip to the truth."""
    predicted, truth = _relative(predicted, truth, joints)
    return float((predicted * truth).sum() / ((predicted**2).sum() or 1.0))


def mpjpe_scaled(predicted: np.ndarray, truth: np.ndarray, joints: Joints = ALL) -> float:
    """MPJPE after one scale for the whole clip, which a single camera cannot determine, mm."""
    scale = clip_scale(predicted, truth, joints)
    predicted, truth = _relative(predicted, truth, joints)
    return _mean_distance(scale * predicted, truth)


def n_mpjpe(predicted: np.ndarray, truth: np.ndarray, joints: Joints = ALL) -> float:
    """MPJPE after scaling every root-relative pose by its least-squares factor sum<p, g> / sum<p, p>, mm."""
    predicted, truth = _relative(predicted, truth, joints)
    norm = (predicted**2).sum((-2, -1), keepdims=True)
    scale = (predicted * truth).sum((-2, -1), keepdims=True) / np.where(norm > 0, norm, 1.0)
    return _mean_distance(scale * predicted, truth)


def p_mpjpe(predicted: np.ndarray, truth: np.ndarray, joints: Joints = ALL) -> float:
    """MPJPE after the best similarity transform of every pose (Procrustes, no reflection), mm."""
    predicted, truth = _relative(predicted, truth, joints)
    return _mean_distance(procrustes(predicted, truth), truth)


def procrustes(poses: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Align poses (..., J, 3) to their targets by the best rotation, scale and translation of each.

    Umeyama, PAMI 1991: the singular vectors of the covariance give the rotation; if they would mirror the pose, the
    weakest axis is flipped.
    """
    pose_mean, target_mean = poses.mean(-2, keepdims=True), targets.mean(-2, keepdims=True)
    centred, target = poses - pose_mean, targets - target_mean
    u, singular, vt = np.linalg.svd(np.swapaxes(centred, -2, -1) @ target)
    sign = np.ones_like(singular)
    sign[..., -1] = np.where(np.linalg.det(u @ vt) < 0, -1.0, 1.0)
    norm = (centred**2).sum((-2, -1))
    scale = (singular * sign).sum(-1) / np.where(norm > 0, norm, 1.0)
    return scale[..., None, None] * (centred @ ((u * sign[..., None, :]) @ vt)) + target_mean


def accel(predicted: np.ndarray, truth: np.ndarray, *, zero_padded: bool = False) -> float:
    """Mean length of the second difference of the error in root-relative poses, mm/frame^2.

    Args:
        predicted, truth: (T, J, 3) of consecutive frames, T >= 3.
        zero_padded: count the first and the last frame as 0, as SynSP's code does; scales the result by (T - 2) / T.
    """
    difference = accel_error(_checked(predicted, truth), truth)
    if zero_padded:
        return float(difference.sum() / len(truth))
    return float(difference.mean())


def accel_error(predicted: np.ndarray, truth: np.ndarray, joints: Joints = ALL) -> np.ndarray:
    """(T - 2,) mean over the joints of ||second difference of the error||, root-relative, mm/frame^2."""
    if len(truth) < 3:
        raise ValueError(f"acceleration needs at least 3 consecutive frames, got {len(truth)}")
    error = (root_relative(predicted) - root_relative(truth))[:, joints]
    return MILLIMETRES * np.linalg.norm(np.diff(error, 2, axis=0), axis=-1).mean(-1)


def velocity(poses: np.ndarray, rate: float) -> np.ndarray:
    """Mean joint speed relative to the root (Uplift and Upsample, supplement, eq. 1).

    Args:
        poses: (T, J, 3).
        rate: frames per second.

    Returns:
        (T - 1,) m/s, from each frame to the next.
    """
    return rate * np.linalg.norm(np.diff(root_relative(poses), axis=0), axis=-1).mean(-1)


def _relative(predicted: np.ndarray, truth: np.ndarray, joints: Joints) -> tuple[np.ndarray, np.ndarray]:
    """Both root-relative, with the selected joints."""
    predicted = root_relative(_checked(predicted, truth))
    return predicted[..., joints, :], root_relative(truth)[..., joints, :]


def _checked(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    if predicted.shape != truth.shape or predicted.ndim != 3 or predicted.shape[-1] != 3 or predicted.size == 0:
        raise ValueError(f"poses must be two arrays of one shape (T, J, 3), got {predicted.shape} and {truth.shape}")
    return predicted


def _mean_distance(predicted: np.ndarray, truth: np.ndarray) -> float:
    return float(MILLIMETRES * np.linalg.norm(predicted - truth, axis=-1).mean())
