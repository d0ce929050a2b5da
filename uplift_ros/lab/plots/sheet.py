"""3D skeletons from one key-frame to the next against the true ones, from two sides (figures 2 and 5)."""

import argparse

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from uplift_ros import metrics
from uplift_ros.lab.data import protocols
from uplift_ros.lab.evaluation.scores import frame_errors
from uplift_ros.lab.plots.plot_data import add_study_arguments, load_study
from uplift_ros.lab.plots.style import AREA, BLUE, FAINT, INK, ORANGE, TRUTH, new_figure
from uplift_ros.skeleton import H36M17

POSES_SHOWN = 5
"""The first and the last are on a key-frame."""

VIEWS = {"from the camera": (0, 1), "from the camera's right": (2, 1)}
"""Axes of the optical frame (x right, y down, z forward) that point right and down in each row."""

SKELETON_COLOURS = {"left": ORANGE, "right": BLUE, "centre": INK}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_study_arguments(parser, one_sequence=True)
    parser.add_argument("--stride", type=int, default=20, help="frames between key-frames")
    parser.add_argument("--at", type=float, metavar="SECONDS", help="a time to show; default: fastest motion")


def picture(args: argparse.Namespace) -> tuple[Figure, str]:
    study = load_study(args)
    estimate = protocols.offline(study.model, study.clips[0], args.stride)
    first = interval_at(estimate.truth, args.stride, study.rate, args.at)
    frames = np.linspace(first, first + args.stride, POSES_SHOWN).round().astype(int)
    return draw(estimate, frames, study.rate), (
        f"Offline protocol, stride {args.stride}. Estimate in colour (the person's left orange, right blue), "
        f"truth in grey.\n{study.subject}"
    )


def interval_at(truth: np.ndarray, stride: int, rate: float, seconds: float | None) -> int:
    """Key-frame before a time, or the one after which joints move fastest.

    Args:
        truth: (T, 17, 3) metres.
        stride: of key-frames.
        rate: frames per second.
        seconds: the time; None selects the fastest motion.

    Raises:
        ValueError: the time is not between two key-frames.
    """
    intervals = (len(truth) - 1) // stride
    if seconds is not None:
        interval = int(seconds * rate // stride)
        if not 0 <= interval < intervals:
            raise ValueError(f"at must be 0 to {intervals * stride / rate:g} s in this sequence, got {seconds:g}")
        return interval * stride
    if not intervals:
        raise ValueError(f"sequence must have more than {stride} frames at this stride, got {len(truth)}")
    velocities = metrics.velocity(truth, rate)[: intervals * stride].reshape(intervals, stride)
    return int(velocities.mean(1).argmax()) * stride


def draw(estimate: protocols.Estimate, frames: np.ndarray, rate: float) -> Figure:
    """Draw a column for each frame, a row for each view.

    Args:
        estimate: with the truth.
        frames: to show; the first is a key-frame.
        rate: frames per second.
    """
    poses = metrics.root_relative(estimate.poses)[frames]
    truth = metrics.root_relative(estimate.truth)[frames]
    errors = frame_errors(estimate)[frames]
    figure = new_figure(height=4.6)
    panels = figure.subplots(len(VIEWS), len(frames), sharex="row", sharey=True)
    for row, (name, view) in zip(panels, VIEWS.items(), strict=True):
        for axes, pose, true in zip(row, poses, truth, strict=True):
            _draw_skeleton(axes, true[:, view])
            _draw_skeleton(axes, pose[:, view], SKELETON_COLOURS)
            axes.set_aspect("equal")
            axes.grid(False)
            axes.set(xticks=[], yticks=[])
            for spine in axes.spines.values():
                spine.set_visible(False)
        row[0].set_ylabel(name, color=FAINT)
    for axes, frame, error in zip(panels[0], frames, errors, strict=True):
        kind = "key-frame" if estimate.keyframes[frame] else f"+{frame - frames[0]} frames"
        axes.set_title(f"{kind}\n{frame / rate:.2f} s, {error:.0f} mm")
    panels[0, 0].invert_yaxis()
    for column in panels.T[estimate.keyframes[frames]]:
        for axes in column:
            axes.set_facecolor(AREA)
    return figure


def _draw_skeleton(axes: Axes, joints: np.ndarray, colours: dict[str, str] | None = None) -> None:
    """Draw joints (17, 2) in metres, in the colours of their sides, or grey."""
    for parent, child in H36M17.bones:
        colour = colours[H36M17.side(child)] if colours else TRUTH
        axes.plot(*joints[[parent, child]].T, color=colour, linewidth=1.8 if colours else 3.0, solid_capstyle="round")
