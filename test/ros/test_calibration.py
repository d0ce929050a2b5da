"""The uplift node and camera_info as drivers publish it: once and latched, cropped, for rectified images."""

import numpy as np
import pytest
from sensor_msgs.msg import CameraInfo
from support.cameras import SYNTHETIC_CAMERA as CAMERA
from support.clocks import START
from support.people import person2d
from uplift_ros.msg import Keyframe2D, Person3D, Skeletons

from uplift_ros import cli
from uplift_ros.messages.conversion import ros_messages
from uplift_ros.nodes import qos
from uplift_ros.nodes.graph.camera_size import camera_size
from uplift_ros.poses import Keyframe
from uplift_ros.sources.synthetic.motion import pose
from uplift_ros.sources.synthetic.synthetic_source import viewpoint_at


def plain(info: CameraInfo) -> None:
    pass


def cropped(info: CameraInfo) -> None:
    info.width, info.height = 640, 480
    info.k[2], info.k[5] = info.k[2] + 100, info.k[5] + 60
    info.roi.x_offset, info.roi.y_offset, info.roi.width, info.roi.height = 100, 60, 320, 240


def rectified(info: CameraInfo) -> None:
    info.k = info.k * 1.3
    info.d = [-0.3, 0.1, 0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("change", "parameters"), [(plain, {}), (cropped, {}), (rectified, {"rectified": True})], ids=["once", "roi", "P"]
)
def test_camera_info_that_was_published_once_before_the_node_started_places_people(start, observer, change, parameters):
    infos = observer.node.create_publisher(CameraInfo, "camera_info", qos.latched())
    info = ros_messages().camera_info(CAMERA, START, "camera")
    change(info)
    infos.publish(info)
    keyframes = observer.node.create_publisher(Keyframe2D, "keyframes", qos.poses())
    live = observer.collect(Skeletons, "skeletons/live")
    start("uplift", stride=10, stride_mode="fixed", **parameters)
    observer.wait_for(lambda: keyframes.get_subscription_count() and infos.get_subscription_count())
    observer.wait_for(lambda: observer.node.count_publishers("skeletons/live"))
    truth = viewpoint_at(CAMERA, 0.0).to_optical(pose(0.0))
    seen = person2d(CAMERA.project(truth))

    def is_placed() -> bool:
        stamp = START + len(sent) * 200_000_000
        sent.append(stamp)
        keyframe = Keyframe(stamp, "camera", CAMERA.width, CAMERA.height, len(sent), 10, (seen,))
        keyframes.publish(ros_messages().keyframe(keyframe))
        return bool(live) and live[-1].persons[0].scale_source == Person3D.SCALE_PRIOR

    sent: list[int] = []
    observer.wait_for(is_placed)
    pelvis = live[-1].persons[0].joints[0]
    assert np.linalg.norm(np.array([pelvis.x, pelvis.y, pelvis.z]) - truth[0]) < 0.35


def test_a_driver_that_does_not_latch_causes_no_warning(start, observer):
    """The second, latched subscription gets nothing from it, which is no fault."""
    infos = observer.node.create_publisher(CameraInfo, "camera_info", qos.poses())
    process = start("uplift")
    observer.wait_for(lambda: len(observer.node.get_subscriptions_info_by_topic("/camera_info")) == 2)
    observer.wait_for(lambda: infos.get_subscription_count())

    def reports() -> str:
        infos.publish(CameraInfo())  # unusable, which the node reports after all that came before
        return process.last_lines

    observer.wait_for(reports)
    assert "incompatible" not in process.last_lines


def test_the_size_of_the_images_is_that_of_the_calibration(observer):
    infos = observer.node.create_publisher(CameraInfo, "front/camera_info", qos.latched())
    infos.publish(CameraInfo(width=1920, height=1080))
    assert camera_size("front/camera_info") == (1920, 1080)


def test_doctor_names_the_topic_of_a_camera_that_sends_nothing(capsys):
    assert cli.main(["doctor", "--camera-info", "rear/camera_info"]) == 1
    assert "rear/camera_info" in capsys.readouterr().err
