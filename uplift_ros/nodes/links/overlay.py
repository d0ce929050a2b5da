"""Skeletons drawn on the images of their time, on the topic `overlay`."""

from rclpy.subscription import Subscription
from sensor_msgs.msg import Image

from uplift_ros.drawing.image_buffer import WaitingImages
from uplift_ros.drawing.skeletons import draw_pose
from uplift_ros.messages.conversion import ros_messages, stamp_from_msg
from uplift_ros.messages.images import to_rgb
from uplift_ros.nodes import qos
from uplift_ros.nodes.lifecycle.base import ManagedNode
from uplift_ros.nodes.links.camera_info import CameraInfoInput
from uplift_ros.poses import SkeletonFrame

WATCH_PERIOD_S = 0.5
"""Time between checks for subscribers; images are received only while there is one."""

IMAGE_DEPTH = 20
"""Queue of images that arrive while a burst of skeletons is drawn."""


class Overlay:
    """Publisher of the overlay; `start` and `stop` at activation and deactivation of the node."""

    def __init__(self, node: ManagedNode) -> None:
        self._node = node
        self._publisher = node.advertise(Image, "overlay", qos.images())
        self._images: WaitingImages[Image] = WaitingImages()
        self._input: Subscription | None = None

    def start(self) -> None:
        self._camera = CameraInfoInput(self._node)
        self._node.every(WATCH_PERIOD_S, self._watch)

    def stop(self) -> None:
        """Stop receiving images, and drop those that wait."""
        if self._input is not None:
            self._node.destroy_subscription(self._input)
            self._input = None
            self._images.clear()

    def show(self, frame: SkeletonFrame) -> None:
        """Publish the image of a frame's time with its people, if there is one and the camera is known."""
        calibration = self._camera.calibration
        if calibration is None or (message := self._images.take(frame.stamp)) is None:
            return
        if frame.frame_id != message.header.frame_id:
            text = f"skeletons in {frame.frame_id!r} cannot be drawn on images of {message.header.frame_id!r}"
            self._node.report("no_overlay", text)
            return
        image = to_rgb(message).copy()
        camera = calibration.for_image(image.shape[1], image.shape[0])
        for person in frame.persons:
            draw_pose(image, camera.project(person.joints), person.scores)
        self._publisher.publish(ros_messages().image(image, message.header))

    def _watch(self) -> None:
        if not self._publisher.get_subscription_count():
            self.stop()
        elif self._input is None:
            take = self._node.guarded(self._take)
            self._input = self._node.create_subscription(Image, "image_raw", take, qos.images(IMAGE_DEPTH))

    def _take(self, message: Image) -> None:
        self._images.push(stamp_from_msg(message.header.stamp), message, len(message.data))
