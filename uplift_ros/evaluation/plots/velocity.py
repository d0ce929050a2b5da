"""Error against joint velocity, with the distribution of velocities behind it (supplement, figure 3)."""

import argparse

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from tqdm import tqdm

from uplift_ros.evaluation import metrics, protocols
from uplift_ros.evaluation.plots.study import add_study_arguments, frame_errors, load_study
from uplift_ros.evaluation.plots.style import AREA, FAINT, caption, new_figure, series

INTERVAL = 0.1
"""m/s."""

FEWEST = 50
"""Frames that an interval must have: fewer are hardly a mean."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_study_arguments(parser)
    parser.add_argument("--stride", type=int, nargs="+", help="the network's own otherwise")


def picture(args: argparse.Namespace) -> Figure:
    study = load_study(args)
    curves = {}
    for stride in args.stride or study.strides:
        with tqdm(study.clips, f"stride {stride}", leave=False) as clips:
            estimates = [protocols.offline(study.model, clip, stride) for clip in clips]
        velocities = np.concatenate([metrics.velocity(estimate.truth, study.rate) for estimate in estimates])
        curves[stride] = np.concatenate([frame_errors(estimate)[1:] for estimate in estimates])
    figure = draw(curves, velocities)
    caption(figure, f"Offline protocol, intervals of {INTERVAL} m/s with at least {FEWEST} frames.\n{study.subject}")
    return figure


def error_by_velocity(errors: np.ndarray, velocities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Middles (I,) in m/s of the intervals with enough frames, and mean errors (I,) of the frames in them.

    Raises:
        ValueError: no interval has enough frames.
    """
    interval = (velocities / INTERVAL).astype(int)
    counts = np.bincount(interval)
    enough = counts >= FEWEST
    if not enough.any():
        raise ValueError(f"sequence: no velocity interval has {FEWEST} of the {len(velocities)} frames; show more")
    sums = np.bincount(interval, errors)
    return (np.flatnonzero(enough) + 0.5) * INTERVAL, sums[enough] / counts[enough]


def draw(errors: dict[int, np.ndarray], velocities: np.ndarray) -> Figure:
    """A curve for each stride of errors (N,) in mm, at velocities (N,) in m/s."""
    figure = new_figure(height=3.2)
    axes = figure.subplots()
    for stride, (colour, marker) in series(list(errors)).items():
        middles, means = error_by_velocity(errors[stride], velocities)
        axes.plot(middles, means, color=colour, marker=marker, label=f"stride {stride}")
    end = middles[-1] + INTERVAL / 2
    axes.set(xlim=(0, end), xlabel="joint velocity relative to the pelvis (m/s)", ylabel="MPJPE (mm)")
    axes.set_ylim(0, 1.05 * axes.get_ylim()[1])
    axes.legend(loc="upper left")
    _draw_distribution(axes, np.sort(velocities), end)
    return figure


def _draw_distribution(axes: Axes, velocities: np.ndarray, end: float) -> None:
    """Share of frames up to a velocity, as an area behind the curves."""
    behind = axes.twinx()
    steps = np.linspace(0, end, 200)
    share = 100 * np.searchsorted(velocities, steps, side="right") / len(velocities)
    behind.fill_between(steps, share, color=AREA, linewidth=0)
    behind.set(ylim=(0, 100), ylabel="frames up to this velocity (%)")
    behind.yaxis.label.set_color(FAINT)
    behind.tick_params(colors=FAINT)
    behind.grid(False)
    behind.set_zorder(axes.get_zorder() - 1)
    axes.patch.set_visible(False)
