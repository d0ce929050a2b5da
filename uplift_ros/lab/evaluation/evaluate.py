"""`uplift evaluate`: accuracy on motion capture (--data) or on real video (--video), compared with baselines."""

import argparse
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from uplift_ros.files import write_json
from uplift_ros.lab.data import protocols, refiners
from uplift_ros.lab.data.formats.smoothnet_data import FIT_RELEASE, is_release
from uplift_ros.lab.data.mocap import FRAME_RATE_HZ
from uplift_ros.lab.data.options import (
    add_clip_arguments,
    add_data_arguments,
    add_paper_arguments,
    load_clips,
    load_takes,
)
from uplift_ros.lab.data.refiners import Refiner
from uplift_ros.lab.evaluation import gate, real_video, refinement_protocol, scores
from uplift_ros.lab.evaluation.reference import load_reference
from uplift_ros.lab.smoothnet import SmoothNet
from uplift_ros.models import weights
from uplift_ros.models.synsp import SynSP
from uplift_ros.models.uplift import UpliftUpsample
from uplift_ros.settings import defaults_of, output
from uplift_ros.streaming import uncertainty
from uplift_ros.streaming.refiner import MAX_DELAY, METHODS

ADAPTIVE = "adaptive"
RECORDED = "recorded"
"""Value of the key noise if a detector found the 2D poses in real images."""

UPSAMPLING = {"model": None, "linear": 1, "cubic": 3}
"""Methods for the frames between key-frames, with the degree of the spline; None for the network."""

Estimates = list[protocols.Estimate]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_data_arguments(parser, required=False)
    parser.add_argument("--video", type=Path, help="a video of a person whose joints are known: --reference, --camera")
    parser.add_argument("--reference", type=Path, help="npz with the joints in 3D; its format is in docs/TRAINING.md")
    parser.add_argument("--camera", type=Path, help="ROS calibration file of the video; camera_name selects the view")
    parser.add_argument(
        "--person", default=real_video.NEAREST_PERSON, help="nearest to the reference, or the id of a track"
    )
    parser.add_argument("--params", type=Path, metavar="FILE", help="YAML over config/uplift.yaml, for --video")
    add_paper_arguments(parser)
    parser.add_argument("--test-rate", type=float, help="frames per second of MPI-INF-3DHP's test sequences")
    parser.add_argument("--views", action="store_true", help="of SmoothNet's release: the cameras of a moment together")
    parser.add_argument(
        "--stride",
        nargs="+",
        type=_stride,
        default=[],
        help="frames between key-frames, or adaptive; the model's s_out (2 or 5) is 2D at every token",
    )
    parser.add_argument("--mode", choices=("offline", "online"), default="offline")
    parser.add_argument("--latency", type=int, default=protocols.LATENCY_FRAMES, help="frames, for --mode online")
    parser.add_argument(
        "--flip", action="store_true", help="average with mirrored input, offline, as online by default"
    )
    parser.add_argument(
        "--upsample",
        nargs="+",
        choices=tuple(UPSAMPLING),
        default=["model"],
        help="frames between key-frames by the network, or by splines through its key-frame poses",
    )
    parser.add_argument("--refine", nargs="+", choices=refiners.REFINEMENT_METHODS, default=["none"])
    parser.add_argument("--refiner-model", nargs="+", default=["synsp"], help="weights of the refinement method synsp")
    parser.add_argument("--branch", nargs="+", choices=refiners.BRANCHES, default=["final"], help="of synsp")
    parser.add_argument("--smoothnet-model", default="smoothnet", help="weights of the refinement method smoothnet")
    parser.add_argument("--delay", type=int, default=MAX_DELAY, help="frames that refinement looks ahead")
    parser.add_argument(
        "--rigid",
        action=argparse.BooleanOptionalAction,
        default=defaults_of("refiner")["rigid"],
        help="constant bone lengths, for refinement methods of the node (not none) with --mode online or --video",
    )
    parser.add_argument(
        "--truth-noise",
        type=float,
        metavar="METRES",
        help="no uplifter: refine true poses with uniform noise of this full width on every coordinate",
    )
    add_clip_arguments(parser, cameras=4)
    parser.add_argument(
        "--by", nargs="+", choices=("class", "velocity"), default=[], help="these breakdowns in the rows of --json too"
    )
    parser.add_argument("--json", type=output, help="file for the rows")
    parser.add_argument(
        "--gate",
        action="store_true",
        help="exit with 1 if a row is behind splines through its key-frame poses, or adaptive behind fixed strides",
    )


