"""The Fast DDS profile of this package, config/fastdds.xml, with a shared memory that holds images.

A participant fills its shared memory when it starts, 16 MiB with this profile, and sends from it: only processes that
send images need it.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from uplift_ros.paths import share_folder

PROFILE_VARIABLES = ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE")
"""Environment variables with a profile's path: the name since Fast DDS 3, and the former one."""

FAST_DDS_2 = ("humble", "iron", "jazzy")
"""Distributions whose Fast DDS knows only the former name; newer ones warn about it."""


def own_profile() -> Path:
    """Path of config/fastdds.xml."""
    return share_folder() / "config" / "fastdds.xml"


def chosen_profile(environment: Mapping[str, str]) -> tuple[str, str] | None:
    """The variable that selects a profile, and the profile; None if there is none."""
    return next(((name, environment[name]) for name in PROFILE_VARIABLES if environment.get(name)), None)


def profile_variable(environment: Mapping[str, str]) -> str:
    """Name of the variable in this distribution."""
    return PROFILE_VARIABLES[environment.get("ROS_DISTRO") in FAST_DDS_2]


def image_profile(environment: Mapping[str, str]) -> dict[str, str]:
    """Variable that selects our profile for processes that send images; empty if the user has selected one."""
    if chosen_profile(environment):
        return {}
    return {profile_variable(environment): str(own_profile())}


def save_memory() -> None:
    """Start without our profile, because this process sends no images; call it before `rclpy.init`."""
    chosen = chosen_profile(os.environ)
    if chosen and Path(chosen[1]).resolve() == own_profile().resolve():
        del os.environ[chosen[0]]
