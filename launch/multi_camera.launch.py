"""Run one graph per camera, each in a namespace named after its camera.

ros2 launch uplift_ros multi_camera.launch.py cameras:=front,rear
ros2 launch uplift_ros multi_camera.launch.py cameras:=left,right sources:=0,2
ros2 launch uplift_ros multi_camera.launch.py cameras:=left,right target_frame:=map      # and one skeleton per person
"""

from pathlib import Path

from launch import Action, LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, GroupAction, IncludeLaunchDescription, OpaqueFunction
from launch.launch_description_sources import (
    PythonLaunchDescriptionSource,
    get_launch_description_from_python_launch_file,
)

from uplift_ros.nodes.graph.launching import camera_topics, lifecycle_node
from uplift_ros.settings import names_in

UPLIFT = str(Path(__file__).with_name("uplift.launch.py"))
RECORD = str(Path(__file__).with_name("record.launch.py"))

PER_CAMERA = ("namespace", "rviz", "humans", "phase")
"""Arguments of uplift.launch.py that are set per camera and not by the user. The topics of ROS4HRI bodies are absolute,
so two cameras would publish two people with the same id."""


def graph(name: str, arguments: dict[str, str], source: str | None, phase: float) -> GroupAction:
    """Start the graph of one camera, and a camera node if a source is given.

    Args:
        phase: part of the stride, so that the cameras' key-frames, which cost most, take turns.
    """
    record = f"{arguments['record']}_{name}" if arguments["record"] else ""
    enclave = f"{arguments['enclave'].rstrip('/')}/{name}" if arguments["enclave"] else ""
    own = {"namespace": name, "rviz": "false", "humans": "false", "record": record, "enclave": enclave}
    own["phase"] = f"{phase:.2f}"
    actions = [IncludeLaunchDescription(PythonLaunchDescriptionSource(UPLIFT), launch_arguments=own.items())]
    if source:
        parameters = {"source": source, "frame_id": f"{name}_optical_frame"}
        actions.append(lifecycle_node("camera", arguments | own, parameters, camera_topics(arguments)))
    return GroupAction(actions)


def together(cameras: list[str], arguments: dict[str, str]) -> GroupAction:
    """Start a refiner that fuses all cameras, its visualizer and its recorder, outside the cameras' namespaces."""
    first, *further = (f"{name}/skeletons/raw" for name in cameras)
    shared = {"use_sim_time": arguments["use_sim_time"] == "true"}
    views = {"target_frame": arguments["target_frame"], "views": ",".join(further)}
    if arguments["device"]:
        views["device"] = arguments["device"]
    above = arguments | {"namespace": ""}
    actions: list[Action] = [
        lifecycle_node("refiner", above, shared | views, [("skeletons/raw", first)]),
        lifecycle_node("visualizer", above, shared),
    ]
    if arguments["record"]:
        bag = {"bag": f"{arguments['record']}_together", "namespace": ""}
        actions.append(IncludeLaunchDescription(PythonLaunchDescriptionSource(RECORD), launch_arguments=bag.items()))
    return GroupAction(actions)


def graphs(context: LaunchContext) -> list[GroupAction]:
    arguments = context.launch_configurations
    cameras = names_in(arguments["cameras"])
    sources = names_in(arguments["sources"]) or [None] * len(cameras)
    if not cameras or len(set(cameras)) < len(cameras):
        raise ValueError(f"cameras must be different names like front,rear, got {arguments['cameras']!r}")
    if len(sources) != len(cameras):
        raise ValueError(f"sources must name one source for each of {len(cameras)} cameras, got {len(sources)}")
    started = [
        graph(name, arguments, source, index / len(cameras))
        for index, (name, source) in enumerate(zip(cameras, sources, strict=True))
    ]
    return [*started, together(cameras, arguments)] if arguments["target_frame"] else started


def generate_launch_description() -> LaunchDescription:
    shared = [
        argument
        for argument in get_launch_description_from_python_launch_file(UPLIFT).get_launch_arguments()
        if argument.name not in PER_CAMERA
    ]
    return LaunchDescription(
        [
            DeclareLaunchArgument("cameras", description="Names of the cameras, used as their namespaces: front,rear."),
            DeclareLaunchArgument(
                "sources",
                default_value="",
                description="A webcam index, video file or synthetic per camera. Empty: other nodes publish images.",
            ),
            DeclareLaunchArgument(
                "target_frame",
                default_value="",
                description="Frame, such as map, in which the skeletons of all cameras are fused to one per person, on "
                "the topic skeletons. Needs the cameras' transforms on /tf. Empty: no fusion.",
            ),
            *shared,
            OpaqueFunction(function=graphs),
        ]
    )
