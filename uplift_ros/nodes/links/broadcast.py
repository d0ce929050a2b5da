"""Publishes transforms on /tf; needs tf2_msgs but not tf2_ros."""

from geometry_msgs.msg import Quaternion, TransformStamped, Vector3
from std_msgs.msg import Header

from uplift_ros.nodes import qos
from uplift_ros.nodes.lifecycle.base import ManagedNode
from uplift_ros.nodes.links.optional import needed
from uplift_ros.transforms import RigidTransform


class Broadcaster:
    """Publisher of transforms, for a node whose parameter publish_tf is true.

    Raises:
        ImportError: tf2_msgs is not installed, as with the wheels of PyPI.
    """

    def __init__(self, node: ManagedNode) -> None:
        self._message = needed("tf2_msgs.msg", "publish_tf", otherwise="false").TFMessage
        self._publisher = node.advertise(self._message, "/tf", qos.poses())

    def send(self, transforms: list[TransformStamped]) -> None:
        """Publish transforms, if there are any."""
        if transforms:
            self._publisher.publish(self._message(transforms=transforms))


def transform(header: Header, child: str, frame: RigidTransform) -> TransformStamped:
    """Make the transform of the frame `child` in the frame of the header."""
    message = TransformStamped(header=header, child_frame_id=child)
    message.transform.translation = Vector3(**dict(zip("xyz", frame.translation.tolist(), strict=True)))
    message.transform.rotation = Quaternion(**dict(zip("xyzw", frame.quaternion.tolist(), strict=True)))
    return message
