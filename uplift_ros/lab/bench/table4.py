"""`uplift bench --table4`: cost and speed of the paper's two networks at their strides, with the figures of Table 4.

The paper counts output poses per second: one forward pass yields the poses of s_out frames.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import torch

from uplift_ros.lab import device
from uplift_ros.lab.bench.flops import estimate_flops
from uplift_ros.lab.bench.measurements import Columns, Measurement, measure, timed
from uplift_ros.lab.bench.networks import MEASURED_CONFIGS
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

MEASURED_BATCH = 64


@dataclass(frozen=True)
class Table4Measurement(Measurement):
    """A row with the paper's figures.

    Attributes:
        poses_per_second: output poses.
        published_mflops, published_poses_per_second: of the paper.
    """

    poses_per_second: float = 0.0
    published_mflops: int = 0
    published_poses_per_second: int = 0


TABLE4_COLUMNS: Columns = {
    "name": lambda row: row.name,
    "MFLOP": lambda row: f"{row.flops / 1e6:.0f}",
    "theirs": lambda row: f"{row.published_mflops}",
    "forwards per second": lambda row: f"{row.per_second:.0f}",
    "poses per second": lambda row: f"{row.poses_per_second:.0f}",
    "theirs, 1080 Ti": lambda row: f"{row.published_poses_per_second}",
}


@torch.inference_mode()
def rows(seconds: float, on: str, threads: int) -> Iterator[Measurement]:
    """One row for each row of Table 4.

    Args:
        seconds: of each measurement.
        on: device of PyTorch.
        threads: on the CPU.
    """
    device.find(on)
    torch.set_num_threads(threads)
    models = {name: UpliftUpsample(MEASURED_CONFIGS[name]()).eval().to(on) for name in ("n81", "n351")}
    for (variant, stride), published in PUBLISHED.items():
        model, config = models[variant], models[variant].config
        mask = (torch.arange(config.tokens) * config.token_stride % stride == 0).expand(MEASURED_BATCH, -1).to(on)
        poses = torch.randn(int(mask.sum()), config.joints, 2, device=on)
        flops = estimate_flops(config, len(poses) // MEASURED_BATCH)
        times = measure(partial(_forward, model, poses, mask), seconds)
        row = timed(f"{variant} s_in {stride}", times, MEASURED_BATCH, on, flops)
        yield Table4Measurement(**vars(row), poses_per_second=row.per_second * config.token_stride,
                        published_mflops=published[0], published_poses_per_second=published[1])  # fmt: skip


def _forward(model: UpliftUpsample, poses: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    return model.central(model.temporal(model.place(model.pose_tokens(poses), mask), mask)).cpu()
