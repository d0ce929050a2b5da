"""`uplift bench`: the speed of the parts and, if ROS is installed, the cost of images that are not key-frames."""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator

import numpy as np

from uplift_ros.lab.bench import parts, table4
from uplift_ros.lab.bench.measurements import Row, against_first, timed
from uplift_ros.nodes.graph.environment import node_environment

ROUNDS = 3
"""The subscribers are measured in turns, so that other load on the machine affects both."""

TIMEOUT = 60.0
"""Seconds for a process to start and find the camera."""

add_arguments = parts.add_arguments


def main(args: argparse.Namespace) -> int:
    if args.table4:
        return table4.main(args)
    return parts.main(args, () if args.networks else image_rows(args.seconds))


def image_rows(seconds: float) -> Iterator[Row]:
    """CPU time per 640x480 image at 50 Hz: in rclpy's own subscriber, and in `pose_estimator` between key-frames.
    No rows if ROS is not installed or our messages are not built."""
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
    done = subprocess.run(  # noqa: S603 (our own module)
        _command(role, seconds), env=environment, stdout=subprocess.PIPE, timeout=TIMEOUT + seconds, check=True
    )
    milliseconds: list[float] = json.loads(done.stdout)
    return milliseconds


def _command(role: str, seconds: float) -> list[str]:
    return [sys.executable, "-m", "uplift_ros.nodes.graph.image_load", role, str(seconds)]
