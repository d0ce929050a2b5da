"""Nodes load only the modules that they need, since a robot starts all of them at once."""

import os
import subprocess
import sys

import pytest
from support.without_torch import BLOCK_TORCH

from uplift_ros import fastdds

pytest.importorskip("rclpy", reason="needs ROS 2")
pytest.importorskip("uplift_ros.msg", reason="needs the built messages")

HEAVY = ("torch", "scipy", "matplotlib", "ai_edge_litert", "onnxruntime", "rosbags", "rich")
"""Packages that take long to import."""

NEEDED = {
    "camera": set(),
    "pose_estimator": set(),  # its backend is imported when its name is known
    "visualizer": set(),
    "humans": {"scipy"},
    "uplift": {"onnxruntime"},
    "refiner": {"onnxruntime"},
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


def test_every_node_can_be_imported_without_pytorch():
    code = BLOCK_TORCH + "".join(f"import uplift_ros.nodes.{node}_node\n" for node in NEEDED)
    subprocess.run([sys.executable, "-c", code], check=True)


SEND_IMAGES = {"camera", "visualizer"}

PROFILE_AT_INIT = """
import os, rclpy


def init(**_):
    raise RuntimeError(os.environ.get({variable!r}))


rclpy.init = init
import uplift_ros.nodes.{node}_node as node
node.main()
"""
"""Prints the profile of the middleware instead of starting it."""


@pytest.mark.parametrize("node", NEEDED)
def test_only_nodes_that_send_images_start_with_the_shared_memory_for_them(node):
    variable, profile = fastdds.PROFILE_VARIABLES[0], str(fastdds.own_profile())
    finished = subprocess.run(
        [sys.executable, "-c", PROFILE_AT_INIT.format(variable=variable, node=node)],
        env=os.environ | {variable: profile},
        capture_output=True,
        text=True,
        check=True,
    )
    assert finished.stderr.strip() == (profile if node in SEND_IMAGES else "None")
