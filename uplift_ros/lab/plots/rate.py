"""Error against the rate of key-frames: adaptive strides and look back, beside fixed strides."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from uplift_ros.lab.plots.style import FAINT, SERIES, new_figure

RULE_LABELS = {
    ("paper", "adaptive"): "paper's two strides",
    ("medium", "adaptive"): "three strides",
    ("look back", "adaptive"): "three strides, look back (default)",
    ("look back", "longest"): "longest stride, look back",
}
"""Legend by rule and stride of a row."""

PANELS = {"mpjpe": "all frames", "mpjpe_fast": "fast frames"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rows", type=Path, required=True, help="written by `uplift study adaptive --json`")


def picture(args: argparse.Namespace) -> tuple[Figure, str]:
    rows = json.loads(args.rows.read_text())
    try:
        figure, first = draw(rows), rows[0]
    except (KeyError, TypeError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise ValueError(f"rows must be of `uplift study adaptive --json`, got {args.rows} ({reason})") from error
    noise = "no noise" if first["noise"] == "none" else f"{first['noise']} noise"
    return figure, f"{first['model']}, online, latency {first['latency_frames']} frames, {noise}"


def draw(rows: Sequence[dict[str, Any]]) -> Figure:
    """Draw the error of all and of fast frames over the key-frames per second; the fixed strides are a line.

    Args:
        rows: of `uplift study adaptive`.

    Raises:
        ValueError: there is no row of a fixed stride.
    """
    if not any(row["rule"] == "fixed" for row in rows):
        found = ", ".join(sorted({str(row["rule"]) for row in rows})) or "none"
        raise ValueError(f"rows must have the rule fixed, as of `uplift study adaptive --json`, got {found}")
    figure = new_figure(height=3.0)
    places = figure.subplot_mosaic([["legend"] * len(PANELS), [*PANELS]], gridspec_kw={"height_ratios": [1, 7]})
    for key, title in PANELS.items():
        axes = places[key]
        known = [row for row in rows if row[key] is not None]  # fast frames may be missing
        fixed = sorted((row["keyframe_hz"], row[key], row["stride"]) for row in known if row["rule"] == "fixed")
        axes.plot([hz for hz, _, _ in fixed], [error for _, error, _ in fixed], ".-", color=FAINT, label="fixed stride")
        for hz, error, stride in fixed:
            axes.annotate(stride, (hz, error), (2, 4), textcoords="offset points", fontsize=7)
        for (kind, label), (colour, marker) in zip(RULE_LABELS.items(), SERIES, strict=False):
            points = [(row["keyframe_hz"], row[key]) for row in known if _kind(row) == kind]
            axes.plot([hz for hz, _ in points], [error for _, error in points], marker, color=colour, label=label)
        axes.set(xlabel="key-frames per second", ylabel="MPJPE (mm)", title=title)
    places["legend"].axis("off")
    places["legend"].legend(*axes.get_legend_handles_labels(), loc="center", ncol=3)
    return figure


def _kind(row: dict[str, Any]) -> tuple[str, str]:
    return row["rule"], "adaptive" if row["stride"] == "adaptive" else "longest"
