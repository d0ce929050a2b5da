"""Error against joint velocity, with the distribution of velocities behind it (supplement, figure 3)."""

import argparse

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from tqdm import tqdm

from uplift_ros.lab.data import protocols
from uplift_ros.lab.evaluation.scores import VELOCITY_INTERVAL_MPS, Row, by_velocity
from uplift_ros.lab.plots.plot_data import add_study_arguments, load_study
from uplift_ros.lab.plots.style import AREA, FAINT, new_figure, series

MIN_FRAMES = 50
"""Minimum number of frames in an interval, for a meaningful mean."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_study_arguments(parser)
    parser.add_argument("--stride", type=int, nargs="+", help="the network's own otherwise")


def picture(args: argparse.Namespace) -> tuple[Figure, str]:
    study = load_study(args)
    rows = {}
    for stride in args.stride or study.strides:
        with tqdm(study.clips, f"stride {stride}", leave=False) as clips:
            estimates = [protocols.offline(study.model, clip, stride) for clip in clips]
        rows[stride] = with_enough_frames(by_velocity(estimates, study.rate))
    text = f"Offline protocol, intervals of {VELOCITY_INTERVAL_MPS} m/s with at least {MIN_FRAMES} frames."
    return draw(rows), f"{text}\n{study.subject}"


def with_enough_frames(rows: list[Row]) -> list[Row]:
    """The intervals with at least MIN_FRAMES frames.

    Raises:
        ValueError: no interval has that many.
    """
    enough = [row for row in rows if row["frames"] >= MIN_FRAMES]
    if not enough:
        most = max((row["frames"] for row in rows), default=0)
        raise ValueError(f"sequence must give {MIN_FRAMES} frames in an interval of velocity, got at most {most}")
    return enough


def draw(rows: dict[int, list[Row]]) -> Figure:
    """Draw a curve for each stride: errors in intervals of velocity, as `by_velocity` returns them."""
    figure = new_figure(height=3.2)
    axes = figure.subplots()
    for stride, (colour, marker) in series(list(rows)).items():
        middles = [(row["from"] + row["to"]) / 2 for row in rows[stride]]
        axes.plot(
            middles, [row["mpjpe"] for row in rows[stride]], color=colour, marker=marker, label=f"stride {stride}"
        )
    intervals = next(iter(rows.values()))  # the truth's, hence those of every stride
    axes.set(xlabel="joint velocity relative to the pelvis (m/s)", ylabel="MPJPE (mm)")
    axes.set(xlim=(0, intervals[-1]["to"]), ylim=(0, 1.05 * axes.get_ylim()[1]))
    axes.legend(loc="upper left")
    _draw_distribution(axes, intervals)
    return figure


def _draw_distribution(axes: Axes, intervals: list[Row]) -> None:
    """Share of frames up to a velocity, as an area behind the curves."""
    behind = axes.twinx()
    ends = [0.0, *(row["to"] for row in intervals)]
    shares = [0.0, *(100 * row["share_up_to"] for row in intervals)]
    behind.fill_between(ends, shares, color=AREA, linewidth=0)
    behind.set(ylim=(0, 100), ylabel="frames up to this velocity (%)")
    behind.yaxis.label.set_color(FAINT)
    behind.tick_params(colors=FAINT)
    behind.grid(False)
    behind.set_zorder(axes.get_zorder() - 1)
    axes.patch.set_visible(False)
