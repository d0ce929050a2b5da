"""Publishes transforms on /tf; needs tf2_msgs but not tf2_ros."""

import importlib

from geometry_msgs.msg import Quaternion, TransformStamped, Vector3
from std_msgs.msg import Header

from uplift_ros.nodes.links.optional import needed
from uplift_ros.transforms import RigidTransform


def tf_message(parameter: str) -> type:
    """Import tf2_msgs/TFMessage.

    Raises:
        ImportError: tf2_msgs is not installed, as with the wheels of PyPI; names the parameter that needs it.
    """
    with needed("tf2_msgs", parameter, otherwise="false"):
        return importlib.import_module("tf2_msgs.msg").TFMessage


def transform(header: Header, child: str, frame: RigidTransform) -> TransformStamped:
    """Make the transform of the frame `child` in the frame of the header."""
    message = TransformStamped(header=header, child_frame_id=child)
    message.transform.translation = Vector3(**dict(zip("xyz", frame.translation.tolist(), strict=True)))
    message.transform.rotation = Quaternion(**dict(zip("xyzw", frame.quaternion.tolist(), strict=True)))
    return message
