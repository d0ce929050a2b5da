"""`uplift process`: videos and bags to skeletons, without ROS, as fast as it goes."""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from uplift_ros import settings as node_settings
from uplift_ros.bags.reader import is_bag
from uplift_ros.estimators import PoseEstimator
from uplift_ros.models.synsp import SynSP
from uplift_ros.offline.image_sequence import BagFootage, Footage, VideoFootage
from uplift_ros.offline.keyframe_intervals import raw_intervals
from uplift_ros.offline.results import GraphBag
from uplift_ros.pipeline import Pipeline, Step
from uplift_ros.poses import NANOSECONDS
from uplift_ros.settings import NodeSettings, Settings
from uplift_ros.stages import build, build_detection

STAGES = ("camera", "pose_estimator", "uplift", "refiner")
"""Nodes whose work this command does; their parameters count here, as far as the stages read them."""

EXPECTED_ERRORS = (ValueError, OSError)
"""What bad input raises: the message says it all. Of anything else the type is told, too."""


@dataclass(frozen=True)
class Networks:
    """What takes long to load, shared by all inputs.

    Args:
        settings: every parameter of every node.
    """

    settings: Mapping[str, NodeSettings]
    estimator: PoseEstimator
    uplift: build.UpliftNetwork
    refine: SynSP | None

    @classmethod
    def load(cls, settings: Settings) -> "Networks":
        """
        Raises:
            FileNotFoundError: weights are missing.
            ValueError: a parameter is not supported.
            ImportError: a package that the estimator needs is not installed.
        """
        nodes = {node: NodeSettings(node, settings[node]) for node in STAGES}
        uplift = build.uplift_network(nodes["uplift"])
        refine = build.refinement_network(nodes["refiner"])
        build.refinement(nodes["refiner"], refine)  # a setting out of range fails before the estimator loads
        return cls(nodes, build_detection.estimator(nodes["pose_estimator"]), uplift, refine)

    def pipeline(self) -> Pipeline:
        """A fresh one.

        Raises:
            ValueError: names the parameter that is out of range.
        """
        return Pipeline(
            build_detection.detection(self.settings["pose_estimator"], self.estimator),
            build.uplifting(self.settings["uplift"], self.uplift),
            build.refinement(self.settings["refiner"], self.refine),
        )


@dataclass
class ProcessResult:
    """What became of one input.

    Attributes:
        seconds: of recorded time.
        duration: seconds that it took.
        problems: how often each kind occurred, with the first message of each.
    """

    images: int = 0
    keyframes: int = 0
    seconds: float = 0.0
    duration: float = 0.0
    problems: Counter[str] = field(default_factory=Counter)
    messages: dict[str, str] = field(default_factory=dict)

    def add(self, step: Step) -> None:
        """Count the problems of a step."""
        for problem in [*step.uplifting.problems, *step.refining.problems]:
            self.problems[problem.kind] += 1
            self.messages.setdefault(problem.kind, problem.message)

    def __str__(self) -> str:
        speed = self.seconds / self.duration
        problems = [f"; {kind} ({count}): {self.messages[kind]}" for kind, count in self.problems.items()]
        return (
            f"{self.images} frames, {self.keyframes} key-frames, "
            f"{self.seconds:.1f} s in {self.duration:.1f} s, {speed:.1f} times real time{''.join(problems)}"
        )


def process(footage: Footage, pipeline: Pipeline, output: Path) -> ProcessResult:
    """Send all images through the pipeline and write the results. Equal input gives equal bytes.

    Raises:
        ValueError: there are no images, or one that is needed cannot be decoded.
        BagError: the bag is damaged, or the output cannot be written. Nothing is left behind.
    """
    result = ProcessResult()
    started = time.monotonic()
    first = last = None
    with (
        GraphBag(output) as bag,
        closing(raw_intervals(footage, pipeline)) as intervals,
        tqdm(total=footage.length or None, unit="frame", disable=None, leave=False) as bar,
    ):
        for interval in intervals:
            images = interval.images
            for image in images:
                bag.write_image(image.stamp, image.frame_id, image.camera)
            step = pipeline.refine(interval.step)
            bag.write_step(step)
            result.add(step)
            result.keyframes += step.keyframe is not None
            result.images += len(images)
            first, last = first or images[0], images[-1]
            bar.update(len(images))
        if first is None or last is None:
            raise ValueError("there are no images")
        bag.write_step(pipeline.flush())
    result.seconds = (last.stamp - first.stamp) / NANOSECONDS
    result.duration = time.monotonic() - started
    return result


