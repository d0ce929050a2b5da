"""`uplift process`: videos and bags to skeletons, without ROS, as fast as it goes."""

import argparse
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from uplift_ros import estimators
from uplift_ros import settings as node_settings
from uplift_ros.bags.reader import is_bag
from uplift_ros.camera import Camera
from uplift_ros.estimators import PoseEstimator
from uplift_ros.models import runtime, weights
from uplift_ros.models.inference import UpliftInference
from uplift_ros.models.synsp import SynSP
from uplift_ros.offline.image_sequence import BagFootage, Footage, VideoFootage
from uplift_ros.offline.keyframe_intervals import raw_stretches
from uplift_ros.offline.results import GraphBag
from uplift_ros.pipeline import Pipeline
from uplift_ros.poses import NANOSECONDS, Keyframe
from uplift_ros.streaming import uncertainty
from uplift_ros.streaming.control import STRIDE_PARAMETERS, stride_controller
from uplift_ros.streaming.keyframes import KeyframeSchedule
from uplift_ros.streaming.refiner import StreamingRefiner
from uplift_ros.streaming.uplifter import StreamingUplifter

OF_NODES = (
    ("camera", "loop"),
    ("camera", "duration"),
    ("camera", "width"),
    ("camera", "height"),
    ("uplift", "playout"),
)
"""Parameters that would change what comes out of the nodes, and here do nothing."""

EXPECTED_ERRORS = (ValueError, OSError)
"""What bad input raises: the message says it all. Of anything else the type is told, too."""


@dataclass(frozen=True)
class Networks:
    """What takes long to load, shared by all inputs.

    Args:
        settings: every parameter of every node.
    """

    settings: node_settings.Settings
    estimator: PoseEstimator
    uplift: UpliftInference
    errors: uncertainty.ErrorModel | None
    refine: SynSP | None

    @classmethod
    def load(cls, settings: node_settings.Settings) -> "Networks":
        """
        Raises:
            FileNotFoundError: weights are missing.
            ValueError: a parameter is not supported.
            ImportError: a package that the estimator needs is not installed.
        """
        # A second thread gains next to nothing on networks this small, and on a busy machine threads that wait for each
        # other cost forty times the time (measured).
        torch.set_num_threads(1)
        estimation, uplift, refiner = settings["pose_estimator"], settings["uplift"], settings["refiner"]
        if refiner["target_frame"]:
            raise ValueError(
                f"parameter target_frame must be empty: only nodes look up transforms, got {refiner['target_frame']!r}"
            )
        network = runtime.load(str(uplift["model"]), str(uplift["device"]), str(uplift["precision"]))
        with_network = refiner["method"] == "synsp"
        refine = weights.load(str(refiner["model"]), SynSP, str(refiner["device"])) if with_network else None
        names = ("backend", "model_path", "device", "max_persons", "score_threshold")
        arguments: dict[str, Any] = {name: estimation[name] for name in names}
        errors = uncertainty.load(str(uplift["model"]))
        return cls(settings, estimators.create(**arguments), network, errors, refine)

    def pipeline(self) -> Pipeline:
        """A fresh one.

        Raises:
            ValueError: names the parameter that is out of range.
        """
        estimation: dict[str, Any] = self.settings["pose_estimator"]
        uplift: dict[str, Any] = self.settings["uplift"]
        refiner: dict[str, Any] = self.settings["refiner"]
        config = self.uplift.config
        values = {name: uplift[name] for name in STRIDE_PARAMETERS}
        streaming = {name: uplift[name] for name in ("latency", "output_rate", "person_height")}
        return Pipeline(
            self.estimator,
            StreamingUplifter(self.uplift, errors=self.errors, **streaming),
            StreamingRefiner(refiner["method"], refiner["delay"], self.refine),
            stride_controller(**values, s_out=config.token_stride, model_rate=config.model_rate),
            KeyframeSchedule(estimation["stride"], estimation["model_rate"]),
        )


@dataclass
class Outcome:
    """What became of one input.

    Attributes:
        seconds: of recorded time.
        duration: seconds that it took.
        trouble: with the intrinsics; empty where there was none.
    """

    images: int = 0
    keyframes: int = 0
    seconds: float = 0.0
    duration: float = 0.0
    trouble: str = ""

    def __str__(self) -> str:
        speed = self.seconds / self.duration
        without_scale = f" ({self.trouble}: skeletons around the origin, without scale)" if self.trouble else ""
        return (
            f"{self.images} frames, {self.keyframes} key-frames, "
            f"{self.seconds:.1f} s in {self.duration:.1f} s, {speed:.1f} times real time{without_scale}"
        )


def process(footage: Footage, pipeline: Pipeline, output: Path) -> Outcome:
    """Send all images through the pipeline and write what comes out. Equal input gives equal bytes.

    Raises:
        ValueError: there are no images, or one that is needed cannot be decoded.
        BagError: the bag is damaged, or the output cannot be written. Nothing is left behind.
    """
    outcome = Outcome()
    started = time.monotonic()
    first = last = None
    with (
        GraphBag(output) as bag,
        closing(raw_stretches(footage, pipeline)) as stretches,
        tqdm(total=footage.length or None, unit="frame", disable=None, leave=False) as bar,
    ):
        for stretch in stretches:
            images, keyframe = stretch.images, stretch.step.keyframe
            for image in images:
                bag.write_image(image.stamp, image.frame_id, image.camera)
            bag.write_step(pipeline.refine(stretch.step))
            if keyframe is not None:
                outcome.keyframes += 1
                outcome.trouble = outcome.trouble or _trouble(images[-1].camera, keyframe)
            outcome.images += len(images)
            first, last = first or images[0], images[-1]
            bar.update(len(images))
        if first is None or last is None:
            raise ValueError("there are no images")
        bag.write_step(pipeline.flush())
    outcome.seconds = (last.stamp - first.stamp) / NANOSECONDS
    outcome.duration = time.monotonic() - started
    return outcome


def _trouble(camera: Camera | None, keyframe: Keyframe) -> str:
    if camera is None:
        return "no intrinsics in camera_info"
    known, actual = (camera.width, camera.height), (keyframe.width, keyframe.height)
    if known != actual:
        return f"camera_info is of {known[0]}x{known[1]} images, these are {actual[0]}x{actual[1]}"
    return ""


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
    defaults = node_settings.load(None, {})
    for node, name in OF_NODES:
        if settings[node][name] != defaults[node][name]:
            print(f"parameter {name} of node {node} has no effect here", file=sys.stderr)
    networks.pipeline()  # settings out of range fail here, not once per input
    succeeded = [_attempt(source, output, networks, args) for source, output in work]
    return 0 if all(succeeded) else 1


def _attempt(source: Path, output: Path, networks: Networks, args: argparse.Namespace) -> bool:
    """Process one input and say what became of it."""
    try:
        with closing(_open(source, networks.settings["camera"], args)) as footage:
            outcome = process(footage, networks.pipeline(), output)
    except Exception as error:
        kind = "" if isinstance(error, EXPECTED_ERRORS) else f"{type(error).__name__}: "
        print(f"{source}: {kind}{error}", file=sys.stderr, flush=True)
        return False
    print(f"{source}: {outcome}", flush=True)
    return True


def _open(source: Path, camera: dict[str, Any], args: argparse.Namespace) -> Footage:
    if is_bag(source):
        return BagFootage(source, args.image_topic, args.camera_info_topic)
    return VideoFootage(source, camera["fps"], camera["horizontal_fov"], camera["frame_id"])