def main(args: argparse.Namespace) -> int:
    if args.gate:
        args.upsample = list(UPSAMPLING)
    rows = []
    for row in _rows(args):
        scores.show(row)
        rows.append(row)
    if args.json:
        write_json(args.json, rows)
    behind = gate.failures(rows) if args.gate else []
    for line in behind:
        print(f"behind: {line}")
    return 1 if behind else 0


def _rows(args: argparse.Namespace) -> Iterator[scores.Row]:
    if args.data is not None and all(map(is_release, args.data)):
        return refinement_protocol.rows(args)
    _check(args)
    return _mocap_rows(args) if args.video is None else _video_rows(args)


def _mocap_rows(args: argparse.Namespace) -> Iterator[scores.Row]:
    refiners = list(_refiners(args))
    for given, estimates, rate in _disturbed(args) if args.truth_noise else _uplifted(args):
        for labels, refiner in refiners:
            refined = [protocols.refine(estimate, refiner) for estimate in tqdm(estimates, refiner.method, leave=False)]
            row = given | labels | scores.score(refined, rate)
            if labels["refine"] == "synsp":
                row["tension_r"] = scores.tension_correlation(refined)
            if row["noise"] == RECORDED:
                row["protocol"] = scores.paper_protocol(refined)
            if "class" in args.by:
                row["by_class"] = scores.by_class(refined)
            if "velocity" in args.by:
                row["by_velocity"] = scores.by_velocity(refined, rate)
            yield row


def _video_rows(args: argparse.Namespace) -> Iterator[scores.Row]:
    """Rows of the pipeline and of the detector's own 3D; `relative_cost` is CPU time relative to the first row."""
    evaluation = real_video.VideoEvaluation(
        args.video, load_reference(args.reference, args.camera), args.model, args.params, args.person
    )
    first = None
    for given, run in _video_runs(args, evaluation):
        first = first or run
        yield given | evaluation.row(run) | {"relative_cost": run.seconds / first.seconds}


def _video_runs(
    args: argparse.Namespace, evaluation: real_video.VideoEvaluation
) -> Iterator[tuple[scores.Row, real_video.VideoRun]]:
    """Run the pipeline at every stride with every refinement, then the detector's own 3D: keys of rows, and runs."""
    model = weights.load(args.model, UpliftUpsample)
    latency = args.latency if args.mode == "online" else model.config.frames // 2
    for stride in args.stride:
        given = {"model": args.model, "stride": stride, "mode": args.mode, "latency_frames": latency, "noise": "video"}
        for labels, refiner in _refiners(args):
            overrides = real_video.overrides(stride, latency, refiner, labels["refiner_model"])
            raw, run = evaluation.run(stride, overrides)
            for upsampling in args.upsample:
                shown = run
                if degree := UPSAMPLING[upsampling]:
                    splines = protocols.refine(protocols.between_keyframes(raw.estimate, degree), refiner)
                    shown = replace(raw, estimate=splines)
                yield given | {"flip": evaluation.flip, "upsample": upsampling} | labels, shown
    for stride in real_video.WORLD_STRIDES:
        if (world := evaluation.world(stride)) is not None:
            given = {"model": "detector", "stride": stride, "mode": args.mode, "latency_frames": None, "noise": "video"}
            yield given | {"flip": False, "upsample": "linear", "refine": "none"}, world


def _check(args: argparse.Namespace) -> None:
    """Reject options that exclude each other.

    Raises:
        ValueError: names them.
    """
    if (args.data is None) == (args.video is None):
        raise ValueError(f"one of data and video must be given, got {'neither' if args.data is None else 'both'}")
    if args.data is not None and any(map(is_release, args.data)):
        other = next(path for path in args.data if not is_release(path))
        raise ValueError(f"data: {other} must not be given with an estimator's output; {FIT_RELEASE}")
    if args.video is None and args.truth_noise is not None:
        if not 0 < args.truth_noise < math.inf:
            raise ValueError(f"truth-noise must be positive and finite, got {args.truth_noise}")
        _exclude(
            "truth-noise, which has no uplifter,",
            {"stride": args.stride, "mode": args.mode == "online", "noise": args.noise != "none", "flip": args.flip}
            | {"upsample or gate": args.upsample != ["model"]},
        )
        return
    if not args.stride:
        raise ValueError(f"stride must be frames between key-frames, or {ADAPTIVE}, got none")
    if args.video is not None:
        _check_video(args)
    elif args.mode == "offline" and ADAPTIVE in args.stride:
        raise ValueError(f"stride {ADAPTIVE} needs --mode online, got offline")
    elif args.mode == "online" and args.flip:
        raise ValueError("flip needs --mode offline, got online, which follows the parameter flip")


