"""Environment variables of the node processes."""

import os

from uplift_ros.paths import share_folder

FAST_DDS_2 = ("humble", "iron", "jazzy")
"""Distributions whose Fast DDS knows only the old name of the profile variable; newer ones warn about it."""


def node_environment() -> dict[str, str]:
    """This environment, with our Fast DDS profile and localhost-only discovery unless the user has set them."""
    completed = dict(os.environ)
    completed.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    if not {"FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE"} & set(completed):
        variable = "FASTRTPS" if completed.get("ROS_DISTRO") in FAST_DDS_2 else "FASTDDS"
        completed[f"{variable}_DEFAULT_PROFILES_FILE"] = str(share_folder() / "config" / "fastdds.xml")
    return completed
