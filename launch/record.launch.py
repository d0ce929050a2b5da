"""Record the topics of the nodes, and on request the images, with rosbag2.

ros2 launch uplift_ros record.launch.py bag:=walk images:=compressed
"""

import atexit
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

import yaml
from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, ExecuteProcess, OpaqueFunction

BURSTS = ("keyframes", "keyframe_requests", "skeletons", "skeletons/raw", "skeletons/live", "rate_state", "markers")
"""Topics with bursts of more messages than rosbag2's queue of 10 holds."""

EVERYWHERE = ("/tf", "/tf_static", "/diagnostics")
"""Absolute topics, which are the same in every namespace."""

IMAGES = {
    "none": (),
    "raw": ("{image}",),
    "compressed": ("{image}/compressed",),
    "all": ("{image}", "{image}/compressed", "{depth}", "overlay"),
}

ARGUMENTS = [
    DeclareLaunchArgument("bag", default_value="uplift_bag", description="Folder of the new bag."),
    DeclareLaunchArgument("namespace", default_value="", description="Namespace of the nodes."),
    DeclareLaunchArgument(
        "images", default_value="none", choices=list(IMAGES), description="Which image topics to record as well."
    ),
    DeclareLaunchArgument("image", default_value="image_raw", description="Topic of the images."),
    DeclareLaunchArgument("camera_info", default_value="camera_info", description="Topic of the calibration."),
    DeclareLaunchArgument("depth", default_value="depth", description="Topic of the depth images."),
]


def qos_overrides(arguments: Mapping[str, str]) -> dict[str, dict[str, object]]:
    """QoS overrides of the recorder's subscriptions by topic, with a longer queue than rosbag2's."""
    roomy = {"history": "keep_last", "depth": 1000, "reliability": "reliable", "durability": "volatile"}
    return {below(arguments) + name: roomy for name in BURSTS}


def below(arguments: Mapping[str, str]) -> str:
    """Prefix of topic names in the namespace."""
    namespace = arguments["namespace"].strip("/")
    return f"/{namespace}/" if namespace else "/"


def topics(arguments: Mapping[str, str]) -> str:
    """Regular expression that matches the full names of all topics to record."""
    images = [name.format_map(arguments) for name in IMAGES[arguments["images"]]]
    names = [*BURSTS, "skeleton_info", arguments["camera_info"], "ground_truth", *images, *EVERYWHERE]
    begin = below(arguments)
    return f"^({'|'.join(re.escape(name if name.startswith('/') else begin + name) for name in names)})$"


def record(context: LaunchContext) -> list[ExecuteProcess]:
    arguments = context.launch_configurations
    # --regex is the one way to name topics that every distribution since Humble understands.
    with tempfile.NamedTemporaryFile("w", prefix="uplift_qos_", suffix=".yaml", delete=False) as file:
        yaml.safe_dump(qos_overrides(arguments), file)
    atexit.register(Path(file.name).unlink, missing_ok=True)
    command = ["ros2", "bag", "record", "--storage", "mcap", "--output", arguments["bag"], "--regex", topics(arguments)]
    command += ["--qos-profile-overrides-path", file.name]
    return [ExecuteProcess(cmd=command, output="screen", name="recorder")]


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription([*ARGUMENTS, OpaqueFunction(function=record)])
