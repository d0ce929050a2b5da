"""Run the graph from camera images to skeletons: pose_estimator, uplift, refiner and visualizer.

ros2 launch uplift_ros uplift.launch.py image:=/camera/color/image_raw camera_info:=/camera/color/camera_info
"""

import os
from collections.abc import Sequence
from pathlib import Path

import yaml
from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import (
    DeclareLaunchArgument,
    GroupAction,
    IncludeLaunchDescription,
    OpaqueFunction,
    SetEnvironmentVariable,
)
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch_ros.actions import Node

from uplift_ros.estimators import BACKENDS
from uplift_ros.fastdds import image_profile
from uplift_ros.nodes.graph.launching import enclave_arguments, lifecycle_node, require
from uplift_ros.parameters import TABLES
from uplift_ros.paths import share_folder
from uplift_ros.settings import stride_overrides

NODES = ("pose_estimator", "uplift", "refiner", "visualizer")

PARAMETERS = {
    "model": ("uplift",),
    "latency": ("uplift",),
    "stride_slow": ("uplift",),
    "stride_fast": ("uplift",),
    "velocity_threshold": ("uplift",),
    "hold_frames": ("uplift",),
    "use_depth": ("uplift",),
    "playout": ("uplift",),
    "rectified": ("uplift", "visualizer"),
    "device": ("uplift", "refiner"),  # and pose_estimator with a backend that has devices
    "backend": ("pose_estimator",),
    "model_path": ("pose_estimator",),
    "image_transport": ("pose_estimator",),
    "phase": ("pose_estimator",),
}
"""Launch arguments that set the parameter of the same name, and the nodes that have it."""

UNLESS_EMPTY = " Empty: as in params_file."


def parameter_argument(name: str) -> DeclareLaunchArgument:
    parameter = next(parameter for parameter in TABLES[PARAMETERS[name][0]] if parameter.name == name)
    description = f"{parameter.description} ({parameter.allowed})" + UNLESS_EMPTY
    return DeclareLaunchArgument(name, default_value="", description=description)


ARGUMENTS = [
    DeclareLaunchArgument(
        "stride",
        default_value="",
        description="Frames from one key-frame to the next: an integer, or adaptive." + UNLESS_EMPTY,
    ),
    *map(parameter_argument, PARAMETERS),
    DeclareLaunchArgument("image", default_value="image_raw", description="Topic of the images."),
    DeclareLaunchArgument("camera_info", default_value="camera_info", description="Topic of the calibration."),
    DeclareLaunchArgument(
        "depth", default_value="depth", description="Topic of depth images aligned with the images, for use_depth."
    ),
    DeclareLaunchArgument("namespace", default_value="", description="Namespace of all nodes and relative topics."),
    DeclareLaunchArgument(
        "params_file",
        default_value=str(share_folder() / "config" / "uplift.yaml"),
        description="Parameters of all nodes; the arguments above override it.",
    ),
    DeclareLaunchArgument(
        "rviz", default_value="false", choices=["true", "false"], description="Show image, markers and TF in RViz."
    ),
    DeclareLaunchArgument(
        "humans",
        default_value="false",
        choices=["true", "false"],
        description="Publish people as in REP-155 (ROS4HRI), below /humans/bodies; needs hri_msgs.",
    ),
    DeclareLaunchArgument("record", default_value="", description="Bag to record the results to. Empty: no recording."),
    DeclareLaunchArgument(
        "use_sim_time", default_value="false", choices=["true", "false"], description="Take the time from /clock."
    ),
    DeclareLaunchArgument(
        "respawn", default_value="false", choices=["true", "false"], description="Restart a node that has died."
    ),
    DeclareLaunchArgument(
        "enclave",
        default_value="",
        description="Parent of the nodes' SROS2 enclaves: /robot gives /robot/uplift and so on. Empty: none.",
    ),
]


def chosen_parameters(arguments: dict[str, str], nodes: Sequence[str]) -> dict[str, dict]:
    """Parameters by node that are set by launch arguments."""
    chosen = {node: {"use_sim_time": arguments["use_sim_time"] == "true"} for node in nodes}
    for node, parameters in stride_overrides(arguments["stride"]).items():
        chosen[node] |= parameters
    if arguments["rviz"] == "true" and not arguments["playout"]:
        chosen["uplift"]["playout"] = True  # without playout, bursts of one stride look like jumps
    backend = BACKENDS.get(arguments["backend"])
    for name, owners in PARAMETERS.items():
        if arguments[name]:
            estimator = ("pose_estimator",) if name == "device" and backend and backend.has_devices else ()
            for node in (*owners, *estimator):
                chosen[node][name] = yaml.safe_load(arguments[name])
    return chosen


def start(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """Create the processes; a function of the context, because only non-empty arguments become parameters."""
    arguments = context.launch_configurations
    if not Path(arguments["params_file"]).is_file():  # launch_ros would silently ignore a missing file
        raise FileNotFoundError(f"params_file: there is no file {arguments['params_file']}")
    for argument, package in (("rviz", "rviz2"), ("humans", "hri_msgs"), ("record", "ros2bag")):
        if arguments[argument] not in ("", "false"):
            require(package, f"{argument}:={arguments[argument]}")
    nodes = (*NODES, "humans") if arguments["humans"] == "true" else NODES
    chosen = chosen_parameters(arguments, nodes)
    remappings = [
        (name, arguments[argument])
        for name, argument in (("image_raw", "image"), ("camera_info", "camera_info"), ("depth", "depth"))
    ]
    remappings.append(("image_raw/compressed", f"{arguments['image']}/compressed"))
    processes: list[LaunchDescriptionEntity] = [
        lifecycle_node(node, arguments, chosen[node], remappings) for node in nodes
    ]
    if arguments["rviz"] == "true":
        configuration = str(share_folder() / "config" / "uplift.rviz")
        simulated = {"use_sim_time": arguments["use_sim_time"] == "true"}
        processes.append(
            Node(
                package="rviz2",
                executable="rviz2",
                arguments=["-d", configuration],
                namespace=arguments["namespace"],
                parameters=[simulated],
                remappings=remappings,
                ros_arguments=enclave_arguments("rviz2", arguments),
            )
        )
    if arguments["record"]:
        recorder = PythonLaunchDescriptionSource(str(Path(__file__).with_name("record.launch.py")))
        recording = {"bag": arguments["record"]}.items()
        # Scoped: otherwise the included file would set `bag` and more for the launch file that includes this one.
        processes.append(GroupAction([IncludeLaunchDescription(recorder, launch_arguments=recording)]))
    return processes


def generate_launch_description() -> LaunchDescription:
    profiles = [SetEnvironmentVariable(variable, profile) for variable, profile in image_profile(os.environ).items()]
    return LaunchDescription([*ARGUMENTS, *profiles, OpaqueFunction(function=start)])
