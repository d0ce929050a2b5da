"""`uplift bench --table4`: cost and speed of the paper's two networks at their strides, beside Table 4 itself.

The paper counts poses per second of output: one forward pass yields the poses of s_out frames.
"""

import argparse
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from uplift_ros.files import write_json
from uplift_ros.lab import device
from uplift_ros.lab.bench.flops import estimate_flops
from uplift_ros.lab.bench.measurements import measure, timed
from uplift_ros.lab.bench.networks import VARIANTS
from uplift_ros.models.uplift import UpliftUpsample

PUBLISHED = {
    ("n81", 4): (564, 326),
    ("n81", 10): (543, 334),
    ("n81", 20): (535, 337),
    ("n351", 5): (1062, 704),
    ("n351", 10): (999, 759),
    ("n351", 20): (966, 827),
}
"""MFLOPs, and poses per second on a GTX 1080 Ti without the 2D network, by network and s_in."""


BATCH = 64


@torch.inference_mode()
def rows(seconds: float, on: str) -> Iterator[dict[str, Any]]:
    """One row for each row of the table."""
    models = {name: UpliftUpsample(VARIANTS[name]()).eval().to(on) for name in ("n81", "n351")}
    for (variant, stride), (mflops, poses_per_second) in PUBLISHED.items():
        model, config = models[variant], models[variant].config
        mask = (torch.arange(config.tokens) * config.token_stride % stride == 0).expand(BATCH, -1).to(on)
        poses = torch.randn(int(mask.sum()), config.joints, 2, device=on)
        flops = estimate_flops(config, len(poses) // BATCH)
        row = timed(
            f"{variant} s_in {stride}", measure(partial(_forward, model, poses, mask), seconds), BATCH, on, flops
        )
        yield asdict(row) | {
            "poses_per_second": row.per_second * config.token_stride,
            "published_mflops": mflops,
            "published_poses_per_second": poses_per_second,
        }


def _forward(model: UpliftUpsample, poses: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    return model.central(model.temporal(model.place(model.pose_tokens(poses), mask), mask)).cpu()


def main(args: argparse.Namespace) -> int:
    device.find(args.device)
    torch.set_num_threads(args.threads)
    table = Table("name", "MFLOP", "theirs", "forwards per second", "poses per second", "theirs, 1080 Ti")
    measured = []
    for row in rows(args.seconds, args.device):
        measured.append(row)
        figures = (row["flops"] / 1e6, row["published_mflops"], row["per_second"], row["poses_per_second"])
        table.add_row(row["name"], *(f"{figure:.0f}" for figure in figures), f"{row['published_poses_per_second']}")
    Console().print(table)
    if args.json:
        write_json(args.json, measured)
    return 0