def outputs(inputs: Sequence[Path], out: Path) -> list[Path]:
    """Where the skeletons of each input go: to `out` if it ends in .mcap, else to files in the folder `out`.

    Raises:
        ValueError: two inputs would go to one file, or an input would be overwritten.
    """
    paths = [out] * len(inputs) if out.suffix == ".mcap" else [out / f"{source.stem}.mcap" for source in inputs]
    for number, (source, path) in enumerate(zip(inputs, paths, strict=True)):
        if path in paths[:number]:
            other = inputs[paths.index(path)]
            raise ValueError(f"--out {out}: {other} and {source} would both go to {path}")
        if path.resolve() in [taken.resolve() for taken in inputs]:
            raise ValueError(f"--out {out}: the input {path} would be overwritten")
    return paths


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("input", nargs="+", type=Path, help="video, .mcap, .db3 or rosbag2 folder")
    parser.add_argument(
        "-o",
        "--out",
        type=Path,
        required=True,
        help="the .mcap file to write; else a folder, where inputs whose output is there already are skipped",
    )
    node_settings.add_arguments(parser)
    parser.add_argument("--image-topic", metavar="TOPIC", help="of bags; default: the only one there is")
    parser.add_argument(
        "--camera-info-topic",
        metavar="TOPIC",
        help="of bags; default: the one beside the images; '' does without",
    )
    parser.add_argument(
        "--depth-topic",
        metavar="TOPIC",
        default="/depth",
        help="of bags, for the parameter use_depth: depth images aligned with the images; default: %(default)s",
    )


def main(args: argparse.Namespace) -> int:
    """Process one input after the other; one that fails does not stop the others."""
    settings = node_settings.load(args.params, node_settings.of_stride(args.stride))
    work = list(zip(args.input, outputs(args.input, args.out), strict=True))
    if args.out.suffix != ".mcap":
        for source, output in work:
            if output.exists():
                print(f"{source}: {output} is there already, skipped")
        work = [(source, output) for source, output in work if not output.exists()]
    if not work:
        return 0
    networks = Networks.load(settings)
    networks.pipeline()  # settings out of range fail here, not once per input
    open_footage = _opener(networks.settings, args)
    for node in networks.settings.values():
        for name in node.without_effect:
            print(f"parameter {name} of node {node.node} has no effect here", file=sys.stderr)
    succeeded = [_attempt(source, output, networks, open_footage) for source, output in work]
    return 0 if all(succeeded) else 1


def _attempt(source: Path, output: Path, networks: Networks, open_footage: Callable[[Path], Footage]) -> bool:
    """Process one input and print its result."""
    try:
        with closing(open_footage(source)) as footage:
            result = process(footage, networks.pipeline(), output)
    except Exception as error:
        kind = "" if isinstance(error, EXPECTED_ERRORS) else f"{type(error).__name__}: "
        print(f"{source}: {kind}{error}", file=sys.stderr, flush=True)
        return False
    print(f"{source}: {result}", flush=True)
    return True


def _opener(settings: Mapping[str, NodeSettings], args: argparse.Namespace) -> Callable[[Path], Footage]:
    """Opens an input as the options and parameters say.

    Raises (when called):
        ValueError: it cannot be read, or has no depth images where use_depth asks for them.
    """
    camera, use_depth = settings["camera"], settings["uplift"]["use_depth"]
    fps, horizontal_fov, frame_id = (camera[name] for name in ("fps", "horizontal_fov", "frame_id"))

    def open_footage(source: Path) -> Footage:
        if is_bag(source):
            depth_topic = args.depth_topic if use_depth else None
            return BagFootage(source, args.image_topic, args.camera_info_topic, depth_topic)
        if use_depth:
            raise ValueError("parameter use_depth must be false: a video has no depth images")
        return VideoFootage(source, fps, horizontal_fov, frame_id)

    return open_footage
