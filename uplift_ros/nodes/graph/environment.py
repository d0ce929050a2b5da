"""Environment variables of the node processes."""

import os

from uplift_ros import fastdds


def node_environment() -> dict[str, str]:
    """This environment, with our Fast DDS profile and localhost-only discovery unless the user has set them."""
    completed = dict(os.environ) | fastdds.image_profile(os.environ)
    completed.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    return completed
