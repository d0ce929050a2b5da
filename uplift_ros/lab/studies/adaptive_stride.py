"""Gain of an adaptive stride and of look back over fixed strides: error by key-frame rate, and onsets of motion."""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
from tqdm import tqdm

from uplift_ros import metrics
from uplift_ros.files import write_json
from uplift_ros.lab.data import protocols
from uplift_ros.lab.data.day import robot_day
from uplift_ros.lab.data.formats import load_motion
from uplift_ros.lab.data.options import add_clip_arguments, add_data_arguments
from uplift_ros.lab.evaluation import scores
from uplift_ros.models import weights
from uplift_ros.models.configs import UpliftConfig
from uplift_ros.models.uplift import UpliftUpsample
from uplift_ros.settings import output

FIXED_STRIDES = (4, 5, 6, 8, 10, 12, 15, 16, 20)
"""Candidates; those within the strides of a network make its curve of fixed strides."""

SLOW_BEFORE_ONSET_S = 0.4
"""Minimum duration of slow motion before an onset."""

IN_TIME_S = 0.4
"""Latest time of denser key-frames after an onset: the interval of key-frames at a stride of 20."""


Rule = tuple[dict[str, Any], protocols.Control]
"""Keys of a row that describe the rule, and its control of key-frames."""


def fixed_rules(config: UpliftConfig) -> list[Rule]:
    """Rules of every fixed stride between the shortest and the longest that the network was trained with."""
    shortest, longest = min(config.input_strides), max(config.input_strides)
    return [
        ({"rule": "fixed", "stride": stride}, protocols.fixed(config, stride))
        for stride in FIXED_STRIDES
        if shortest <= stride <= longest and stride % config.token_stride == 0
    ]


def adaptive_rules(config: UpliftConfig, thresholds: Sequence[float], holds: Sequence[int]) -> Iterator[Rule]:
    """Rules that adapt to motion: the longest stride with look back; for every threshold and hold the paper's two
    strides, this package's three strides, and those with look back.

    Args:
        config: of the network.
        thresholds: m/s.
        holds: frames.
    """
    longest = max(config.input_strides)
    look_back = protocols.adaptive(config).look_back
    yield {"rule": "look back", "stride": longest}, replace(protocols.fixed(config, longest), look_back=look_back)
    for hold, threshold in product(holds, thresholds):
        changes: dict[str, Any] = {"velocity_threshold": threshold, "hold_frames": hold}
        labels = {"stride": "adaptive", "threshold": threshold, "hold_frames": hold}
        ours = protocols.adaptive(config, **changes)
        paper = protocols.adaptive(config, **changes, stride_medium=longest)
        yield {"rule": "paper"} | labels, replace(paper, look_back=None)
        yield {"rule": "medium"} | labels, replace(ours, look_back=None)
        yield {"rule": "look back"} | labels, ours


def onsets(velocity: np.ndarray, rate: float) -> list[int]:
    """Frames at which motion becomes fast after it was slow, as indices into velocities (T,) in m/s."""
    fast = velocity > scores.FAST_MPS
    quiet = round(SLOW_BEFORE_ONSET_S * rate)
    return [
        index for index in np.flatnonzero(fast).tolist() if index >= quiet and not fast[index - quiet : index].any()
    ]


def spacing(keyframes: np.ndarray, onset: int, within: int) -> float:
    """Shortest interval between neighbouring key-frames that overlaps with the frames after an onset.

    Args:
        keyframes: (K,) frames.
        onset: frame.
        within: number of frames after the onset.
    """
    near = (keyframes[1:] >= onset) & (keyframes[:-1] <= onset + within)
    return min(np.diff(keyframes)[near].tolist(), default=np.inf)


def onset_scores(estimates: Sequence[protocols.Estimate], rate: float, longest: int, shortest: int) -> dict[str, Any]:
    """Share of the onsets of fast motion after which key-frames are denser within IN_TIME_S.

    Keys:
        onsets: number of onsets of the true motion.
        onset_rate: share with key-frames closer than the longest stride.
        onset_rate_fast: share with key-frames closer than twice the shortest stride, which look back does not halve.
    """
    found = np.array(
        [
            spacing(estimate.frames[estimate.keyframes], onset + 1, round(IN_TIME_S * rate))
            for estimate in estimates
            for onset in onsets(metrics.velocity(estimate.truth, rate), rate)
        ]
    )
    return {
        "onsets": len(found),
        "onset_rate": float((found < longest).mean()) if len(found) else None,
        "onset_rate_fast": float((found < 2 * shortest).mean()) if len(found) else None,
    }


