"""Size of a camera's images as its calibration states it, which arrives even if images are lost."""

import time

import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import CameraInfo

from uplift_ros.messages.ros_classes import check_topic
from uplift_ros.nodes import qos

TIMEOUT_S = 5.0
"""For the discovery, which takes 2 s at times, and a message."""


def camera_size(topic: str) -> tuple[int, int] | None:
    """Width and height in the first CameraInfo on a topic; None if none arrives.

    Raises:
        ValueError: the name is not that of a topic.
    """
    check_topic("--camera-info", topic)
    context = Context()
    rclpy.init(args=[], context=context)
    node, received = rclpy.create_node("uplift_doctor", context=context), list[CameraInfo]()
    for profile in qos.camera_info():
        node.create_subscription(CameraInfo, topic, received.append, profile)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    deadline = time.monotonic() + TIMEOUT_S
    while not received and time.monotonic() < deadline:
        executor.spin_once(timeout_sec=0.1)
    executor.shutdown()
    node.destroy_node()
    rclpy.shutdown(context=context)
    return (received[0].width, received[0].height) if received else None
