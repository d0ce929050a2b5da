"""`uplift process`: convert videos and bags to skeletons, without ROS, as fast as possible."""

import argparse
import math
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from tqdm import tqdm

from uplift_ros import settings as node_settings
from uplift_ros.bags.reader import INCOMPLETE, is_bag
from uplift_ros.estimators import PoseEstimator
from uplift_ros.intrinsics import FieldOfView, Intrinsics, load_calibration
from uplift_ros.models.configs import Refining
from uplift_ros.offline.image_sequence import LOST_FRAMES, LOST_IMAGE, BagSequence, ImageSequence, VideoSequence
from uplift_ros.offline.keyframe_intervals import raw_intervals
from uplift_ros.offline.results import GraphBag, is_complete
from uplift_ros.parameters import TABLES
from uplift_ros.pipeline import Pipeline
from uplift_ros.poses import NANOSECONDS
from uplift_ros.settings import NodeSettings, Settings
from uplift_ros.sources import is_stream
from uplift_ros.sources.video import MAX_FPS
from uplift_ros.stages import build, build_detection
from uplift_ros.stages.problem import Problem
from uplift_ros.streaming.clock import is_pause, is_step_back

ODD_STAMPS = "odd_stamps"

LOST = (LOST_IMAGE, LOST_FRAMES, ODD_STAMPS)
"""Kinds of problems which mean that part of the input is missing in the output."""

STAGES = ("camera", "pose_estimator", "uplift", "refiner")
"""Nodes that this command replaces; their parameters apply here, as far as the stages read them."""

INPUT_ERRORS = (ValueError, OSError)
"""Errors of bad input, reported by message only; any other error is reported with its type."""


@dataclass(frozen=True)
class Networks:
    """Networks, which take long to load, shared by all inputs.

    Args:
        settings: all parameters by node.
    """

    settings: Mapping[str, NodeSettings]
    estimator: PoseEstimator
    uplift: build.UpliftNetwork
    refine: Refining | None

    @classmethod
    def load(cls, settings: Settings) -> "Networks":
        """Load the networks.

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
        """Build a new pipeline.

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
    """Result of one input.

    Attributes:
        seconds: recorded time.
        duration: seconds of processing.
        problems: number of problems by kind; `messages` has the first message of each.
    """

    images: int = 0
    keyframes: int = 0
    seconds: float = 0.0
    duration: float = 0.0
    problems: Counter[str] = field(default_factory=Counter)
    messages: dict[str, str] = field(default_factory=dict)

    @property
    def is_complete(self) -> bool:
        """Whether all of the input is in the output."""
        return not any(self.problems[kind] for kind in LOST)

    def add(self, problems: Iterable[Problem]) -> None:
        """Count problems."""
        for problem in problems:
            self.problems[problem.kind] += 1
            self.messages.setdefault(problem.kind, problem.message)

    def __str__(self) -> str:
        speed = self.seconds / max(self.duration, 1e-9)
        problems = [f"; {kind} ({count}): {self.messages[kind]}" for kind, count in self.problems.items()]
        return (
            f"{self.images} frames, {self.keyframes} key-frames, "
            f"{self.seconds:.1f} s in {self.duration:.1f} s, {speed:.1f} times real time{''.join(problems)}"
        )


