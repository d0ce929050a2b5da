"""Record what the nodes publish, and on request the images, with rosbag2.

ros2 launch uplift_ros record.launch.py bag:=walk images:=compressed
"""

import re
from collections.abc import Mapping

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, ExecuteProcess, OpaqueFunction

RESULTS = ("keyframes", "skeletons", "skeletons/raw", "skeletons/live", "rate_state", "skeleton_info", "markers")
EVERYWHERE = ("/tf", "/tf_static", "/diagnostics")
"""Topics that no namespace moves."""

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


def topics(arguments: Mapping[str, str]) -> str:
    """A regular expression that matches the whole name of every topic to record."""
    images = [name.format_map(arguments) for name in IMAGES[arguments["images"]]]
    names = [*RESULTS, arguments["camera_info"], "ground_truth", *images, *EVERYWHERE]
    namespace = arguments["namespace"].strip("/")
    below = f"/{namespace}/" if namespace else "/"
    return f"^({'|'.join(re.escape(name if name.startswith('/') else below + name) for name in names)})$"


def record(context: LaunchContext) -> list[ExecuteProcess]:
    arguments = context.launch_configurations
    # --regex is the one way to name topics that every distribution since Humble understands.
    command = ["ros2", "bag", "record", "--storage", "mcap", "--output", arguments["bag"], "--regex", topics(arguments)]
    return [ExecuteProcess(cmd=command, output="screen", name="recorder")]


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription([*ARGUMENTS, OpaqueFunction(function=record)])