def evaluate(
    model: UpliftUpsample, clips: Sequence[protocols.Clip], rules: Sequence[Rule], latency: int
) -> Iterator[dict[str, Any]]:
    """A row for each rule: its description, scores and onsets."""
    config = model.config
    shortest, longest = min(config.input_strides), max(config.input_strides)
    for labels, control in rules:
        estimates = [protocols.online(model, clip, control, latency) for clip in tqdm(clips, str(labels), leave=False)]
        row = labels | scores.score(estimates, config.model_rate)
        if labels["rule"] != "fixed":
            row |= onset_scores(estimates, config.model_rate, longest, shortest)
        yield row


def compare(rows: Sequence[dict[str, Any]]) -> None:
    """Add to every row its gain over the fixed strides among them.

    Keys:
        keyframes_of_fast: number of key-frames relative to the shortest fixed stride.
        recovered: part of the error on fast frames that the longest stride adds to that of the shortest, and the row
            saves.
        mpjpe_over_fixed, mpjpe_fast_over_fixed: mm, difference from a fixed stride of the same key-frame rate, which is
            interpolated linearly.

    Values of fast frames are None if a row has none; `recovered` is also None if the longest stride adds no error.
    """
    fixed = sorted((row for row in rows if row["rule"] == "fixed"), key=lambda row: row["keyframe_hz"])
    long, short = fixed[0], fixed[-1]
    rates = [row["keyframe_hz"] for row in fixed]
    known = {key for key in ("mpjpe", "mpjpe_fast") if all(row[key] is not None for row in rows)}
    for row in rows:
        row["keyframes_of_fast"] = row["keyframe_hz"] / short["keyframe_hz"]
        row["recovered"] = None
        if "mpjpe_fast" in known and long["mpjpe_fast"] != short["mpjpe_fast"]:
            row["recovered"] = (long["mpjpe_fast"] - row["mpjpe_fast"]) / (long["mpjpe_fast"] - short["mpjpe_fast"])
        for key in ("mpjpe", "mpjpe_fast"):
            row[f"{key}_over_fixed"] = None
            if key in known:
                beside = np.interp(row["keyframe_hz"], rates, [other[key] for other in fixed])
                row[f"{key}_over_fixed"] = row[key] - float(beside)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_data_arguments(parser)
    add_clip_arguments(parser, cameras=1)
    parser.add_argument("--latency", type=int, default=protocols.LATENCY_FRAMES, help="frames")
    parser.add_argument("--day", type=float, metavar="MINUTES", help="a robot's day made of the sequences, this long")
    parser.add_argument("--threshold", nargs="*", type=float, default=[0.3, 0.5, 0.7, 0.9], help="m/s")
    parser.add_argument("--hold", nargs="*", type=int, default=[0, 10, 20], help="frames")
    parser.add_argument("--json", type=output, help="file for the rows")


def main(args: argparse.Namespace) -> int:
    model = weights.load(args.model, UpliftUpsample)
    rate = model.config.model_rate
    motion = load_motion(args.data, rate, args.body_model, args.subjects)
    if args.day is not None:
        motion = robot_day(motion, args.day, rate, args.seed)
    clips = list(protocols.project_sequences(motion, rate, args.cameras, args.noise, args.seed))
    adaptive = adaptive_rules(model.config, args.threshold, args.hold)
    rules = [*fixed_rules(model.config), *adaptive]
    rows = list(evaluate(model, clips, tqdm(rules), args.latency))
    compare(rows)
    for row in rows:
        row |= {"model": args.model, "mode": "online", "latency_frames": args.latency, "noise": args.noise}
        scores.show({key: row.get(key) for key in SHOWN})
    if args.json:
        write_json(args.json, rows)
    return 0


SHOWN = (
    *("rule", "stride", "threshold", "hold_frames", "keyframe_hz", "mpjpe", "mpjpe_over_fixed", "mpjpe_fast"),
    *("mpjpe_fast_over_fixed", "recovered", "onset_rate", "onset_rate_fast"),
)
"""Keys of a printed line."""
