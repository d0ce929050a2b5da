"""`uplift evaluate`: accuracy of shipped or own weights on motion capture."""

import argparse
import json
from pathlib import Path
from typing import Any

from tqdm import tqdm

from uplift_ros.evaluation import protocols
from uplift_ros.models import weights
from uplift_ros.models.synsp import SynSP
from uplift_ros.models.uplift import UpliftUpsample
from uplift_ros.online.refiner import MAX_DELAY, METHODS, StreamingRefiner
from uplift_ros.online.stride import AdaptiveStride, FixedStride, StrideController
from uplift_ros.training.mocap import load_npz

ADAPTIVE = "adaptive"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data", type=Path, required=True, help="npz: one (T, 17, 3) array per sequence, z up, and fps"
    )
    parser.add_argument("--model", default="compact", help="shipped weights by name, or a .safetensors file")
    parser.add_argument(
        "--stride", nargs="+", type=_stride, required=True, help="frames between key-frames, or adaptive"
    )
    parser.add_argument("--mode", choices=("offline", "online"), default="offline")
    parser.add_argument("--latency", type=int, default=4, help="frames, for --mode online")
    parser.add_argument("--noise", choices=("none", "detector"), default="none")
    parser.add_argument("--refine", nargs="+", choices=METHODS, default=["none"])
    parser.add_argument("--refiner-model", default="synsp", help="weights of the refinement method synsp")
    parser.add_argument("--cameras", type=int, default=4, help="around each sequence")
    parser.add_argument("--seed", type=int, default=0, help="of cameras and noise")
    parser.add_argument("--json", type=Path, help="where the rows go")


def main(args: argparse.Namespace) -> int:
    if args.cameras < 1:
        raise ValueError(f"cameras must be at least 1, got {args.cameras}")
    if ADAPTIVE in args.stride and args.mode == "offline":
        raise ValueError("stride adaptive needs --mode online")
    model = weights.load(args.model, UpliftUpsample)
    sequences, rate = load_npz(args.data)
    if rate != model.config.model_rate:
        raise ValueError(f"data: {args.data} has {rate} frames per second, the model wants {model.config.model_rate}")
    clips = list(protocols.film(sequences, rate, args.cameras, args.noise, args.seed))
    rows = []
    for stride in args.stride:
        estimates = [_estimate(args, model, clip, stride) for clip in tqdm(clips, f"stride {stride}", leave=False)]
        for method in args.refine:
            refined = estimates if method == "none" else _refine(args, estimates, method, rate)
            rows.append(_row(args, stride, method) | protocols.score(refined, rate))
            print("  ".join(f"{key} {_short(value)}" for key, value in rows[-1].items()), flush=True)
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1) + "\n")
    return 0


def _stride(text: str) -> int | str:
    if text == ADAPTIVE:
        return text
    if not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"must be a positive number of frames or {ADAPTIVE}, got {text!r}")
    return int(text)


def _estimate(
    args: argparse.Namespace, model: UpliftUpsample, clip: protocols.Clip, stride: int | str
) -> protocols.Estimate:
    if args.mode == "offline":
        return protocols.offline(model, clip, int(stride))
    s_out = model.config.token_stride
    if stride == ADAPTIVE:
        slow, fast = max(model.config.input_strides), min(model.config.input_strides)
        controller: StrideController = AdaptiveStride(slow, fast, s_out=s_out)
        return protocols.online(model, clip, controller, slow, args.latency)
    return protocols.online(model, clip, FixedStride(int(stride), s_out), int(stride), args.latency)


def _refine(
    args: argparse.Namespace, estimates: list[protocols.Estimate], method: str, rate: float
) -> list[protocols.Estimate]:
    network = weights.load(args.refiner_model, SynSP) if method == "synsp" else None
    refiner = StreamingRefiner(method, MAX_DELAY, network)
    return [protocols.refine(estimate, refiner, rate) for estimate in tqdm(estimates, method, leave=False)]


def _row(args: argparse.Namespace, stride: int | str, method: str) -> dict[str, Any]:
    return {
        "model": args.model,
        "stride": stride,
        "mode": args.mode,
        "latency_frames": args.latency if args.mode == "online" else None,
        "noise": args.noise,
        "refine": method,
    }


def _short(value: object) -> str:
    return f"{value:.1f}" if isinstance(value, float) else str(value)
