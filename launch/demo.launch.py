"""The whole graph on the synthetic camera, or on a webcam or video file, shown in RViz.

ros2 launch uplift_ros demo.launch.py source:=0 stride:=adaptive
"""

from pathlib import Path

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import LifecycleNode
from launch_ros.parameter_descriptions import ParameterValue

UPLIFT = str(Path(__file__).with_name("uplift.launch.py"))


def generate_launch_description() -> LaunchDescription:
    source = ParameterValue(LaunchConfiguration("source"), value_type=str)
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                "source",
                default_value="synthetic",
                description="What to film: synthetic, the number of a webcam, or a video file.",
            ),
            DeclareLaunchArgument(
                "rviz",
                default_value="true",
                choices=["true", "false"],
                description="Show image, markers and TF in RViz.",
            ),
            # First, because it declares the namespace and the parameter file that the camera takes too.
            IncludeLaunchDescription(PythonLaunchDescriptionSource(UPLIFT)),
            LifecycleNode(
                package="uplift_ros",
                executable="camera",
                name="camera",
                namespace=LaunchConfiguration("namespace"),
                parameters=[LaunchConfiguration("params_file"), {"source": source}],
                output="screen",
            ),
        ]
    )
