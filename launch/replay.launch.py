"""Run the graph on a recorded bag, in the time of the bag.

ros2 launch uplift_ros replay.launch.py bag:=walk image:=/camera/image_raw camera_info:=/camera/camera_info
"""

import signal
from argparse import ArgumentTypeError
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from launch import Action, LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    ExecuteProcess,
    IncludeLaunchDescription,
    OpaqueFunction,
    RegisterEventHandler,
    Shutdown,
    TimerAction,
)
from launch.event_handlers import OnProcessExit
from launch.events.process import ProcessExited, SignalProcess
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch_ros.actions import Node

from uplift_ros.nodes.graph.launching import require
from uplift_ros.settings import positive

UPLIFT = str(Path(__file__).with_name("uplift.launch.py"))

PROCESSING = ("pose_estimator", "uplift", "refiner")
"""Nodes in the order of the data; each waits at its end for the last messages of the one before."""


CLOCK_HZ = 100
"""Of recorded time, whatever the playback speed: timers of the nodes follow it."""

LAST_SKELETONS_S = 20.0
"""Seconds after which the launch ends in any case, also if the refiner had ended before the player."""


def player(context: LaunchContext) -> list[ExecuteProcess]:
    """Play only the topics of the camera and the robot: recorded results must not mix with new ones."""
    arguments = context.launch_configurations
    topics = [arguments["image"], f"{arguments['image']}/compressed", arguments["camera_info"], arguments["depth"]]
    if arguments["tf"] == "true":
        topics += ["/tf", "/tf_static"]
    clock_hz = CLOCK_HZ * float(arguments["rate"])
    play = ["ros2", "bag", "play", arguments["bag"], "--clock", f"{clock_hz:g}"]
    play += ["--rate", arguments["rate"], "--delay", arguments["delay"]]
    return [ExecuteProcess(cmd=[*play, "--topics", *topics], name="player", output="screen", on_exit=ended)]


def ended(event: ProcessExited, _context: LaunchContext) -> list[Action]:
    """End the nodes when the player ends, and after them the launch: a recorder gets their last skeletons.

    Raises:
        RuntimeError: the player failed; the launch ends with an error too.
    """
    if event.returncode:
        raise RuntimeError(f"the player of the bag failed with exit code {event.returncode}")
    stop = SignalProcess(signal_number=signal.SIGINT, process_matcher=partial(runs, PROCESSING))
    end = Shutdown(reason="the bag has ended")
    return [
        RegisterEventHandler(OnProcessExit(target_action=partial(runs, PROCESSING[-1:]), on_exit=end)),
        TimerAction(period=LAST_SKELETONS_S, actions=[end]),
        EmitEvent(event=stop),
    ]


def runs(executables: Sequence[str], action: Action) -> bool:
    """Whether a process runs one of these nodes."""
    return isinstance(action, Node) and action.node_executable in executables


def check(context: LaunchContext) -> None:
    require("ros2bag", "replay.launch.py")
    try:
        positive(context.launch_configurations["rate"])
    except ArgumentTypeError as error:
        raise ValueError(f"rate {error}") from error


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription(
        [
            DeclareLaunchArgument("bag", description="Bag with images and camera_info."),
            DeclareLaunchArgument("rate", default_value="1.0", description="Playback speed, 1 is real time."),
            DeclareLaunchArgument("delay", default_value="5.0", description="Seconds before the bag starts."),
            DeclareLaunchArgument("image", default_value="/image_raw", description="Topic of the images in the bag."),
            DeclareLaunchArgument(
                "camera_info", default_value="/camera_info", description="Topic of the calibration in the bag."
            ),
            DeclareLaunchArgument("depth", default_value="/depth", description="Topic of depth images in the bag."),
            DeclareLaunchArgument(
                "tf",
                default_value="false",
                choices=["true", "false"],
                description="Play the bag's transforms, for a target_frame; they include recorded body frames.",
            ),
            DeclareLaunchArgument(
                "use_sim_time",
                default_value="true",
                choices=["true", "false"],
                description="Take the time from the bag.",
            ),
            OpaqueFunction(function=check),
            IncludeLaunchDescription(PythonLaunchDescriptionSource(UPLIFT)),
            OpaqueFunction(function=player),
        ]
    )