def process(sequence: ImageSequence, pipeline: Pipeline, output: Path) -> ProcessResult:
    """Send all images through the pipeline and write the results. Equal input gives equal bytes.

    An image that cannot be decoded is counted, and the next one becomes the key-frame.

    Raises:
        ValueError: there are no images, or no key-frame can be decoded.
        BagError: the bag is damaged, or the output cannot be written; no partial output remains.
    """
    result = ProcessResult()
    started = time.monotonic()
    newest = None
    with (
        GraphBag(output) as bag,
        closing(raw_intervals(sequence, pipeline)) as intervals,
        tqdm(total=sequence.length or None, unit="frame", disable=None, leave=False) as bar,
    ):
        for interval in intervals:
            images = interval.images
            for image in images:
                bag.write_image(image.stamp, image.frame_id, image.camera)
                # Recorded time, without jumps and pauses.
                if newest is not None and image.stamp > newest and not is_pause(image.stamp, newest):
                    result.seconds += (image.stamp - newest) / NANOSECONDS
                if newest is not None and is_step_back(image.stamp, newest):
                    moved = f"stamps go back from {newest / NANOSECONDS:.3f} to {image.stamp / NANOSECONDS:.3f} s"
                    result.add([Problem("jump", f"{moved}: people have new ids from there on")])
                newest = image.stamp
            step = pipeline.refine(interval.step)
            bag.write_step(step)
            result.add([*interval.problems, *step.uplifting.problems, *step.refining.problems])
            result.keyframes += (step.keyframe is not None) + len(step.older)
            result.images += len(images)
            bar.update(len(images))
        result.add(sequence.problems)
        if result.images > max(1, MAX_FPS * result.seconds):
            span = f"{result.images} images in {result.seconds:.3f} s, without jumps and pauses"
            result.add([Problem(ODD_STAMPS, f"stamps do not advance as time does: {span}")])
        if not result.keyframes:
            raise ValueError(
                next((result.messages[kind] for kind in LOST if result.problems[kind]), "there are no images")
            )
        bag.write_step(pipeline.flush())
        bag.write_problems(newest or 0, [(kind, result.messages[kind]) for kind in LOST if result.problems[kind]])
    result.duration = time.monotonic() - started
    return result


def outputs(inputs: Sequence[Path], out: Path) -> list[Path]:
    """Output path of each input: `out` itself if it ends in .mcap, else a file in the folder `out`.

    Raises:
        ValueError: two inputs would go to one file, or an input would be overwritten.
    """
    paths = [out] * len(inputs) if out.suffix == ".mcap" else [out / f"{_stem(source)}.mcap" for source in inputs]
    resolved = {os.path.realpath(source) for source in inputs}
    sources: dict[Path, Path] = {}
    for source, path in zip(inputs, paths, strict=True):
        if path in sources:
            raise ValueError(f"--out {out}: {sources[path]} and {source} would both go to {path}")
        if os.path.realpath(path) in resolved:
            raise ValueError(f"--out {out}: the input {path} would be overwritten")
        sources[path] = source
    return paths


def _stem(path: Path) -> str:
    """Name without its suffix; of . and .. that of the folder."""
    return (path if path.stem.strip(".") else Path(os.path.realpath(path))).stem


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "input", nargs="+", type=_input, help="video or bag (rosbag2 folder, MCAP, SQLite or ROS 1, of any name)"
    )
    parser.add_argument(
        "-o",
        "--out",
        type=node_settings.path,
        required=True,
        help="the .mcap file to write; else a folder, where inputs whose output exists and is complete are skipped",
    )
    node_settings.add_arguments(parser)
    parser.add_argument("--image-topic", metavar="TOPIC", help="of bags; default: the only one")
    parser.add_argument(
        "--camera-info-topic", metavar="TOPIC", help="of bags; default: the one beside the images; '' for none"
    )
    known = parser.add_mutually_exclusive_group()
    known.add_argument(
        "--camera-info",
        type=Path,
        metavar="FILE.yaml",
        help="intrinsics in the format of ROS's camera_calibration, for videos, and instead of those in bags",
    )
    known.add_argument("--fov", type=_degrees, metavar="DEGREES", help="horizontal field of view, likewise")
    parser.add_argument(
        "--depth-topic",
        metavar="TOPIC",
        help="of bags, for the parameter use_depth: depth images aligned with the images; default: /depth",
    )


