"""CPU cost of receiving images, one process per role: `python -m uplift_ros.nodes.graph.image_load plain 2`.

`camera` publishes until it is killed. The other roles print, as JSON, the CPU milliseconds per image in each half
second: `plain` is a plain rclpy subscriber, `skipped` is the pose_estimator node between key-frames.
"""

import json
import resource
import sys
import time
from typing import cast

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import Image

from uplift_ros.estimators import PoseEstimator
from uplift_ros.messages.conversion import ros_messages
from uplift_ros.nodes import qos
from uplift_ros.nodes.lifecycle.memory import keep_freed_memory
from uplift_ros.nodes.pose_estimator_node import PoseEstimatorNode
from uplift_ros.poses import Origin
from uplift_ros.stages import build_detection

WIDTH, HEIGHT, RATE = 640, 480, 50.0
CHUNK_S = 0.5
FIRST_IMAGES = 25
"""Images of warm-up: discovery and the first allocations are not measured."""


class Plain(Node):
    """Counts images."""

    def __init__(self) -> None:
        super().__init__("plain")
        self.images = 0
        self.create_subscription(Image, "image_raw", self._take, qos.images())

    def _take(self, _image: Image) -> None:
        self.images += 1


class Skipping(PoseEstimatorNode):
    """Pose estimator node without an estimator, which does not process key-frames either."""

    def __init__(self) -> None:
        keep_freed_memory()
        super().__init__()
        self.images = 0
        if not self.start():
            raise RuntimeError("the pose_estimator node did not start")

    def configure(self) -> None:
        self._stage = build_detection.detection(self.parameters, cast(PoseEstimator, None))

    def _take_image(self, serialized: bytes) -> None:
        self.images += 1
        super()._take_image(serialized)

    def _estimate(self, _serialized: bytes, _stride: int, _origin: Origin = Origin.SCHEDULED) -> None:
        pass


def publish_images() -> None:
    """Publish grey images until the process is killed."""
    node = Node("camera")
    publisher = node.create_publisher(Image, "image_raw", qos.images())
    image = Image(height=HEIGHT, width=WIDTH, encoding="rgb8", step=3 * WIDTH, data=bytes(3 * WIDTH * HEIGHT))
    due = time.monotonic()
    while True:
        image.header.stamp = ros_messages().time(time.time_ns())
        publisher.publish(image)
        due += 1 / RATE
        time.sleep(max(0.0, due - time.monotonic()))


def measure(subscriber: Plain | Skipping, seconds: float) -> list[float]:
    """Measure the CPU milliseconds per image in each chunk of the given time."""
    executor = SingleThreadedExecutor()
    executor.add_node(subscriber)
    while subscriber.images < FIRST_IMAGES:
        executor.spin_once(CHUNK_S)
    milliseconds = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        images, cpu, chunk_end = subscriber.images, cpu_seconds(), time.monotonic() + CHUNK_S
        while time.monotonic() < chunk_end or subscriber.images == images:
            executor.spin_once(CHUNK_S)
        milliseconds.append((cpu_seconds() - cpu) * 1e3 / (subscriber.images - images))
    return milliseconds


def cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    role, seconds = sys.argv[1], float(sys.argv[2])
    rclpy.init(args=[])
    if role == "camera":
        publish_images()
    print(json.dumps(measure(Plain() if role == "plain" else Skipping(), seconds)), flush=True)
