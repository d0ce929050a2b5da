import re

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.qos import ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from uplift_ros.msg import Skeletons

from uplift_ros.messages.conversion import camera_from_msg, skeletons_from_msg, stamp_from_msg
from uplift_ros.messages.images import to_rgb
from uplift_ros.nodes import qos

SMALL = {"width": 320, "height": 240}


def stamps(messages) -> list[int]:
    return [stamp_from_msg(message.header.stamp) for message in messages]


@pytest.fixture
def camera(start, observer):
    """A synthetic camera and all that it publishes."""

    class Camera:
        process = start("camera", autostart=False, **SMALL)
        images = observer.collect(Image, "image_raw", qos.images())
        infos = observer.collect(CameraInfo, "camera_info", qos.camera_info()[0])
        truths = observer.collect(Skeletons, "ground_truth")

    assert observer.change_state("camera", "configure")
    observer.wait_for_connection("camera")
    assert observer.change_state("camera", "activate")
    return Camera


def test_images_come_at_50_hz_by_their_stamps(camera, observer):
    observer.wait_for(lambda: len(camera.truths) >= 50)
    assert np.median(np.diff(stamps(camera.truths))) == 20_000_000


def test_stamps_are_now(camera, observer):
    ages = []

    def aged() -> bool:
        if camera.images:
            age = observer.node.get_clock().now().nanoseconds - stamps(camera.images)[-1]
            ages.append(age / 1e9)
            camera.images.clear()
        return len(ages) >= 20

    observer.wait_for(aged)
    assert -0.001 < np.median(ages) < 5.0


def test_image_intrinsics_and_truth_share_stamp_frame_and_size(camera, observer):
    observer.wait_for(lambda: len(camera.images) >= 5 and len(camera.infos) >= 10 and len(camera.truths) >= 10)
    infos, truths = (dict(zip(stamps(list_), list_, strict=True)) for list_ in (camera.infos, camera.truths))
    image = camera.images[0]
    [stamp] = stamps([image])
    assert to_rgb(image).shape == (240, 320, 3)
    assert (infos[stamp].width, infos[stamp].height) == (320, 240)
    assert image.header == infos[stamp].header == truths[stamp].header
    assert image.header.frame_id == "camera_optical_frame"


def test_the_true_skeleton_is_where_the_image_shows_a_person(camera, observer):
    observer.wait_for(lambda: camera.infos and camera.truths)
    intrinsics = camera_from_msg(camera.infos[0])
    person = skeletons_from_msg(camera.truths[0]).persons[0]
    pixels = intrinsics.project(person.joints)
    assert ((pixels > 0) & (pixels < (320, 240))).all()


def test_jpeg_is_made_only_while_it_has_subscribers(camera, observer):
    observer.wait_for(lambda: len(camera.truths) >= 5)
    compressed = observer.collect(CompressedImage, "image_raw/compressed", qos.compressed_images())
    observer.wait_for(lambda: len(compressed) >= 5)
    assert to_rgb(compressed[0]).shape == (240, 320, 3)
    assert np.median(np.diff(stamps(compressed))) == 20_000_000


def test_images_are_reliable_if_the_quality_of_service_is_overridden(start, observer):
    start("camera", **SMALL, **{"qos_overrides./image_raw.publisher.reliability": "reliable"})
    observer.wait_for(lambda: observer.node.get_publishers_info_by_topic("image_raw"))
    [publisher] = observer.node.get_publishers_info_by_topic("image_raw")
    assert publisher.qos_profile.reliability == ReliabilityPolicy.RELIABLE


def test_a_camera_can_be_paused(camera, observer):
    observer.wait_for(lambda: camera.truths)
    assert observer.change_state("camera", "deactivate")
    assert observer.change_state("camera", "activate")
    paused = len(camera.truths)
    observer.wait_for(lambda: len(camera.truths) > paused + 5)
    assert (np.diff(stamps(camera.truths)) > 0).all()


def test_the_camera_ends_itself_after_its_duration(start, observer):
    truths = observer.collect(Skeletons, "ground_truth")
    process = start("camera", autostart=False, duration=0.5, **SMALL)
    assert observer.change_state("camera", "configure")
    observer.wait_for_connection("camera")
    assert observer.change_state("camera", "activate")
    observer.wait_for(lambda: process.exit_code is not None)
    assert process.exit_code == 0
    assert 0 < len(truths) <= 25


@pytest.mark.parametrize(
    ("source", "named"), [("hologram", "source .*'hologram'"), ("no/such.mp4", r"no/such\.mp4"), ("97", "97")]
)
def test_a_source_that_cannot_be_opened_ends_the_camera_with_one_line(start, observer, source, named):
    process = start("camera", source=source)
    observer.wait_for(lambda: process.exit_code is not None)
    assert process.exit_code == 1
    [line] = [line for line in process.last_lines.splitlines() if "[camera]" in line]
    assert "cannot configure" in line
    assert re.search(named, line)
    assert "Traceback" not in process.last_lines


def test_diagnostics_report_the_rate(start, observer):
    start("camera", fps=10.0, **SMALL)
    diagnostics = observer.collect(DiagnosticArray, "/diagnostics")

    def rate() -> float:
        values = {pair.key: pair.value for message in diagnostics[-1:] for pair in message.status[0].values}
        return float(values.get("camera_hz", 0.0))

    observer.wait_for(lambda: 8 < rate() < 12)
