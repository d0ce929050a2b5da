"""Topics of each body, and a parameter with its URDF (REP-155)."""

from collections.abc import Set
from types import ModuleType
from typing import NamedTuple

from rcl_interfaces.msg import ParameterDescriptor
from rclpy.publisher import Publisher
from sensor_msgs.msg import JointState

from uplift_ros.human_model import HumanPose
from uplift_ros.nodes import qos
from uplift_ros.nodes.lifecycle.base import ManagedNode

DESCRIPTION = "human_description_"
"""Prefix of the parameters that hold a body's URDF; the body's id follows (REP-155, global parameters)."""


class Body(NamedTuple):
    """Publishers of a body."""

    skeleton2d: Publisher
    roi: Publisher
    joint_states: Publisher


class BodyTopics:
    """Topics and descriptions of the bodies that are tracked.

    Args:
        node: owns the publishers and parameters.
        hri: the module hri_msgs.msg.
    """

    def __init__(self, node: ManagedNode, hri: ModuleType) -> None:
        self._node, self._hri = node, hri
        self._bodies: dict[str, Body] = {}

    def __getitem__(self, body_id: str) -> Body:
        return self._bodies[body_id]

    def follow(self, ids: Set[str]) -> None:
        """Create the publishers of new bodies, destroy those of bodies that have left."""
        for gone in self._bodies.keys() - ids:
            for publisher in self._bodies.pop(gone):
                self._node.destroy_publisher(publisher)
            if self._node.has_parameter(DESCRIPTION + gone):
                self._node.undeclare_parameter(DESCRIPTION + gone)
        for new in ids - self._bodies.keys():
            topics = f"/humans/bodies/{new}"
            self._bodies[new] = Body(
                skeleton2d=self._node.create_publisher(self._hri.Skeleton2D, f"{topics}/skeleton2d", qos.poses()),
                roi=self._node.create_publisher(self._hri.NormalizedRegionOfInterest2D, f"{topics}/roi", qos.poses()),
                joint_states=self._node.create_publisher(JointState, f"{topics}/joint_states", qos.poses()),
            )

    def describe(self, body_id: str, pose: HumanPose) -> None:
        """Declare the URDF of a body, once."""
        if not self._node.has_parameter(DESCRIPTION + body_id):
            descriptor = ParameterDescriptor(description=f"URDF of the body {body_id}; to be read, not to be set.")
            self._node.declare_parameter(DESCRIPTION + body_id, pose.urdf(body_id), descriptor)
