"""Levels on /diagnostics rise, have a reason, and return to OK."""

import itertools
import re

import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from sensor_msgs.msg import Image
from support.clocks import START
from uplift_ros.msg import Keyframe2D

from uplift_ros.messages.conversion import ros_messages
from uplift_ros.nodes import qos

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR
APART = 250_000_000
"""Nanoseconds between the stamps of two images."""


@pytest.fixture
def status(observer):
    """status(node) is the node's latest status, None before the first."""
    statuses: dict[str, DiagnosticStatus] = {}

    def take(array: DiagnosticArray) -> None:
        statuses.update({status.name: status for status in array.status})

    observer.node.create_subscription(DiagnosticArray, "/diagnostics", take, qos.poses())
    return lambda node: statuses.get(f"/{node}")


@pytest.fixture
def wait_for_level(observer, status):
    """Wait until a node is at a level with a message like this one; return its values."""

    def wait(node: str, level: bytes, message: str) -> dict[str, str]:
        def reached() -> bool:
            said = status(node)
            return said is not None and said.level == level and re.search(message, said.message) is not None

        observer.wait_for(reached)
        return {pair.key: pair.value for pair in status(node).values}

    return wait


@pytest.fixture
def publish_images(observer):
    """Publish black images from now on, ten a second, whose stamps say four a second."""

    def publish_images() -> None:
        publisher = observer.node.create_publisher(Image, "image_raw", qos.images())
        numbers = itertools.count()

        def publish() -> None:
            header = ros_messages().header(START + next(numbers) * APART, "camera")
            data = bytes(3 * 64 * 48)
            publisher.publish(Image(header=header, height=48, width=64, encoding="rgb8", step=3 * 64, data=data))

        observer.node.create_timer(0.1, publish)

    return publish_images


@pytest.mark.usefixtures("blazepose_files")
def test_missing_images_are_a_warning_until_they_come(start, wait_for_level, publish_images):
    start("pose_estimator", stride=50)
    wait_for_level("pose_estimator", WARN, "no images for 3 s")
    publish_images()
    wait_for_level("pose_estimator", OK, "active")


@pytest.mark.usefixtures("blazepose_files")
def test_too_few_key_frames_are_a_warning_until_fewer_are_asked(start, wait_for_level, publish_images, observer):
    start("pose_estimator", stride=5)
    publish_images()
    figures = wait_for_level("pose_estimator", WARN, r"key-frames .*\b[1-4]\.\d .*\b10\.0 Hz")
    assert (figures["backend"], figures["device"], figures["stride"]) == ("blazepose", "cpu", "5")
    assert float(figures["keyframe_hz_reached"]) < float(figures["keyframe_hz_asked"]) == 10.0
    assert float(figures["age_ms"]) > 0
    assert observer.set_parameter("pose_estimator", "stride", 50).successful
    wait_for_level("pose_estimator", OK, "active")


def test_two_estimators_on_one_topic_are_a_warning(start, wait_for_level, observer, random_weights):
    for _ in range(2):
        observer.node.create_publisher(Keyframe2D, "keyframes", qos.poses())
    start("uplift", model=random_weights["uplift"])
    wait_for_level("uplift", WARN, "^2 nodes .*/keyframes")


@pytest.mark.parametrize(("fov", "warnings"), [(1.0, 1), (0.9, 0)])
def test_a_guessed_field_of_view_is_a_warning_once(start, observer, status, clip, fov, warnings):
    start("camera", source=str(clip), horizontal_fov=fov, loop=True)

    def values() -> dict[str, str]:
        return {pair.key: pair.value for pair in status("camera").values} if status("camera") else {}

    observer.wait_for(lambda: values().get("state") == "active" and "camera_hz" in values())
    assert int(values().get("guessed_fov", 0)) == warnings
    assert ("57 degrees" in values()["last_error"]) == bool(warnings)


def test_a_failure_is_an_error_that_is_remembered_after_the_level_is_ok_again(start, wait_for_level, observer):
    start("refiner", method="synsp", model="no_such_weights", autostart=False)
    assert not observer.change_state("refiner", "configure")
    wait_for_level("refiner", ERROR, "cannot configure: model: .*'no_such_weights'")
    figures = wait_for_level("refiner", OK, "unconfigured")
    assert "no_such_weights" in figures["last_error"]


def test_each_node_misses_what_should_reach_it_only_while_active(start, wait_for_level, observer):
    start("refiner", method="none")
    wait_for_level("refiner", WARN, "no skeletons for 3 s")
    assert observer.change_state("refiner", "deactivate")
    figures = wait_for_level("refiner", OK, "inactive")
    assert (figures["method"], figures["delay"]) == ("none", "3")


def test_uplift_reports_network_device_and_missing_key_frames(start, wait_for_level, random_weights):
    start("uplift", model=random_weights["uplift"])
    figures = wait_for_level("uplift", WARN, "no key-frames for 3 s")
    assert (figures["model"], figures["device"], figures["latency"]) == (random_weights["uplift"], "cpu", "4")
