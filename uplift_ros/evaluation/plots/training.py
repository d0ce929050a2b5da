"""A training log: loss, learning rate and what was validated, over the steps."""

import argparse
import csv
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from uplift_ros.evaluation.plots.style import BLUE, FAINT, caption, new_figure

LABELS = {
    "loss_mm": "loss (mm)",
    "loss": "loss",
    "rate": "learning rate",
    "mpjpe": "MPJPE (mm)",
    "accel": "acceleration error\n(mm/frame²)",
}
"""Panels, in this order. Columns like mpjpe_in and mpjpe_out, before and after a refiner, share one."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--log", type=Path, required=True, help="the CSV that `uplift train` wrote")


def picture(args: argparse.Namespace) -> Figure:
    columns = read_log(args.log)
    figure = draw(columns)
    caption(figure, f"{args.log.name}, {columns['step'][-1]:,.0f} steps")
    return figure


def read_log(path: Path) -> dict[str, np.ndarray]:
    """Columns of a training log by name.

    Raises:
        ValueError: the file is no training log, or has no row yet.
    """
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    if not rows or "step" not in rows[0]:
        raise ValueError(f"log: {path} is no training log: no rows with a column 'step'")
    try:
        return {name: np.array([float(row[name]) for row in rows]) for name in rows[0]}
    except (TypeError, ValueError) as error:
        raise ValueError(f"log: {path} is no training log: {error}") from error


def draw(columns: dict[str, np.ndarray]) -> Figure:
    """A panel for each quantity."""
    steps = columns["step"]
    found = [name for name in LABELS if name in columns or f"{name}_out" in columns]
    figure = new_figure(height=0.6 + 1.3 * len(found))
    panels = figure.subplots(len(found), 1, sharex=True, squeeze=False)[:, 0]
    for axes, name in zip(panels, found, strict=True):
        axes.set_ylabel(LABELS[name])
        if name in columns:
            axes.plot(steps, columns[name], color=BLUE)
        else:
            axes.plot(steps, columns[f"{name}_in"], color=FAINT, linestyle=(0, (4, 3)), label="before")
            axes.plot(steps, columns[f"{name}_out"], color=BLUE, label="after")
            axes.legend(loc="upper right", ncols=2)
        axes.ticklabel_format(axis="y", scilimits=(-2, 4))
    panels[-1].set(xlabel="step", xlim=(0, steps[-1]))
    figure.align_ylabels(panels)
    return figure
