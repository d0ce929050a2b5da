"""Launch files as real launches, of processes that print their command instead of running it."""

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import yaml
from support.places import ROOT

FOLDER = ROOT / "launch"
PROFILES = ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE")

LAUNCH = """
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import AnyLaunchDescriptionSource
arguments = [argument.split(":=", 1) for argument in sys.argv[2:]]
included = IncludeLaunchDescription(AnyLaunchDescriptionSource(sys.argv[1]), launch_arguments=arguments)
service = LaunchService(noninteractive=True)
service.include_launch_description(LaunchDescription([included]))
sys.exit(service.run())
"""

REPORT = f"""
import json, os, sys
print("REPORT", json.dumps({{
    "command": sys.argv[1:],
    "files": {{name: open(name).read() for name in sys.argv if "/launch_params_" in name}},
    "profiles": [os.environ[name] for name in {PROFILES} if name in os.environ],
}}))
"""


@dataclass(frozen=True)
class Process:
    """Description of the process that would have been launched."""

    command: list[str]
    files: dict[str, str]
    profiles: list[str]

    @property
    def executable(self) -> str:
        return Path(self.command[0]).name

    @property
    def rules(self) -> dict[str, str]:
        """Remappings, and `__node` and `__ns`."""
        return dict(argument.split(":=", 1) for argument in self.command if re.match(r"[\w/]+:=", argument))

    @property
    def parameters(self) -> dict:
        """Parameters that override the parameter file."""
        merged: dict = {}
        for content in self.files.values():
            for node in yaml.safe_load(content).values():
                merged |= node["ros__parameters"]
        return merged


def launched_processes(
    file: str | Path, *arguments: str, scratch: Path, environment: dict[str, str] | None = None
) -> list[Process]:
    """Launch a file with arguments like `stride:=10`; return its processes.

    Args:
        scratch: folder for the script that stands in for them, and for logs.
        environment: variables beside those of this process.

    Raises:
        RuntimeError: the launch failed; with its output.
    """
    report = scratch / "report.py"
    report.write_text(REPORT)
    inherited = {name: value for name, value in os.environ.items() if name not in PROFILES}
    result = subprocess.run(
        [sys.executable, "-c", LAUNCH, str(FOLDER / file), f"launch-prefix:={sys.executable} {report}", *arguments],
        env=inherited | {"ROS_LOG_DIR": str(scratch / "log")} | (environment or {}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if result.returncode:
        raise RuntimeError(result.stderr + result.stdout)
    return [Process(**json.loads(found)) for found in re.findall(r"REPORT (\{.*\})", result.stdout)]
