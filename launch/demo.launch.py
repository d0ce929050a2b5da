"""Run the whole graph on the synthetic camera, a webcam or a video file, and show it in RViz.

ros2 launch uplift_ros demo.launch.py source:=0 stride:=adaptive
"""

from pathlib import Path

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, OpaqueFunction
from launch.launch_description_sources import PythonLaunchDescriptionSource

from uplift_ros.nodes.graph.launching import camera_topics, lifecycle_node

UPLIFT = str(Path(__file__).with_name("uplift.launch.py"))


def camera(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    arguments = context.launch_configurations
    return [lifecycle_node("camera", arguments, {"source": arguments["source"]}, camera_topics(arguments))]


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                "source",
                default_value="synthetic",
                description="Image source: synthetic, a webcam index, or a video file.",
            ),
            DeclareLaunchArgument(
                "rviz",
                default_value="true",
                choices=["true", "false"],
                description="Show image, markers and TF in RViz.",
            ),
            # First, because it declares arguments that the camera uses too.
            IncludeLaunchDescription(PythonLaunchDescriptionSource(UPLIFT)),
            OpaqueFunction(function=camera),
        ]
    )
