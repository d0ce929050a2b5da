"""Common style of all figures: colours for colour-blind readers, thin lines, no decoration."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK = "#222222"
FAINT = "#8a8f98"
TRUTH = "#9aa0a8"
AREA = "#e3e6eb"

BLUE, ORANGE, GREEN, VERMILLION, PURPLE = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7"
"""The palette by Okabe and Ito, which suits all kinds of colour vision."""

SERIES = ((BLUE, "o"), (ORANGE, "s"), (VERMILLION, "^"), (GREEN, "D"), (PURPLE, "v"), (INK, "x"))
"""Colour and marker of the first, second, ... curve; the marker distinguishes them in black and white."""

WIDTH_INCHES = 6.9
"""Two columns of a paper."""

STYLE: Any = {
    "figure.dpi": 144,
    "savefig.dpi": 144,
    "font.family": "DejaVu Sans",
    "font.size": 8.5,
    "axes.titlesize": 9,
    "axes.labelsize": 8.5,
    "axes.edgecolor": INK,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": "#e4e6ea",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "lines.linewidth": 1.5,
    "lines.markersize": 4,
    "text.color": INK,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "svg.hashsalt": "uplift",  # equal ids in every SVG file
}


def new_figure(height: float) -> Figure:
    """An empty figure of WIDTH_INCHES x `height` inches."""
    return Figure(figsize=(WIDTH_INCHES, height), layout="constrained")


def caption(figure: Figure, text: str) -> None:
    """Write data, network, stride and noise of a figure in small letters below it."""
    figure.supxlabel(text, x=0.5, fontsize=7, color=FAINT)


def legend_above(axes: Axes) -> None:
    """Draw the legend in one row above the panel, where it hides no curve."""
    columns = len(axes.get_legend_handles_labels()[1])
    axes.legend(
        loc="lower right", bbox_to_anchor=(1, 0.98), ncol=columns, borderpad=0, borderaxespad=0.2, handlelength=1.6
    )


def series(strides: list[int]) -> dict[int, tuple[str, str]]:
    """Colour and marker of each stride."""
    return {stride: SERIES[index % len(SERIES)] for index, stride in enumerate(sorted(strides))}
