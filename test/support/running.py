"""Running node processes of this installation and of this test's own ROS domain."""

import os
from pathlib import Path

from uplift_ros.parameters import TABLES
from uplift_ros.paths import node_script


def running_nodes() -> dict[str, int]:
    """Process ids by node."""
    scripts = {str(node_script(node)).encode(): node for node in TABLES}
    domain = f"ROS_DOMAIN_ID={os.environ['ROS_DOMAIN_ID']}".encode()
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().split(b"\0")
            environment = (process / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        nodes = [scripts[argument] for argument in command if argument in scripts]
        if nodes and domain in environment:
            found[nodes[0]] = int(process.name)
    return found
