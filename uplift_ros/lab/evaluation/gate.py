"""Baselines of every row of an accuracy table: splines through its key-frame poses, fixed strides of its rate."""

from collections.abc import Sequence

import numpy as np

from uplift_ros.lab.evaluation.scores import Row

TOLERANCE_MM = 0.05
"""Half of the resolution of a table."""

SPLINES = ("linear", "cubic")

DESCRIPTION = (
    "model",
    "stride",
    "mode",
    "latency_frames",
    "noise",
    "flip",
    "refine",
    "refiner_model",
    "branch",
    "delay",
)
"""Keys that describe how a row was measured, apart from the frames between key-frames."""


def failures(rows: Sequence[Row]) -> list[str]:
    """One line for each row whose MPJPE is worse than a baseline's.

    Args:
        rows: of one command: those of splines have `upsample` of SPLINES; those of the stride `adaptive` are compared
            with a fixed stride of their key-frame rate, interpolated between the fixed strides among the rows.
    """
    lines: list[str] = []
    for row in (row for row in rows if row.get("upsample") == "model"):
        baselines = {
            other["upsample"]: other["mpjpe"]
            for other in rows
            if other.get("upsample") in SPLINES and _described(other) == _described(row)
        }
        if row["stride"] == "adaptive":
            same = _described(row) | {"stride": None}
            fixed = [other for other in rows if other.get("upsample") == "model" and other["stride"] != "adaptive"]
            fixed = [other for other in fixed if _described(other) | {"stride": None} == same]
            if fixed:
                rates, errors = zip(*sorted((other["keyframe_hz"], other["mpjpe"]) for other in fixed), strict=True)
                baselines["fixed stride"] = float(np.interp(row["keyframe_hz"], rates, errors))
        described = ", ".join(f"{key} {value}" for key, value in _described(row).items() if value is not None)
        lines += [
            f"{described}: mpjpe {row['mpjpe']:.2f} is behind {name} {error:.2f}"
            for name, error in baselines.items()
            if row["mpjpe"] > error + TOLERANCE_MM
        ]
    return lines


def _described(row: Row) -> Row:
    return {key: row.get(key) for key in DESCRIPTION}
