"""`uplift bench`: the speed of the parts, and where ROS is installed what images cost that are no key-frames."""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator

import numpy as np

from uplift_ros.evaluation import benchmark
from uplift_ros.evaluation.benchmark import Row
from uplift_ros.nodes.environment import node_environment

ROUNDS = 3
"""Of one subscriber after the other, so that what else the machine does falls on both."""

TIMEOUT = 60.0
"""Seconds for a process to start and find the camera."""

add_arguments = benchmark.add_arguments


def main(args: argparse.Namespace) -> int:
    return benchmark.main(args, image_rows(args.seconds))


def image_rows(seconds: float) -> Iterator[Row]:
    """CPU time of an image of 640x480 that comes at 50 Hz: in a subscriber as rclpy has it, and in `pose_estimator`
    between key-frames. Nothing where ROS is not installed."""
    if importlib.util.find_spec("rclpy") is None:
        return
    domain = {"ROS_DOMAIN_ID": str(1 + os.getpid() % 101)}
    environment = node_environment() | domain
    camera = _start("camera", seconds, environment)
    plain: list[float] = []
    skipped: list[float] = []
    try:
        for _ in range(ROUNDS):
            for role, milliseconds in (("plain", plain), ("skipped", skipped)):
                output, _ = _start(role, seconds, environment).communicate(timeout=TIMEOUT + seconds)
                milliseconds += json.loads(output)
    finally:
        camera.kill()
        camera.wait()
    yield _row("image plain", plain)
    yield _row("image skipped", skipped, ratio_to="image plain", ratio=float(np.median(plain) / np.median(skipped)))


def _start(role: str, seconds: float, environment: dict[str, str]) -> subprocess.Popen:
    command = [sys.executable, "-m", "uplift_ros.nodes.image_load", role, str(seconds)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE)  # noqa: S603 (our own module)


def _row(name: str, milliseconds: list[float], **compared) -> Row:
    p50, p99 = np.percentile(milliseconds, (50, 99))
    return Row(name, "cpu", 1, "", float(p50), float(p99), float(1e3 / p50), **compared)
