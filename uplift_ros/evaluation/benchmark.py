"""`uplift bench`: how fast the parts are on this machine. Compare rows of one run; machines differ and are noisy."""

import argparse
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from uplift_ros.camera import Camera
from uplift_ros.evaluation import offline
from uplift_ros.evaluation.rows import Row, compared, measure, timed
from uplift_ros.models.synsp import SynSP, SynSPConfig
from uplift_ros.models.uplift import UpliftConfig, UpliftUpsample, compact, estimate_flops, n81, n351
from uplift_ros.online.uplifter import StreamingUplifter
from uplift_ros.poses import Keyframe, Person2D

VARIANTS: dict[str, Callable[[], UpliftConfig]] = {"compact": compact, "n81": n81, "n351": n351}
BATCHES = (1, 64)
PEOPLE = (1, 2, 4, 8)


def rows(seconds: float, device: str) -> Iterator[Row]:
    """All measurements, each about `seconds` long."""
    with torch.inference_mode():
        for name, variant in VARIANTS.items():
            yield from _uplift_rows(name, variant(), seconds, device)
        yield from _synsp_rows(seconds, device)
    yield from _streaming_rows(seconds)
    yield from offline.rows(seconds)


def _uplift_rows(name: str, config: UpliftConfig, seconds: float, device: str) -> Iterator[Row]:
    """Central head only, spatial stage for real poses only; the largest stride against the smallest."""
    model = UpliftUpsample(config).eval().to(device)
    for batch in BATCHES:
        base = None
        for stride in config.input_strides:
            tokens = torch.arange(config.tokens, device=device) * config.token_stride
            mask = (tokens % stride == 0).expand(batch, -1).contiguous()
            poses = torch.randn(int(mask.sum()), config.joints, 2, device=device)

            def forward(poses: torch.Tensor = poses, mask: torch.Tensor = mask) -> torch.Tensor:
                return model.central(model.temporal(model.place(model.pose_tokens(poses), mask), mask))

            flops = estimate_flops(config, int(mask[0].sum()))
            row = timed(f"{name} s_in {stride}", measure(forward, seconds, device), batch, device, flops)
            base = base or row
            yield compared(row, base) if row is not base else row


def _synsp_rows(seconds: float, device: str) -> Iterator[Row]:
    model = SynSP(SynSPConfig()).eval().to(device)
    for batch in (1, 20):
        windows = torch.randn(batch, model.config.window, model.config.channels, device=device)
        yield timed("synsp", measure(partial(model, windows), seconds, device), batch, device)


def _streaming_rows(seconds: float) -> Iterator[Row]:
    """One key-frame of several people through the streaming uplifter: detections to final skeletons."""
    model = UpliftUpsample(compact()).eval()
    camera = Camera.from_fov(1.0, 640, 480)
    keypoints = np.random.default_rng(0).uniform(100, 400, (17, 2))
    base = None
    for people in PEOPLE:
        uplifter = StreamingUplifter(model)
        persons = tuple(
            Person2D(f"p{index}", 1.0, np.zeros(4), keypoints + index, np.ones(17)) for index in range(people)
        )
        stamps = iter(range(0, 10**15, 200_000_000))

        def push(
            uplifter: StreamingUplifter = uplifter,
            persons: tuple[Person2D, ...] = persons,
            stamps: Iterator[int] = stamps,
        ) -> object:
            return uplifter.push(Keyframe(next(stamps), "camera", 640, 480, 0, 10, persons), camera)

        row = timed(f"streaming key-frame, {people} people", measure(push, seconds, "cpu"), people, "cpu")
        base = base or row
        yield compared(row, base) if row is not base else row


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement")
    parser.add_argument("--device", default="cpu", help="of the networks: cpu or cuda")
    parser.add_argument("--threads", type=int, default=2, help="of the networks on the CPU")
    parser.add_argument("--json", type=Path, help="where the rows go")


def main(args: argparse.Namespace, more: Iterable[Row] = ()) -> int:
    """Measure all parts, and show and write their rows with `more`."""
    torch.set_num_threads(args.threads)
    table = Table("name", "batch", "ms p50", "ms p99", "per second", "MFLOP", "ratio")
    measured = []
    for row in chain(rows(args.seconds, args.device), more):
        measured.append(row)
        ratio = f"{row.ratio:.2f} x {row.ratio_to}" if row.ratio_to else ""
        mflop = f"{row.flops / 1e6:.0f}" if row.flops else ""
        table.add_row(
            row.name, str(row.batch), f"{row.ms_p50:.2f}", f"{row.ms_p99:.2f}", f"{row.per_second:.0f}", mflop, ratio
        )
    Console().print(table)
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps([asdict(row) for row in measured], indent=1) + "\n")
    return 0
