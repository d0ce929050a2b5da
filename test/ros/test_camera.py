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
def filming(start, observer):
    """A synthetic camera and all that it publishes."""

    class Filming:
        process = start("camera", autostart=False, **SMALL)
        images = observer.collect(Image, "image_raw", qos.images())
        infos = observer.collect(CameraInfo, "camera_info", qos.camera_info()[0])
        truths = observer.collect(Skeletons, "ground_truth")

    assert observer.change_state("camera", "configure")
    observer.wait_for_connection("camera")
    assert observer.change_state("camera", "activate")
    return Filming


def test_images_come_at_50_hz_by_their_stamps(filming, observer):
    observer.wait_for(lambda: len(filming.truths) >= 50)
    assert np.median(np.diff(stamps(filming.truths))) == 20_000_000


def test_stamps_are_now(filming, observer):
    ages = []

    def aged() -> bool:
        if filming.images:
            age = observer.node.get_clock().now().nanoseconds - stamps(filming.images)[-1]
            ages.append(age / 1e9)
            filming.images.clear()
        return len(ages) >= 20

    observer.wait_for(aged)
    assert -0.001 < np.median(ages) < 5.0


def test_image_intrinsics_and_truth_share_stamp_frame_and_size(filming, observer):
    observer.wait_for(lambda: len(filming.images) >= 5 and len(filming.infos) >= 10 and len(filming.truths) >= 10)
    infos, truths = (dict(zip(stamps(list_), list_, strict=True)) for list_ in (filming.infos, filming.truths))
    image = filming.images[0]
    [stamp] = stamps([image])
    assert to_rgb(image).shape == (240, 320, 3)
    assert (infos[stamp].width, infos[stamp].height) == (320, 240)
    assert image.header == infos[stamp].header == truths[stamp].header
    assert image.header.frame_id == "camera_optical_frame"


def test_the_true_skeleton_is_where_the_image_shows_a_person(filming, observer):
    observer.wait_for(lambda: filming.infos and filming.truths)
    camera = camera_from_msg(filming.infos[0])
    person = skeletons_from_msg(filming.truths[0]).persons[0]
    pixels = camera.project(person.joints)
    assert ((pixels > 0) & (pixels < (320, 240))).all()


def test_jpeg_is_made_only_while_it_has_subscribers(filming, observer):
    observer.wait_for(lambda: len(filming.truths) >= 5)
    compressed = observer.collect(CompressedImage, "image_raw/compressed", qos.compressed_images())
    observer.wait_for(lambda: len(compressed) >= 5)
    assert to_rgb(compressed[0]).shape == (240, 320, 3)
    assert np.median(np.diff(stamps(compressed))) == 20_000_000


def test_images_are_reliable_where_the_quality_of_service_is_overridden(start, observer):
    start("camera", **SMALL, **{"qos_overrides./image_raw.publisher.reliability": "reliable"})
    observer.wait_for(lambda: observer.node.get_publishers_info_by_topic("image_raw"))
    [publisher] = observer.node.get_publishers_info_by_topic("image_raw")
    assert publisher.qos_profile.reliability == ReliabilityPolicy.RELIABLE


def test_filming_can_be_paused(filming, observer):
    observer.wait_for(lambda: filming.truths)
    assert observer.change_state("camera", "deactivate")
    assert observer.change_state("camera", "activate")
    paused = len(filming.truths)
    observer.wait_for(lambda: len(filming.truths) > paused + 5)
    assert (np.diff(stamps(filming.truths)) > 0).all()


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
    ("source", "reason"),
    [
        ("hologram", "source must be 'synthetic', a camera's index, or the path of a video file, got 'hologram'"),
        ("no/such.mp4", "no/such.mp4"),
        ("97", "97"),
    ],
)
def test_a_source_that_cannot_be_opened_ends_the_camera_with_one_line(start, observer, source, reason):
    process = start("camera", source=source)
    observer.wait_for(lambda: process.exit_code is not None)
    assert process.exit_code == 1
    [line] = [line for line in process.last_lines.splitlines() if "[camera]" in line]
    assert "cannot configure" in line
    assert reason in line
    assert "Traceback" not in process.last_lines


def test_diagnostics_report_the_rate(start, observer):
    start("camera", fps=10.0, **SMALL)
    diagnostics = observer.collect(DiagnosticArray, "/diagnostics")

    def rate() -> float:
        values = {pair.key: pair.value for message in diagnostics[-1:] for pair in message.status[0].values}
        return float(values.get("camera_hz", 0.0))

    observer.wait_for(lambda: 8 < rate() < 12)
