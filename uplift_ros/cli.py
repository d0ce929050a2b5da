"""The `uplift` command. Each subcommand is a module with `add_arguments(parser)` and `main(args) -> exit code`."""

import argparse
import importlib
import signal
import sys
from collections.abc import Sequence

COMMANDS = {
    "run": ("uplift_ros.nodes.graph.run", "camera to skeletons, each node its own process, without launch_ros"),
    "process": ("uplift_ros.offline.process", "videos and bags to skeletons, without ROS, as fast as possible"),
    "models": ("uplift_ros.estimators.blazepose_files", "download the 2D estimator's network files"),
    "doctor": ("uplift_ros.doctor", "report installed and missing packages, and whether images are lost"),
    "record": ("uplift_ros.bags.record", "record topics into a bag, without rosbag2"),
    "recover": ("uplift_ros.bags.recover", "repair the bag of a recording that was interrupted"),
    "play": ("uplift_ros.bags.play", "publish a bag on topics, without rosbag2"),
    "export": ("uplift_ros.lab.export", "export a trained network to ONNX for the robot"),
    "train": ("uplift_ros.lab.training.train_command", "train the networks on motion capture"),
    "evaluate": ("uplift_ros.lab.evaluation.evaluate", "measure accuracy on motion capture"),
    "study": (
        "uplift_ros.lab.studies.study",
        "measurements of adaptive stride, quality cues, several views, detectors",
    ),
    "import": ("uplift_ros.lab.import_weights", "convert the weights that the papers published"),
    "bench": ("uplift_ros.lab.bench.bench", "measure the speed of each part"),
    "plot": ("uplift_ros.lab.plots.plot", "plot attention, accuracy and training"),
}


INTERRUPTED = 128 + signal.SIGINT
"""Exit code after Ctrl-C, as shells report it."""


def main(arguments: Sequence[str] | None = None) -> int:
    if arguments is None:
        arguments = sys.argv[1:]
        for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # commands clean up as after Ctrl-C
            signal.signal(ending, signal.default_int_handler)
    try:
        return _run(list(arguments))
    except KeyboardInterrupt:  # also during the imports, which take seconds
        print(f"{' '.join(['uplift', *arguments[:1]])}: interrupted", file=sys.stderr)
        return INTERRUPTED


def _run(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="uplift", description="Smooth 3D human skeletons from few 2D detections.")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    modules = {}
    for name, (module, summary) in COMMANDS.items():
        command = commands.add_parser(name, help=summary)
        if name in arguments[:1]:  # the others stay unloaded: they would import ROS or torch
            modules[name] = _load(parser, module)
            command.description = modules[name].__doc__
            modules[name].add_arguments(command)
    args = parser.parse_args(arguments)
    try:
        return modules[args.command].main(args)
    except (ValueError, OSError, ImportError) as error:
        print(f"uplift {args.command}: {error}", file=sys.stderr)
    return 1


def _load(parser: argparse.ArgumentParser, module: str):
    try:
        return importlib.import_module(module)
    except ImportError as error:
        extra = "; pip install '.[lab]' installs it" if module.startswith("uplift_ros.lab.") else ""
        parser.exit(1, f"uplift: {error.name or module} is not installed here: {error}{extra}\n")
