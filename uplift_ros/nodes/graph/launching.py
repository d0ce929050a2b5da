"""Helpers shared by the launch files; they need launch_ros."""

from collections.abc import Iterable, Mapping

from ament_index_python.packages import PackageNotFoundError, get_package_prefix
from launch_ros.actions import Node

SIGTERM_AFTER_S = "15"
"""Seconds from Ctrl-C to SIGTERM: on a busy machine a process with a network needs more than launch's default of 5."""

RESPAWN_AFTER_S = 2.0
"""Seconds before a node that has died is started again."""


def lifecycle_node(
    name: str,
    arguments: Mapping[str, str],
    parameters: Mapping[str, object],
    remappings: Iterable[tuple[str, str]] = (),
) -> Node:
    """Create a node of this package. It activates itself, so `ros2 launch` needs neither the graph nor an SROS2 key.

    Args:
        name: name of the executable and the node.
        arguments: launch arguments; every node uses namespace, params_file, enclave and respawn.
        parameters: parameters that override those of params_file.
    """
    return Node(
        package="uplift_ros",
        executable=name,
        name=name,
        namespace=arguments["namespace"],
        parameters=[arguments["params_file"], dict(parameters)],
        remappings=list(remappings),
        ros_arguments=enclave_arguments(name, arguments),
        respawn=arguments["respawn"] == "true",
        respawn_delay=RESPAWN_AFTER_S,
        sigterm_timeout=SIGTERM_AFTER_S,
        output="screen",
    )


def camera_topics(arguments: Mapping[str, str]) -> list[tuple[str, str]]:
    """Remappings by which the node camera publishes where the other nodes subscribe."""
    image = arguments["image"]
    topics = {
        "image_raw": image,
        "image_raw/compressed": f"{image}/compressed",
        "camera_info": arguments["camera_info"],
    }
    return list(topics.items())


def require(package: str, argument: str) -> None:
    """Check that the package of a launch argument is installed, before any process starts that an error would orphan.

    Raises:
        RuntimeError: the package that the argument needs is not installed.
    """
    try:
        get_package_prefix(package)
    except PackageNotFoundError as error:
        raise RuntimeError(f"{argument} needs the package {package}, which is not installed") from error


def enclave_arguments(name: str, arguments: Mapping[str, str]) -> list[str]:
    """ROS arguments for the SROS2 enclave of a node below the given one; empty without an enclave."""
    return ["--enclave", f"{arguments['enclave'].rstrip('/')}/{name}"] if arguments["enclave"] else []