def main(args: argparse.Namespace) -> int:
    """Process all inputs in turn; an input that fails does not stop the others."""
    settings = node_settings.load(args.params, node_settings.stride_overrides(args.stride))
    work = list(zip(args.input, outputs(args.input, args.out), strict=True))
    if args.out.suffix != ".mcap":
        finished = [(source, output) for source, output in work if output.exists() and is_complete(output)]
        for source, output in finished:
            print(f"{source}: {output} exists, skipping")
        work = [item for item in work if item not in finished]
    if not work:
        return 0
    networks = Networks.load(settings)
    networks.pipeline()  # settings out of range fail here, not once per input
    open_sequence = _opener(networks.settings, args)
    for node in networks.settings.values():
        for name in node.without_effect:
            print(f"parameter {name} of node {node.node} has no effect here", file=sys.stderr)
    codes = {_attempt(source, output, networks, open_sequence) for source, output in work}
    return 1 if 1 in codes else max(codes)


def _attempt(source: Path, output: Path, networks: Networks, open_sequence: Callable[[Path], ImageSequence]) -> int:
    """Process one input, print its result and return the exit code."""
    try:
        with closing(open_sequence(source)) as sequence:
            result = process(sequence, networks.pipeline(), output)
    except Exception as error:
        kind = "" if isinstance(error, INPUT_ERRORS) else f"{type(error).__name__}: "
        print(f"{source}: {kind}{error}", file=sys.stderr, flush=True)
        return 1
    print(f"{source}: {result}", flush=True)
    return 0 if result.is_complete else INCOMPLETE


def _input(text: str) -> Path:
    """Parse the path of an input; a stream is none."""
    if is_stream(text):
        raise argparse.ArgumentTypeError(f"must be a file, a stream has no end: uplift run --source {text}")
    return node_settings.path(text)


def _degrees(text: str) -> float:
    """Parse an argument in degrees; returns radians."""
    radians = math.radians(node_settings.positive(text))
    allowed = next(parameter for parameter in TABLES["camera"] if parameter.name == "horizontal_fov")
    if not allowed.minimum <= radians <= allowed.maximum:
        low, high = math.degrees(allowed.minimum), math.degrees(allowed.maximum)
        raise argparse.ArgumentTypeError(f"must be {low:.0f} to {high:.0f} degrees, got {text}")
    return radians


def _opener(settings: Mapping[str, NodeSettings], args: argparse.Namespace) -> Callable[[Path], ImageSequence]:
    """Make a function that opens an input according to options and parameters.

    Raises:
        ValueError: the calibration file is invalid. When the function is called: the input cannot be read, or has no
            depth images although use_depth is true.
    """
    camera, use_depth = settings["camera"], settings["uplift"]["use_depth"]
    keeps_images = build.looks_back(settings["uplift"], settings["pose_estimator"])
    fps, usual_fov, frame_id = (camera[name] for name in ("fps", "horizontal_fov", "frame_id"))
    rectified = settings["uplift"]["rectified"]
    chosen_fov = args.fov or usual_fov
    calibration = load_calibration(args.camera_info) if args.camera_info else None
    if calibration and rectified:
        calibration = replace(calibration, rectified=True)
    in_bags: Intrinsics | None = FieldOfView(args.fov) if args.fov else calibration
    if args.depth_topic is not None and not use_depth:
        raise ValueError(f"--depth-topic needs the parameter use_depth, got {args.depth_topic!r} without it")
    depth_topic = (args.depth_topic or "/depth") if use_depth else None

    def open_sequence(source: Path) -> ImageSequence:
        if is_bag(source):
            return BagSequence(
                source, args.image_topic, args.camera_info_topic, depth_topic, intrinsics=in_bags, rectified=rectified
            )
        if use_depth:
            raise ValueError("parameter use_depth must be false: a video has no depth images")
        if args.image_topic is not None or args.camera_info_topic is not None:
            raise ValueError("--image-topic and --camera-info-topic are for bags: a video has no topics")
        return VideoSequence(source, fps, chosen_fov, frame_id, calibration, keeps_images=keeps_images)

    return open_sequence