def _check_video(args: argparse.Namespace) -> None:
    if missing := [f"--{name}" for name in ("reference", "camera") if getattr(args, name) is None]:
        raise ValueError(f"video needs {' and '.join(missing)}, got none")
    _exclude(
        "video, which the pipeline processes unchanged,",
        {"noise": args.noise != "none", "truth-noise": args.truth_noise is not None, "flip": args.flip}
        | {"branch": args.branch != ["final"], "by": args.by},
    )
    if unknown := sorted(set(args.refine) - set(METHODS)):
        raise ValueError(f"refine must be of {', '.join(METHODS)} with --video, got {', '.join(unknown)}")


def _exclude(option: str, others: dict[str, Any]) -> None:
    """Reject options with a true value beside another one."""
    if given := [name for name, value in others.items() if value]:
        raise ValueError(f"{option} must be given without {', '.join(given)}")


def _uplifted(args: argparse.Namespace) -> Iterator[tuple[scores.Row, Estimates, float]]:
    """Estimates of the network for every stride and upsampling method: keys of a row, estimates, frames per second."""
    model, errors = weights.load(args.model, UpliftUpsample), uncertainty.load(args.model)
    rate = model.config.model_rate
    takes = load_takes(args, test=True)
    clips = load_clips(args, rate) if takes is None else [take.clip(model.config.normalisation) for take in takes]
    for stride in args.stride:
        by_network = [
            _estimate(args, model, clip, stride, errors) for clip in tqdm(clips, f"stride {stride}", leave=False)
        ]
        for upsampling in args.upsample:
            degree = UPSAMPLING[upsampling]
            estimates = [protocols.between_keyframes(e, degree) for e in by_network] if degree else by_network
            row = {
                "model": args.model,
                "stride": stride,
                "mode": args.mode,
                "latency_frames": args.latency if args.mode == "online" else None,
                "noise": args.noise if takes is None else RECORDED,
                "flip": defaults_of("uplift")["flip"] if args.mode == "online" else args.flip,
                "upsample": upsampling,
            }
            yield row, estimates, rate


def _disturbed(args: argparse.Namespace) -> Iterator[tuple[scores.Row, Estimates, float]]:
    """True poses with noise, as `_uplifted` yields estimates."""
    clips = load_clips(args, FRAME_RATE_HZ)
    row = {
        "model": None,
        "stride": 1,
        "mode": "offline",
        "latency_frames": None,
        "noise": f"truth +- {1000 * args.truth_noise / 2:g} mm",
    }
    yield row, list(protocols.disturbed_truth(clips, args.truth_noise, args.seed)), FRAME_RATE_HZ


def _estimate(
    args: argparse.Namespace,
    model: UpliftUpsample,
    clip: protocols.Clip,
    stride: int | str,
    errors: uncertainty.ErrorModel | None,
) -> protocols.Estimate:
    if args.mode == "offline":
        return protocols.offline(model, clip, int(stride), flip=args.flip)
    config = model.config
    control = protocols.adaptive(config) if stride == ADAPTIVE else protocols.fixed(config, int(stride))
    return protocols.online(model, clip, control, args.latency, errors)


def _refiners(args: argparse.Namespace) -> Iterator[tuple[scores.Row, Refiner]]:
    """Keys of a row and the refiner, for each method, and each of its weights and branches."""
    is_streamed = args.video is not None or args.mode == "online"
    for method in args.refine:
        is_staged = is_streamed and method in set(METHODS) - {"none"} and args.delay <= MAX_DELAY
        for name in {"synsp": args.refiner_model, "smoothnet": [args.smoothnet_model]}.get(method, [None]):
            network = weights.load(name, SynSP if method == "synsp" else SmoothNet) if name else None
            for branch in args.branch if method == "synsp" else [None]:
                rigid = args.rigid and is_staged and branch in (None, "final")
                labels: dict[str, Any] = {"refine": method, "refiner_model": name, "branch": branch, "rigid": rigid}
                yield labels | {"delay": args.delay}, Refiner(method, network, branch or "final", args.delay, rigid)


def _stride(text: str) -> int | str:
    if text == ADAPTIVE:
        return text
    if not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"must be a positive number of frames or {ADAPTIVE}, got {text!r}")
    return int(text)
