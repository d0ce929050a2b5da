"""`uplift doctor`: report of installed and missing packages, and of whether images will be lost."""

import argparse
import os
import sys
from collections.abc import Iterator, Mapping
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

from uplift_ros import fastdds, paths
from uplift_ros.estimators import blazepose_files

DEFAULT_SEGMENT = 512 * 1024
"""Bytes of Fast DDS's shared memory without a profile; a larger image is sent in fragments over UDP."""

RECEIVE_BUFFER = Path("/proc/sys/net/core/rmem_max")


class Package(NamedTuple):
    """Attributes: module that is imported; distribution on PyPI, or empty if it comes with ROS; purpose."""

    module: str
    distribution: str
    purpose: str


PACKAGES = (
    Package("numpy", "numpy", "everything"),
    Package("scipy", "scipy", "several people, filters"),
    Package("cv2", "opencv-python-headless", "images"),
    Package("onnxruntime", "onnxruntime", "the networks; 2D networks of your own"),
    Package("ai_edge_litert", "ai-edge-litert", "the 2D estimator blazepose"),
    Package("rosbags", "rosbags", "uplift process, uplift run --record"),
    Package("mcap", "mcap", "bags"),
    Package("rich", "rich", "the table of uplift run"),
    Package("torch", "torch", "training and evaluation only"),
    Package("rclpy", "", "nodes"),
    Package("uplift_ros.msg", "", "nodes: our messages, of colcon build or make build"),
    Package("launch_ros", "", "launch files; without it: uplift run"),
    Package("message_filters", "", "depth images, several views"),
    Package("tf2_ros", "", "target_frame"),
    Package("rosbag2_py", "", "ros2 bag; without it: uplift record, uplift play"),
    Package("hri_msgs", "", "the node humans (REP-155)"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--width", type=int, default=640, help="of the camera's images (default: %(default)s)")
    parser.add_argument("--height", type=int, default=480, help="of the camera's images (default: %(default)s)")


def main(args: argparse.Namespace) -> int:
    sections = {
        "Packages": packages(),
        "2D estimator": models(),
        "Networks": providers(),
        "Transport": transport(args.width * args.height * 3, os.environ),
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
    """Report which of BlazePose's models can run."""
    for model in (blazepose_files.AUTO, *blazepose_files.MODELS):
        yield f"{model}: {_landmark_file(model)}"


def providers() -> Iterator[str]:
    """Report the available weights, and the providers of ONNX Runtime."""
    folder = paths.share_folder() / "weights"
    names = sorted(
        {path.name.partition(".")[0] for path in folder.iterdir() if path.suffix in (".onnx", ".safetensors")}
    )
    yield f"weights in {folder}: {', '.join(names) or 'none'}"
    if _is_installed("onnxruntime"):
        import onnxruntime

        yield f"ONNX Runtime's providers: {', '.join(onnxruntime.get_available_providers())}"


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


def _landmark_file(model: str) -> str:
    try:
        return str(blazepose_files.locate(model)[1])
    except ValueError as error:
        return str(error)


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
