"""The demo under launch_testing; `launch_test test/ros/launch_demo.py` runs it, and so do colcon test and pytest.

It needs launch_testing, which no package on PyPI brings, so pytest runs it through test_launched_graph.py.
"""

import time
import unittest
from itertools import pairwise

import launch_testing
import rclpy
from launch import LaunchDescription
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch_testing.actions import ReadyToTest
from launch_testing.asserts import assertExitCodes
from uplift_ros.msg import Skeletons

from uplift_ros.messages.conversion import stamp_from_msg
from uplift_ros.nodes import qos
from uplift_ros.paths import share_folder

DEMO = str(share_folder() / "launch" / "demo.launch.py")
SKELETONS = 50
TIMEOUT = 90.0
"""Seconds; networks are loaded from a cold disk meanwhile."""

FRAME = 20_000_000
"""Nanoseconds from one skeleton to the next."""


def generate_test_description() -> LaunchDescription:
    demo = PythonLaunchDescriptionSource(DEMO)
    return LaunchDescription(
        [IncludeLaunchDescription(demo, launch_arguments={"rviz": "false", "stride": "8"}.items()), ReadyToTest()]
    )


class TestGraph(unittest.TestCase):
    """Checks while the nodes run."""

    def setUp(self) -> None:
        rclpy.init()
        self.node = rclpy.create_node("observer")

    def tearDown(self) -> None:
        self.node.destroy_node()
        rclpy.shutdown()

    def test_skeletons_come_at_50_hz_between_the_key_frames(self) -> None:
        stamps: list[int] = []
        self.node.create_subscription(
            Skeletons, "skeletons", lambda message: stamps.append(stamp_from_msg(message.header.stamp)), qos.poses()
        )
        deadline = time.monotonic() + TIMEOUT
        while len(stamps) < SKELETONS and time.monotonic() < deadline:
            rclpy.spin_once(self.node, timeout_sec=0.1)
        assert len(stamps) >= SKELETONS
        steps = sorted(late - early for early, late in pairwise(stamps))
        assert steps[0] > 0
        assert abs(steps[len(steps) // 2] - FRAME) < FRAME // 20


@launch_testing.post_shutdown_test()
class TestEnd(unittest.TestCase):
    """Checks after the nodes' shutdown."""

    def test_every_node_ends_cleanly(self, proc_info) -> None:
        assertExitCodes(proc_info)
