"""Nodes load what they need and no more: a robot starts them all at once."""

import subprocess
import sys

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")
pytest.importorskip("uplift_ros.msg", reason="needs the built messages")

HEAVY = ("torch", "scipy", "matplotlib", "ai_edge_litert", "onnxruntime", "rosbags", "rich")
"""Packages that take long to import."""

NEEDED = {
    "camera": set(),
    "pose_estimator": set(),  # its backend is imported when it is known which
    "visualizer": set(),
    "humans": {"scipy"},
    "uplift": {"torch"},
    "refiner": {"torch"},
}

LOADED = "import sys, uplift_ros.{module}; print(*(name for name in {heavy} if name in sys.modules))"


@pytest.mark.parametrize("node", NEEDED)
def test_a_node_imports_only_the_heavy_packages_that_it_needs(node):
    code = LOADED.format(module=f"nodes.{node}_node", heavy=HEAVY)
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(finished.stdout.split()) == NEEDED[node]


def test_the_help_of_the_command_needs_none_of_them():
    code = LOADED.format(module="cli", heavy=HEAVY)
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert finished.stdout.split() == []
