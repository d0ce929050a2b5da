"""`uplift doctor`: report of what is installed, what is missing, which networks load, and whether images get lost."""

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

from uplift_ros import estimators, fastdds
from uplift_ros.estimators import blazepose_files
from uplift_ros.settings import at_least, defaults_of

DEFAULT_SEGMENT = 512 * 1024
"""Bytes of Fast DDS's shared memory without a profile; a larger image is sent in fragments over UDP."""

LOADS = "loads"
MAX_IMAGE_SIDE = 65535
"""Maximum width and height of a JPEG, more than any camera has."""

RECEIVE_BUFFER = Path("/proc/sys/net/core/rmem_max")


class Package(NamedTuple):
    """Attributes: module that is imported; distribution on PyPI, or empty if it comes with ROS; purpose."""

    module: str
    distribution: str
    purpose: str


PACKAGES = (
    Package("uplift_ros", "uplift_ros", "all of this"),
    Package("numpy", "numpy", "everything"),
    Package("scipy", "scipy", "several people, filters"),
    Package("cv2", "opencv-python-headless", "images"),
    Package("onnxruntime", "onnxruntime", "the networks; 2D networks of your own"),
    Package("ai_edge_litert", "ai-edge-litert", "the 2D estimator blazepose"),
    Package("rosbags", "rosbags", "uplift process, uplift run --record"),
    Package("mcap", "mcap", "bags"),
    Package("zstandard", "zstandard", "compressed bags"),
    Package("yaml", "PyYAML", "parameter files, calibrations, bags"),
    Package("tqdm", "tqdm", "progress bars"),
    Package("rich", "rich", "the table of uplift run"),
    Package("torch", "torch", "training and evaluation only"),
    Package("rclpy", "", "nodes"),
    Package("uplift_ros.msg", "", "nodes: our messages, of colcon build or make build"),
    Package("launch_ros", "", "launch files; without it: uplift run"),
    Package("message_filters", "", "depth images"),
    Package("tf2_ros", "", "target_frame"),
    Package("rosbag2_py", "", "ros2 bag; without it: uplift record, uplift play"),
    Package("hri_msgs", "", "the node humans (REP-155)"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--camera-info", metavar="TOPIC", help="take the size of the images from a running camera")
    size.add_argument(
        "--size",
        type=at_least(1, MAX_IMAGE_SIDE),
        nargs=2,
        default=(640, 480),
        metavar=("WIDTH", "HEIGHT"),
        help="default: 640 480",
    )


def main(args: argparse.Namespace) -> int:
    size = args.size
    if args.camera_info:
        from uplift_ros.nodes.graph.camera_size import camera_size

        if (size := camera_size(args.camera_info)) is None:
            raise ValueError(f"--camera-info must be a topic with messages, got nothing on {args.camera_info}")
    sections = {
        "Packages": packages(),
        "2D estimator": models(),
        "Networks": networks(),
        "Transport": transport(size[0] * size[1] * 3, os.environ),
    }
    for title, lines in sections.items():
        print(title, *(f"  {line}" for line in lines), "", sep="\n")
    return 0


def packages() -> Iterator[str]:
    """Report each package with its version, or what it is needed for if it is missing."""
    yield f"Python {sys.version.split()[0]}, ROS_DISTRO {os.environ.get('ROS_DISTRO') or 'not set'}"
    for module, distribution, purpose in PACKAGES:
        if not _is_installed(module):
            yield f"{distribution or module}: missing, needed for {purpose}"
            continue
        yield f"{distribution or module}: {_version(distribution)}"


def models() -> Iterator[str]:
    """Report which of BlazePose's models load, and their files."""
    for model in (blazepose_files.AUTO, *blazepose_files.MODELS):
        verdict = _loads(partial(estimators.create, "blazepose", defaults_of("pose_estimator", model=model)))
        yield f"{model}: {verdict}" + (f" {_landmarks(model)}" if verdict == LOADS else "")


def _landmarks(model: str) -> str:
    """Names of the landmark networks of a model."""
    files = blazepose_files.locate(model)
    return ", ".join(dict.fromkeys(path.name for path in (files.landmarks, files.quick)))


def networks() -> Iterator[str]:
    """Report which of the networks that nodes use by default load, on each device that ONNX Runtime offers."""
    if not _is_installed("onnxruntime"):
        return
    from uplift_ros.models import runtime

    uplift, refiner = defaults_of("uplift")["model"], defaults_of("refiner")["model"]
    for device in runtime.installed():
        yield f"{uplift} on {device}: {_loads(partial(runtime.load_uplift, uplift, device))}"
        yield f"{refiner} on {device}: {_loads(partial(runtime.load_refine, refiner, device))}"


def transport(image_bytes: int, environment: Mapping[str, str]) -> Iterator[str]:
    """Report the Fast DDS profile that a node of this shell uses, and whether it loses images of this size."""
    implementation = environment.get("RMW_IMPLEMENTATION") or "rmw_fastrtps_cpp (default)"
    yield f"RMW_IMPLEMENTATION: {implementation}"
    if "fastrtps" not in implementation:
        yield f"an image has {image_bytes} bytes; {receive_buffer()}"
        return
    chosen, ours = fastdds.chosen_profile(environment), fastdds.own_profile()
    if chosen is None:
        yield f"no profile is set here; launch files and uplift run set {ours}"
    else:
        yield "{}: {}".format(*chosen)
    segment = segment_size(Path(chosen[1])) if chosen else DEFAULT_SEGMENT
    if segment is None:
        yield f"that profile cannot be read: images over {DEFAULT_SEGMENT} bytes may get lost"
    elif image_bytes > segment:
        yield (
            f"images of {image_bytes} bytes exceed the shared memory of {segment} and will get lost: "
            f"export {fastdds.profile_variable(environment)}={ours} for the camera's driver too; {receive_buffer()}"
        )
    else:
        yield f"images of {image_bytes} bytes fit into the shared memory of {segment}"


def segment_size(profile: Path) -> int | None:
    """Bytes of shared memory that a Fast DDS profile sets; None if it cannot be read."""
    try:
        root = ElementTree.parse(profile).getroot()  # the user's own file  # noqa: S314
    except (OSError, ElementTree.ParseError):
        return None
    sizes = [element.text for element in root.iter() if element.tag.endswith("segment_size")]
    return int(sizes[0]) if sizes and sizes[0] and sizes[0].isdigit() else DEFAULT_SEGMENT


def receive_buffer() -> str:
    """Report the kernel's limit of a UDP receive buffer."""
    size = RECEIVE_BUFFER.read_text().strip() if RECEIVE_BUFFER.exists() else "unknown"
    return f"net.core.rmem_max is {size} bytes"


def _loads(load: Callable[[], object]) -> str:
    try:
        load()
    except (ImportError, OSError, ValueError) as error:
        return str(error)
    return LOADS


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except (metadata.PackageNotFoundError, ValueError):
        return "installed"
