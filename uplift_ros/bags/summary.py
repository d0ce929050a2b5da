"""Summary of a recorded run, for out/summary.json and as a table."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from uplift_ros import metrics
from uplift_ros.bags.ground_truth import matched_tracks
from uplift_ros.bags.recording import Recording, load
from uplift_ros.bags.stage_times import PERCENTILES, percentiles
from uplift_ros.poses import NANOSECONDS, SkeletonFrame
from uplift_ros.streaming.stride import Reason


def summarise(bag: str | Path, source: str = "") -> dict[str, Any]:
    """Compute the summary of the run recorded in `bag`.

    Args:
        source: image source of the run, copied to the summary.

    Returns:
        The keys of summary.json. Errors are None without ground truth, times are None if nothing was recorded.

    Raises:
        BagError: the bag cannot be read, or holds no topic of the graph.
    """
    recording = load(bag)
    stamps = recording.image_stamps or [frame.stamp for frame in recording.skeletons] or [0]
    seconds = (max(stamps) - min(stamps)) / NANOSECONDS
    detected = [bool(keyframe.persons) for keyframe in recording.keyframes]
    raw = _errors(recording.raw_skeletons, recording.ground_truth)
    refined = _errors(recording.skeletons, recording.ground_truth)
    ages = np.array(recording.ages) * 1e3
    return {
        "source": source,
        "seconds": round(seconds, 3),
        "images": len(recording.image_stamps),
        "keyframes": len(recording.keyframes),
        "keyframe_hz": round(len(recording.keyframes) / seconds, 3) if seconds else None,
        "detected_ratio": round(float(np.mean(detected)), 4) if detected else None,
        "raw": len(recording.raw_skeletons),
        "refined": len(recording.skeletons),
        **{name: {"raw": raw[name], "refined": refined[name]} for name in ("mpjpe_mm", "p_mpjpe_mm", "accel_mm")},
        "stride_switches": _stride_switches(recording, min(stamps)),
        "age_ms": percentiles(ages) if ages.size else dict.fromkeys(PERCENTILES),
        **{name: _median(recording, name) for name in ("estimate_ms", "uplift_ms", "refine_ms")},
        "dropped": int(recording.rates[-1][1].dropped) if recording.rates else None,
    }


def print_table(summary: dict[str, Any], console: Console | None = None) -> None:
    """Print the main values as a table."""
    table = Table(title=f"{summary['source'] or 'run'}, {summary['seconds']:.1f} s", title_justify="left")
    table.add_column()
    for heading in ("raw", "refined"):
        table.add_column(heading, justify="right")
    table.add_row("skeletons", str(summary["raw"]), str(summary["refined"]))
    for key, label in (("mpjpe_mm", "MPJPE"), ("p_mpjpe_mm", "P-MPJPE")):
        table.add_row(f"{label}, mm", *(_text(summary[key][stage], 1) for stage in ("raw", "refined")))
    table.add_row("acceleration, mm/frame²", *(_text(summary["accel_mm"][stage], 2) for stage in ("raw", "refined")))
    console = console or Console()
    console.print(table)
    ages, switches = summary["age_ms"], summary["stride_switches"]
    times = ", ".join(f"{name} {_text(summary[f'{name}_ms'], 1)} ms" for name in ("estimate", "uplift", "refine"))
    changes = ", ".join(f"{switch['t']:.1f} s → {switch['stride']} ({switch['reason']})" for switch in switches)
    console.print(
        f"{summary['images']} images, {summary['keyframes']} key-frames ({_text(summary['keyframe_hz'], 1)} Hz), "
        f"a person in {_text(summary['detected_ratio'], 2)} of them, {summary['dropped'] or 0} dropped\n"
        f"{times}; age p50 {_text(ages['p50'], 0)} ms, p99 {_text(ages['p99'], 0)} ms\n"
        f"stride switches: {changes or 'none'}",
        highlight=False,
    )


def _text(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _errors(frames: Sequence[SkeletonFrame], truth: Sequence[SkeletonFrame]) -> dict[str, float | None]:
    """Compute errors over all people that have ground truth."""
    tracks = matched_tracks(frames, truth)
    if not tracks:
        return dict.fromkeys(("mpjpe_mm", "p_mpjpe_mm", "accel_mm"))
    predicted = np.concatenate([track.predicted for track in tracks])
    true = np.concatenate([track.true for track in tracks])
    accelerations = np.concatenate([track.acceleration_errors() for track in tracks])
    return {
        "mpjpe_mm": round(metrics.mpjpe(predicted, true), 2),
        "p_mpjpe_mm": round(metrics.p_mpjpe(predicted, true), 2),
        "accel_mm": round(float(accelerations.mean()), 3) if accelerations.size else None,
    }


def _stride_switches(recording: Recording, first: int) -> list[dict[str, Any]]:
    return [
        {
            "t": round((stamp - first) / NANOSECONDS, 3),
            "stride": int(state.stride),
            "velocity": round(float(state.velocity), 3),
            "reason": Reason(state.reason).name.lower(),
        }
        for (_, before), (stamp, state) in pairwise(recording.rates)
        if state.stride != before.stride
    ]


def _median(recording: Recording, name: str) -> float | None:
    values = [getattr(state, name) for _, state in recording.rates]
    return round(float(np.median(values)), 3) if values else None
