"""Run the graph over a recorded bag, on the bag's own time.

ros2 launch uplift_ros replay.launch.py bag:=walk image:=/camera/image_raw camera_info:=/camera/camera_info
"""

from pathlib import Path

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, ExecuteProcess, IncludeLaunchDescription, Shutdown
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration

UPLIFT = str(Path(__file__).with_name("uplift.launch.py"))


def generate_launch_description() -> LaunchDescription:
    image = LaunchConfiguration("image")
    play = ["ros2", "bag", "play", LaunchConfiguration("bag"), "--clock"]
    play += ["--rate", LaunchConfiguration("rate"), "--delay", LaunchConfiguration("delay")]
    # Only what the camera said: results in the bag must not mix with the new ones.
    play += [
        "--topics",
        image,
        [image, "/compressed"],
        LaunchConfiguration("camera_info"),
        LaunchConfiguration("depth"),
    ]
    return LaunchDescription(
        [
            DeclareLaunchArgument("bag", description="Bag with images and camera_info."),
            DeclareLaunchArgument("rate", default_value="1.0", description="Speed, 1 is real time."),
            DeclareLaunchArgument("delay", default_value="5.0", description="Seconds given to the nodes to start."),
            DeclareLaunchArgument("image", default_value="/image_raw", description="Topic of the images in the bag."),
            DeclareLaunchArgument(
                "camera_info", default_value="/camera_info", description="Topic of the calibration in the bag."
            ),
            DeclareLaunchArgument("depth", default_value="/depth", description="Topic of depth images in the bag."),
            DeclareLaunchArgument(
                "use_sim_time",
                default_value="true",
                choices=["true", "false"],
                description="Take the time from the bag.",
            ),
            IncludeLaunchDescription(PythonLaunchDescriptionSource(UPLIFT)),
            ExecuteProcess(cmd=play, name="player", output="screen", on_exit=Shutdown(reason="the bag has ended")),
        ]
    )
