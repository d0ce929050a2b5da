"""The metrics that Uplift and Upsample reports: key-frames and all frames, means over frames and over actions."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from uplift_ros import metrics
from uplift_ros.lab.data.mocap import motion_class
from uplift_ros.lab.data.protocols import Estimate

METRICS = {"mpjpe": metrics.mpjpe, "n_mpjpe": metrics.n_mpjpe, "p_mpjpe": metrics.p_mpjpe}

Figures = dict[str, dict[str, dict[str, float]]]


def protocol(estimates: Sequence[Estimate]) -> Figures:
    """Millimetres, `figures[frames][mean][metric]`.

    `frames` is 'key_frames' or 'all_frames'; `mean` is 'frame_mean' over all frames, or 'action_mean', the mean over
    the actions of the means within each.
    """
    return {
        "key_frames": _means([(e.clip.name, e.poses[e.keyframes], e.truth[e.keyframes]) for e in estimates]),
        "all_frames": _means([(e.clip.name, e.poses, e.truth) for e in estimates]),
    }


def _means(sequences: Sequence[tuple[str, np.ndarray, np.ndarray]]) -> dict[str, dict[str, float]]:
    actions: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    for name, poses, truth in sequences:
        actions.setdefault(motion_class(name), []).append((poses, truth))
    means: dict[str, Any] = {"frame_mean": {}, "action_mean": {}}
    for metric, error in METRICS.items():
        joined = [[np.concatenate(part) for part in zip(*pairs, strict=True)] for pairs in actions.values()]
        per_action = [error(poses, truth) for poses, truth in joined]
        frames = [len(poses) for poses, _ in joined]
        means["frame_mean"][metric] = float(np.average(per_action, weights=frames))
        means["action_mean"][metric] = float(np.mean(per_action))
    return means


def lines(figures: Figures) -> list[str]:
    """Format the metrics as the papers' tables do, MPJPE / N-MPJPE / P-MPJPE."""
    return [
        f"    {frames:10}  {mean:11}  " + " / ".join(f"{figures[frames][mean][metric]:.1f}" for metric in METRICS)
        for frames in figures
        for mean in figures[frames]
    ]
