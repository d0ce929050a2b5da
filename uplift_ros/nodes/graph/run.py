"""`uplift run`: the command line around the supervisor, and the results of a run."""

import argparse
import os
from pathlib import Path
from typing import Any

import rclpy
from rclpy.signals import SignalHandlerOptions
from rich.console import Console

from uplift_ros import fastdds, settings
from uplift_ros.nodes.graph.environment import node_environment
from uplift_ros.nodes.graph.supervisor import RunError, Supervisor
from uplift_ros.sources import without_password

SYNTHETIC = "synthetic"
"""The source without a file or a device."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--source", default=SYNTHETIC, help="synthetic, webcam index, or video file")
    settings.add_arguments(parser)
    parser.add_argument("--record", type=settings.path, metavar="BAG", help="bag to write; a file if it ends in .mcap")
    parser.add_argument("--seconds", type=settings.positive, metavar="S", help="stop after this time of the source")
    parser.add_argument(
        "--out",
        type=settings.path,
        metavar="DIR",
        help="folder for demo.mp4, summary.json (and demo.mcap without --record)",
    )


def main(args: argparse.Namespace) -> int:
    """Run until the source ends or a signal arrives; with --out, write the results."""
    parameters = node_parameters(args)
    settings.load(args.params, parameters)  # an error is reported at once, not by a node that ends
    if args.source != SYNTHETIC:
        check_source(args.source)
    environment = node_environment()
    os.environ.update(environment)
    fastdds.save_memory()
    console, errors = Console(), Console(stderr=True)
    bag = args.record or (args.out / "demo.mcap" if args.out else None)
    if bag:
        bag.parent.mkdir(parents=True, exist_ok=True)
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    supervisor = Supervisor(console, environment)
    try:
        anything = supervisor.run(parameters, args.params, bag)
    except RunError as error:
        errors.print(f"uplift run: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        return 1
    finally:
        supervisor.close()
        rclpy.try_shutdown()
    if not anything:
        errors.print("uplift run: interrupted before the first skeletons", highlight=False)
    elif args.out and bag:
        write_results(console, bag, args, supervisor.usage.figures())
    return 0


def check_source(source: str) -> None:
    """Report a missing source at once, not after the start of all nodes; OpenCV is imported only for that.

    Raises:
        FileNotFoundError, ValueError: as of `open_source`.
    """
    from uplift_ros.sources import open_source

    open_source(source, loop=False, width=0, height=0, horizontal_fov=1.0).close()


def node_parameters(args: argparse.Namespace) -> settings.Settings:
    """Parameters by node from the command line."""
    duration = {"duration": args.seconds} if args.seconds else {}
    return settings.stride_overrides(args.stride) | {"camera": {"source": args.source, **duration}}


def write_results(console: Console, bag: Path, args: argparse.Namespace, usage: dict[str, dict[str, Any]]) -> None:
    """Write summary.json (with stages_ms, and CPU time and memory of the nodes) and demo.mp4, and print a table."""
    from uplift_ros.bags.stage_times import stages
    from uplift_ros.bags.summary import print_table, summarise
    from uplift_ros.drawing.demo_video import render
    from uplift_ros.files import write_json

    summary = summarise(bag, without_password(args.source)) | {"stages_ms": stages(bag), "nodes": usage}
    write_json(args.out / "summary.json", summary)
    with console.status("rendering the video"):
        render(bag, args.out / "demo.mp4")
    print_table(summary, console)
    console.print(f"{bag}; in {args.out}: demo.mp4, summary.json", highlight=False)
