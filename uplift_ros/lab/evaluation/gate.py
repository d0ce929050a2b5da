"""Comparison of accuracy rows with baselines: splines through their key-frame poses, fixed strides of their rate."""

from collections.abc import Sequence

import numpy as np

from uplift_ros.lab.evaluation.scores import Row

TOLERANCE_MM = 0.05
"""Half of the resolution of a table."""

SPLINES = ("linear", "cubic")

CONDITION_KEYS = (
    "model", "stride", "mode", "latency_frames", "noise", "flip", "refine", "refiner_model", "branch", "delay",
)  # fmt: skip
"""Keys that describe how a row was measured, except for the method between key-frames."""


def failures(rows: Sequence[Row]) -> list[str]:
    """One line for each row and baseline that has a lower MPJPE.

    Args:
        rows: of one command. Rows of splines have an `upsample` of SPLINES. Rows of the stride `adaptive` are also
            compared with a fixed stride of their key-frame rate, interpolated between the fixed strides among the rows.
    """
    lines: list[str] = []
    for row in (row for row in rows if row.get("upsample") == "model"):
        baselines = {
            other["upsample"]: other["mpjpe"]
            for other in rows
            if other.get("upsample") in SPLINES and _conditions(other) == _conditions(row)
        }
        if row["stride"] == "adaptive":
            same = _conditions(row) | {"stride": None}
            fixed = [other for other in rows if other.get("upsample") == "model" and other["stride"] != "adaptive"]
            fixed = [other for other in fixed if _conditions(other) | {"stride": None} == same]
            if fixed:
                rates, errors = zip(*sorted((other["keyframe_hz"], other["mpjpe"]) for other in fixed), strict=True)
                baselines["fixed stride"] = float(np.interp(row["keyframe_hz"], rates, errors))
        described = ", ".join(f"{key} {value}" for key, value in _conditions(row).items() if value is not None)
        lines += [
            f"{described}: mpjpe {row['mpjpe']:.2f} is behind {name} {error:.2f}"
            for name, error in baselines.items()
            if row["mpjpe"] > error + TOLERANCE_MM
        ]
    return lines


def _conditions(row: Row) -> Row:
    return {key: row.get(key) for key in CONDITION_KEYS}
