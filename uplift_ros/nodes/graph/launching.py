"""What the launch files share; needs launch_ros."""

from collections.abc import Iterable, Mapping

from launch_ros.actions import LifecycleNode

PATIENCE = "15"
"""Seconds from Ctrl-C to SIGTERM: on a busy machine a process with a network takes more than launch's 5 to end."""

RESPAWN_DELAY = 2.0
"""Seconds before a node that has died is started again."""


def lifecycle_node(
    name: str,
    arguments: Mapping[str, str],
    parameters: Mapping[str, object],
    remappings: Iterable[tuple[str, str]] = (),
) -> LifecycleNode:
    """A node of this package, which activates itself.

    Args:
        name: of the executable and the node.
        arguments: of the launch file, of which every node takes namespace, params_file, enclave and respawn.
        parameters: over those of params_file.
    """
    return LifecycleNode(
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


def enclave_arguments(name: str, arguments: Mapping[str, str]) -> list[str]:
    """The SROS2 enclave of a node, below the one that was given, if one was."""
    return ["--enclave", f"{arguments['enclave'].rstrip('/')}/{name}"] if arguments["enclave"] else []
