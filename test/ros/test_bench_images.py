"""The rows of `uplift bench` for images, and why an image between key-frames costs little. No time is checked: those of
processes on a busy machine vary by more than they differ."""

import numpy as np
import pytest
from rclpy.serialization import serialize_message
from sensor_msgs.msg import Image
from support.bright_person import BrightPerson
from support.clocks import FRAME
from uplift_ros.msg import Keyframe2D

from uplift_ros.lab.bench.bench import image_rows
from uplift_ros.messages.conversion import ros_messages
from uplift_ros.nodes import pose_estimator_node, qos
from uplift_ros.stages import build_detection


def test_an_image_between_key_frames_is_compared_with_one_of_a_plain_subscriber():
    plain, skipped = image_rows(0.5)
    assert (plain.name, skipped.name, skipped.ratio_to) == ("image plain", "image skipped", "image plain")
    assert min(plain.ms_p50, skipped.ms_p50) > 0
    assert skipped.ratio == pytest.approx(plain.ms_p50 / skipped.ms_p50)


class BrightPersonNode(pose_estimator_node.PoseEstimatorNode):
    """The node with an estimator that needs no network."""

    def configure(self) -> None:
        self._stage = build_detection.detection(self.parameters, BrightPerson())
        self._keyframes = self.advertise(Keyframe2D, "keyframes", qos.poses())


def test_an_image_between_key_frames_is_not_deserialized(monkeypatch):
    deserialized = []
    deserialize = pose_estimator_node.deserialize_message
    monkeypatch.setattr(
        pose_estimator_node, "deserialize_message", lambda *what: deserialized.append(what) or deserialize(*what)
    )
    node = BrightPersonNode()
    assert node.start()
    for frame in range(21):
        image = ros_messages().image(
            np.full((48, 64, 3), 128, np.uint8), ros_messages().header(frame * FRAME, "camera")
        )
        node._take_image(serialize_message(image))
        node._estimation.result()
    node.stop()
    node.destroy_node()
    assert [kind for _, kind in deserialized] == [Image] * 3, "frames 0, 10 and 20"
