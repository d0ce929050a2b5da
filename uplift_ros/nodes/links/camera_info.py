"""Calibration of the camera, from the topic camera_info."""

from sensor_msgs.msg import CameraInfo

from uplift_ros.intrinsics import Calibration, is_rectified
from uplift_ros.messages.conversion import calibration_from_msg
from uplift_ros.nodes import qos
from uplift_ros.nodes.lifecycle.base import ManagedNode


class CameraInfoInput:
    """Subscribes to `camera_info` until the node is deactivated.

    Args:
        node: subscribes, and reports unusable messages. Its parameter `rectified`, or the name of its topic image_raw,
            says that images are rectified, so that `p` applies instead of `k` and `d`.

    Attributes:
        calibration: the newest; None before the first message, and after an unusable one.
    """

    def __init__(self, node: ManagedNode) -> None:
        self.calibration: Calibration | None = None
        self._rectified = node.parameter("rectified") or is_rectified(node.resolve_topic_name("image_raw"))
        self._newest: CameraInfo | None = None
        for profile in qos.camera_info():
            node.subscribe(CameraInfo, "camera_info", self._take, profile, lenient=True)

    def _take(self, message: CameraInfo) -> None:
        message.header = type(message.header)()  # compared without its stamp: converted only on change
        if message != self._newest:
            self._newest, self.calibration = message, None
            calibration = calibration_from_msg(message, self._rectified)
            calibration.for_image(*calibration.size)  # raises ValueError if it is unusable
            self.calibration = calibration
