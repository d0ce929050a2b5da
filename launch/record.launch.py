"""Record what the nodes publish, and on request the images, with rosbag2.

ros2 launch uplift_ros record.launch.py bag:=walk images:=compressed
"""

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, ExecuteProcess, OpaqueFunction

RESULTS = ("keyframes", "skeletons", "skeletons/raw", "skeletons/live", "rate_state", "skeleton_info", "markers")
CAMERA = ("camera_info", "ground_truth")
EVERYWHERE = ("tf", "tf_static", "diagnostics")
"""Topics that no namespace moves."""

IMAGES = {
    "none": (),
    "raw": ("image_raw",),
    "compressed": ("image_raw/compressed",),
    "all": ("image_raw", "image_raw/compressed", "depth", "overlay"),
}

ARGUMENTS = [
    DeclareLaunchArgument("bag", default_value="uplift_bag", description="Folder of the new bag."),
    DeclareLaunchArgument("namespace", default_value="", description="Namespace of the nodes."),
    DeclareLaunchArgument(
        "images", default_value="none", choices=list(IMAGES), description="Which image topics to record as well."
    ),
]


def topics(namespace: str, images: str) -> str:
    """A regular expression that matches the whole name of every topic to record."""
    below = f"/{namespace.strip('/')}/" if namespace.strip("/") else "/"
    return f"^({below}({'|'.join(RESULTS + CAMERA + IMAGES[images])})|/({'|'.join(EVERYWHERE)}))$"


def record(context: LaunchContext) -> list[ExecuteProcess]:
    arguments = context.launch_configurations
    expression = topics(arguments["namespace"], arguments["images"])
    # --regex is the one way to name topics that every distribution since Humble understands.
    command = ["ros2", "bag", "record", "--storage", "mcap", "--output", arguments["bag"], "--regex", expression]
    return [ExecuteProcess(cmd=command, output="screen", name="recorder")]


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription([*ARGUMENTS, OpaqueFunction(function=record)])
