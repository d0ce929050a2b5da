"""What the launch files share; needs launch_ros."""

from collections.abc import Iterable, Mapping

from ament_index_python.packages import PackageNotFoundError, get_package_prefix
from launch_ros.actions import Node

PATIENCE = "15"
"""Seconds from Ctrl-C to SIGTERM: on a busy machine a process with a network takes more than launch's 5 to end."""

RESPAWN_DELAY = 2.0
"""Seconds before a node that has died is started again."""


def lifecycle_node(
    name: str,
    arguments: Mapping[str, str],
    parameters: Mapping[str, object],
    remappings: Iterable[tuple[str, str]] = (),
) -> Node:
    """A node of this package, which activates itself: `ros2 launch` need not take part in the graph, nor have a key.

    Args:
        name: of the executable and the node.
        arguments: of the launch file, of which every node takes namespace, params_file, enclave and respawn.
        parameters: over those of params_file.
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
        respawn_delay=RESPAWN_DELAY,
        sigterm_timeout=PATIENCE,
        output="screen",
    )


def require(package: str, argument: str) -> None:
    """Refuse a launch argument before anything has started: what a launch file raises later leaves orphans.

    Raises:
        RuntimeError: the package that the argument needs is not installed.
    """
    try:
        get_package_prefix(package)
    except PackageNotFoundError as error:
        raise RuntimeError(f"{argument} needs the package {package}, which is not installed") from error


def enclave_arguments(name: str, arguments: Mapping[str, str]) -> list[str]:
    """The SROS2 enclave of a node, below the one that was given, if one was."""
    return ["--enclave", f"{arguments['enclave'].rstrip('/')}/{name}"] if arguments["enclave"] else []
