"""Metrics of the estimates of many clips: overall, per class of motion, by velocity."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from uplift_ros import metrics
from uplift_ros.lab.data.mocap import motion_class
from uplift_ros.lab.data.protocols import Estimate
from uplift_ros.skeleton import H36M17, LIMB_JOINTS
from uplift_ros.streaming import uncertainty

FAST_MPS = 0.5
"""The supplement of Uplift and Upsample changes to the short stride above this velocity."""

VELOCITY_INTERVAL_MPS = 0.1
"""Width of the intervals of `by_velocity` (supplement, figure 3)."""

PAPER_METRICS = {"mpjpe": metrics.mpjpe, "n_mpjpe": metrics.n_mpjpe, "p_mpjpe": metrics.p_mpjpe}

Row = dict[str, Any]
Figures = dict[str, dict[str, dict[str, float]]]


def score(estimates: Sequence[Estimate], rate: float, joints: metrics.Joints = metrics.ALL) -> Row:
    """Frame-wise means over all clips: millimetres, and mm/frame^2 for accelerations; None if no frame counts.

    Keys:
        mpjpe, n_mpjpe, p_mpjpe: of all frames.
        mpjpe_scaled: after one scale for each clip, since a single camera cannot observe stature.
        mpjpe_keyframes, mpjpe_fast: of key-frames alone; of frames in which the truth is faster than FAST_MPS.
        mpjpe_class_mean: mean over the classes of motion, as the papers' means over the actions of Human3.6M.
        accel: over frames that have a second difference.
        accel_padded: with the first and last frame of each clip counted as 0 (SynSP's code).
        bone_variation: deviation of the lengths of limbs over time in percent of their means, mean of limbs and clips.
        speed_error: m/s, mean difference between estimated and true speeds of joints; None without velocities.
        ball_coverage: share of true joints inside the balls around the estimated ones that should hold 90 %; None if
            the scores of the estimates do not stand for errors.
        keyframe_hz, frames: rate of key-frames; number of frames.

    Args:
        estimates: of all clips.
        rate: frames per second.
        joints: that count.
    """
    errors = np.concatenate([frame_errors(estimate, joints) for estimate in estimates])
    keyframes = np.concatenate([estimate.keyframes for estimate in estimates])
    fast = np.concatenate([_velocity(estimate, rate) for estimate in estimates]) > FAST_MPS
    classes = _classes(estimates).values()
    per_class = [np.concatenate([frame_errors(e, joints) for e in members]).mean() for members in classes]
    scaled = [metrics.mpjpe_scaled(e.poses, e.truth, joints) * len(e.poses) for e in estimates]
    acceleration = _accelerations(estimates, joints)
    poses, truth = _joined(estimates)
    return {
        "mpjpe": float(errors.mean()),
        "mpjpe_scaled": sum(scaled) / len(errors),
        "n_mpjpe": metrics.n_mpjpe(poses, truth, joints),
        "p_mpjpe": metrics.p_mpjpe(poses, truth, joints),
        "mpjpe_keyframes": _mean(errors[keyframes]),
        "mpjpe_fast": _mean(errors[fast]),
        "mpjpe_class_mean": float(np.mean(per_class)),
        "accel": _mean(acceleration),
        "accel_padded": float(acceleration.sum() / len(errors)),
        "bone_variation": float(np.mean([_bone_variation(estimate.poses) for estimate in estimates])),
        "speed_error": _speed_error(estimates, rate),
        "ball_coverage": _ball_coverage(estimates, joints),
        "keyframe_hz": float(keyframes.mean() * rate),
        "frames": len(errors),
    }


def _speed_error(estimates: Sequence[Estimate], rate: float) -> float | None:
    errors = []
    for estimate in estimates:
        if estimate.velocities is None or len(estimate.clip.truth) < 2:
            return None
        truth = rate * np.gradient(estimate.clip.truth, axis=0)[estimate.frames]
        speeds, true_speeds = (np.linalg.norm(values, axis=-1) for values in (estimate.velocities, truth))
        errors.append(np.abs(speeds - true_speeds).ravel())
    every = np.concatenate(errors)
    return _mean(every[np.isfinite(every)])  # a reference of a video has gaps


def _ball_coverage(estimates: Sequence[Estimate], joints: metrics.Joints) -> float | None:
    counted = np.setdiff1d(np.arange(len(H36M17))[joints], [0])  # the pelvis is the origin
    inside = []
    for estimate in estimates:
        if estimate.scores is None:
            return None
        offsets = metrics.root_relative(estimate.poses) - metrics.root_relative(estimate.truth)
        errors = np.linalg.norm(offsets, axis=-1)
        inside.append((errors <= uncertainty.ball_radius(estimate.scores))[:, counted].ravel())
    return _mean(np.concatenate(inside))


def _bone_variation(poses: np.ndarray) -> float:
    parents, children = np.transpose([bone for bone in H36M17.bones if set(bone) <= set(LIMB_JOINTS)])
    lengths = np.linalg.norm(poses[:, children] - poses[:, parents], axis=-1)
    return float(100 * (lengths.std(0) / lengths.mean(0)).mean())


def by_class(estimates: Sequence[Estimate]) -> dict[str, Row]:
    """MPJPE, P-MPJPE, acceleration error and number of frames of each class of motion."""
    rows = {}
    for name, members in sorted(_classes(estimates).items()):
        poses, truth = _joined(members)
        rows[name] = {
            "mpjpe": metrics.mpjpe(poses, truth),
            "p_mpjpe": metrics.p_mpjpe(poses, truth),
            "accel": _mean(_accelerations(members)),
            "frames": len(poses),
        }
    return rows


def paper_protocol(estimates: Sequence[Estimate]) -> Figures:
    """The metrics of Uplift and Upsample in millimetres, `figures[frames][mean][metric]`.

    `frames` is 'key_frames' or 'all_frames'; `mean` is 'frame_mean' over all frames, or 'action_mean', the mean over
    the actions of the means within each.
    """
    at_keyframes = [
        replace(e, poses=e.poses[e.keyframes], frames=e.frames[e.keyframes], keyframes=e.keyframes[e.keyframes])
        for e in estimates
    ]
    return {"key_frames": _means(at_keyframes), "all_frames": _means(estimates)}


def _means(estimates: Sequence[Estimate]) -> dict[str, dict[str, float]]:
    actions = [_joined(members) for members in _classes(estimates).values()]
    frames = [len(poses) for poses, _ in actions]
    means: dict[str, dict[str, float]] = {"frame_mean": {}, "action_mean": {}}
    for metric, error in PAPER_METRICS.items():
        per_action = [error(poses, truth) for poses, truth in actions]
        means["frame_mean"][metric] = float(np.average(per_action, weights=frames))
        means["action_mean"][metric] = float(np.mean(per_action))
    return means


def by_velocity(estimates: Sequence[Estimate], rate: float) -> list[Row]:
    """MPJPE, number of frames, and share of frames up to the interval's end, in equal intervals of true velocity."""
    errors = np.concatenate([frame_errors(estimate) for estimate in estimates])
    velocity = np.concatenate([_velocity(estimate, rate) for estimate in estimates])
    interval = (velocity / VELOCITY_INTERVAL_MPS).astype(int)
    counts, sums = np.bincount(interval), np.bincount(interval, errors)
    shares = counts.cumsum() / len(errors)
    return [
        {
            "from": round(index * VELOCITY_INTERVAL_MPS, 6),
            "to": round((index + 1) * VELOCITY_INTERVAL_MPS, 6),
            "mpjpe": float(total / count) if count else None,
            "frames": int(count),
            "share_up_to": float(share),
        }
        for index, (total, count, share) in enumerate(zip(sums, counts, shares, strict=True))
    ]


def tension_correlation(estimates: Sequence[Estimate]) -> float:
    """Pearson's r between SynSP's branch tension and the error of the estimate, over all frames and joints.

    The pelvis, which is at the origin by definition, does not count.
    """
    tension = np.concatenate([e.tension[:, 1:].ravel() for e in estimates if e.tension is not None])
    error = np.concatenate([_joint_errors(e)[:, 1:].ravel() for e in estimates if e.tension is not None])
    return float(np.corrcoef(tension, error)[0, 1])


def frame_errors(estimate: Estimate, joints: metrics.Joints = metrics.ALL) -> np.ndarray:
    """(K,) MPJPE of each frame, mm."""
    return _joint_errors(estimate)[:, joints].mean(-1)


def _joint_errors(estimate: Estimate) -> np.ndarray:
    """(K, 17) mm."""
    difference = metrics.root_relative(estimate.poses) - metrics.root_relative(estimate.truth)
    return metrics.MILLIMETRES * np.linalg.norm(difference, axis=-1)


def _accelerations(estimates: Sequence[Estimate], joints: metrics.Joints = metrics.ALL) -> np.ndarray:
    """Acceleration errors of all frames that have neighbours on both sides."""
    errors = [np.empty(0)]
    for estimate in (estimate for estimate in estimates if len(estimate.poses) > 2):
        between = (np.diff(estimate.frames)[:-1] == 1) & (np.diff(estimate.frames)[1:] == 1)
        errors.append(metrics.accel_error(estimate.poses, estimate.truth, joints)[between])
    return np.concatenate(errors)


def _velocity(estimate: Estimate, rate: float) -> np.ndarray:
    """(K,) m/s of the truth since the previous frame; at the first frame of the clip, to the next."""
    velocity = metrics.velocity(estimate.clip.truth, rate)
    return np.concatenate([velocity[:1], velocity])[estimate.frames] if len(velocity) else np.zeros(1)


def _classes(estimates: Sequence[Estimate]) -> dict[str, list[Estimate]]:
    classes: dict[str, list[Estimate]] = {}
    for estimate in estimates:
        classes.setdefault(motion_class(estimate.clip.name), []).append(estimate)
    return classes


def _joined(estimates: Sequence[Estimate]) -> tuple[np.ndarray, np.ndarray]:
    """Poses and truth of all clips, (K, 17, 3)."""
    return np.concatenate([e.poses for e in estimates]), np.concatenate([e.truth for e in estimates])


def _mean(values: np.ndarray) -> float | None:
    return float(values.mean()) if len(values) else None


def show(row: Row) -> None:
    """Print the scalars of a row in one line, and the papers' metrics in the form of their tables."""
    single = {key: value for key, value in row.items() if isinstance(value, str | int | float)}
    print("  ".join(f"{key} {_short(value)}" for key, value in single.items()), flush=True)
    for frames, means in row.get("protocol", {}).items():
        for mean, errors in means.items():
            print(f"    {frames:10}  {mean:11}  {' / '.join(f'{error:.1f}' for error in errors.values())}", flush=True)


def _short(value: object) -> str:
    return f"{value:.{1 if abs(value) >= 10 else 2}f}" if isinstance(value, float) else str(value)
