"""A training log: loss, learning rate and validation errors, over the steps."""

import argparse
import csv
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from uplift_ros.lab.plots.style import BLUE, ORANGE, legend_above, new_figure
from uplift_ros.parameters import brief

QUANTITY_LABELS = {
    "loss_mm": "loss (mm)",
    "loss": "loss",
    "rate": "learning rate",
    "mpjpe": "MPJPE (mm)",
    "accel": "acceleration error\n(mm/frame²)",
}
"""Panels, in this order. Columns of one quantity share a panel: noise_mpjpe_in and noise_mpjpe_out are the errors of
the validation set 'noise' before and after a refiner."""

SETS = (BLUE, ORANGE)
"""Colours of the validation sets."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--log", type=Path, required=True, help="the CSV that `uplift train` wrote")


def picture(args: argparse.Namespace) -> tuple[Figure, str]:
    columns = read_log(args.log)
    return draw(columns), f"{args.log.name}, {columns['step'][-1]:,.0f} steps"


def read_log(path: Path) -> dict[str, np.ndarray]:
    """Columns of a training log by name.

    Raises:
        ValueError: the file is not a training log, or has no row yet.
    """
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    if not rows or "step" not in rows[0]:
        raise ValueError(f"log: {path} must have rows with a column 'step', got {brief([*rows[0]] if rows else [])}")
    try:
        return {name: np.array([float(row[name]) for row in rows]) for name in rows[0]}
    except (TypeError, ValueError) as error:
        raise ValueError(f"log: {path} is no training log: {error}") from error


def draw(columns: dict[str, np.ndarray]) -> Figure:
    """A panel for each quantity that was logged.

    Raises:
        ValueError: the log has no known quantity.
    """
    curves = {
        quantity: {name: column for name, column in columns.items() if name == quantity or f"_{quantity}_" in name}
        for quantity in QUANTITY_LABELS
    }
    found = [quantity for quantity in QUANTITY_LABELS if curves[quantity]]
    if not found:
        raise ValueError(f"log must have a column of {', '.join(QUANTITY_LABELS)}, got {', '.join(columns)}")
    figure = new_figure(height=0.6 + 1.3 * len(found))
    panels = figure.subplots(len(found), 1, sharex=True, squeeze=False)[:, 0]
    for axes, quantity in zip(panels, found, strict=True):
        _draw_curves(axes, quantity, columns["step"], curves[quantity])
        axes.set_ylabel(QUANTITY_LABELS[quantity])
        axes.ticklabel_format(axis="y", scilimits=(-3, 4))
    panels[-1].set(xlabel="step", xlim=(0, columns["step"][-1]))
    figure.align_ylabels(panels)
    return figure


def _draw_curves(axes: Axes, quantity: str, steps: np.ndarray, curves: dict[str, np.ndarray]) -> None:
    if quantity in curves:
        axes.plot(steps, curves[quantity], color=BLUE)
        return
    sets = list(dict.fromkeys(name.split(f"_{quantity}_")[0] for name in curves))
    for name, colour in zip(sets, SETS, strict=False):
        before, after = curves[f"{name}_{quantity}_in"], curves[f"{name}_{quantity}_out"]
        axes.plot(steps, before, color=colour, linestyle=(0, (4, 3)), linewidth=1, label=f"{name}: before")
        axes.plot(steps, after, color=colour, label=f"{name}: after")
    legend_above(axes)
