"""`uplift bench`: speed of the parts on this machine. Compare rows of one run only: machines differ and are noisy."""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator

import numpy as np

from uplift_ros.lab.bench import networks, recordings, streams
from uplift_ros.lab.bench.measurements import Columns, Measurement, against_first, report, timed
from uplift_ros.models import runtime
from uplift_ros.nodes.graph.environment import node_environment
from uplift_ros.settings import at_least, output, positive

ROUNDS = 3
"""Number of measurements of each subscriber, in turns, so that other load on the machine affects both."""

PROCESS_START_S = 60.0
"""Timeout for a process to start and find the camera."""

BENCH_COLUMNS: Columns = {
    "name": lambda row: row.name,
    "device": lambda row: row.device,
    "precision": lambda row: row.precision,
    "batch": lambda row: str(row.batch),
    "ms p50": lambda row: f"{row.ms_p50:.2f}",
    "ms p99": lambda row: f"{row.ms_p99:.2f}",
    "per second": lambda row: f"{row.per_second:.0f}",
    "MFLOP": lambda row: f"{row.flops / 1e6:.0f}" if row.flops else "",
    "ratio": lambda row: f"{row.ratio:.2f} x {row.ratio_to}" if row.ratio_to else "",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seconds", type=positive, default=2.0, help="of each measurement")
    parser.add_argument("--device", default="cpu", help="of the networks: cpu, cuda, tensorrt or openvino")
    parser.add_argument("--threads", type=at_least(1), default=1, help="of the networks on the CPU")
    parser.add_argument("--networks", action="store_true", help="measure nothing else")
    parser.add_argument("--table4", action="store_true", help="the two networks of the paper alone, as its Table 4")
    parser.add_argument("--json", type=output, help="file for the rows")


def main(args: argparse.Namespace) -> int:
    if args.table4:
        from uplift_ros.lab.bench import table4  # the other rows need no PyTorch

        report(table4.rows(args.seconds, args.device, args.threads), table4.TABLE4_COLUMNS, args.json)
        return 0
    runtime.provider_options(args.device, "float32")
    report(rows(args), BENCH_COLUMNS, args.json)
    return 0


def rows(args: argparse.Namespace) -> Iterator[Measurement]:
    """All measurements; each takes about `args.seconds`."""
    yield from networks.rows(args.seconds, args.device, args.threads)
    if not args.networks:
        yield from streams.rows(args.seconds)
        yield from recordings.rows(args.seconds)
        yield from image_rows(args.seconds)


def image_rows(seconds: float) -> Iterator[Measurement]:
    """CPU time per 640x480 image at 50 Hz, in rclpy's own subscriber and in `pose_estimator` between key-frames.

    There are no rows if ROS is not installed or the messages of this package are not built.
    """
    if not all(importlib.util.find_spec(package) for package in ("rclpy", "uplift_ros.msg")):
        return
    domain = {"ROS_DOMAIN_ID": str(1 + os.getpid() % 101)}
    environment = node_environment() | domain
    milliseconds: dict[str, list[float]] = {"plain": [], "skipped": []}
    with subprocess.Popen(_command("camera", seconds), env=environment) as camera:  # noqa: S603 (our own module)
        try:
            for _ in range(ROUNDS):
                for role, times in milliseconds.items():
                    times += _measured(role, seconds, environment)
        finally:
            camera.kill()
    yield from against_first(
        timed(f"image {role}", np.array(times), 1, "cpu", precision="") for role, times in milliseconds.items()
    )


def _measured(role: str, seconds: float, environment: dict[str, str]) -> list[float]:
    """Milliseconds of each image in a process of its own."""
    done = subprocess.run(  # noqa: S603 (our own module)
        _command(role, seconds), env=environment, stdout=subprocess.PIPE, timeout=PROCESS_START_S + seconds, check=True
    )
    milliseconds: list[float] = json.loads(done.stdout)
    return milliseconds


def _command(role: str, seconds: float) -> list[str]:
    return [sys.executable, "-m", "uplift_ros.nodes.graph.image_load", role, str(seconds)]
