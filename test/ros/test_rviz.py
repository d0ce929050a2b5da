"""config/uplift.rviz against the nodes: RViz itself does not run here, only the nodes it subscribes to."""

import pytest
import yaml
from rclpy.qos import DurabilityPolicy, ReliabilityPolicy

from uplift_ros.parameters import CAMERA
from uplift_ros.paths import share_folder

TYPES = {
    "rviz_default_plugins/MarkerArray": "visualization_msgs/msg/MarkerArray",
    "rviz_default_plugins/Image": "sensor_msgs/msg/Image",
}
WITHOUT_TOPIC = {"rviz_default_plugins/Grid", "rviz_default_plugins/TF"}


@pytest.fixture(scope="module")
def manager() -> dict:
    return yaml.safe_load((share_folder() / "config" / "uplift.rviz").read_text())["Visualization Manager"]


def test_it_shows_image_skeletons_and_transforms(manager):
    assert {display["Class"] for display in manager["Displays"]} == {*TYPES, *WITHOUT_TOPIC}


def test_no_display_is_switched_off_because_rviz_would_subscribe_for_it_all_the_same(manager):
    """RViz opens the dock of an image display, which switches the display on and marks the configuration as changed."""
    assert all(display["Enabled"] is display["Value"] is True for display in manager["Displays"])


def test_everything_is_enabled_and_placed_by_transforms(manager):
    assert manager["Enabled"] is manager["Value"] is True
    assert manager["Transformation"]["Current"]["Class"] == "rviz_default_plugins/TF"


def test_topics_are_relative_so_that_a_namespace_moves_them(manager):
    topics = [display["Topic"]["Value"] for display in manager["Displays"] if "Topic" in display]
    assert topics == ["markers", "image_raw"]


def test_the_fixed_frame_is_that_of_our_camera(manager):
    [frame] = [parameter.default for parameter in CAMERA if parameter.name == "frame_id"]
    assert manager["Global Options"]["Fixed Frame"] == frame


def test_every_display_gets_what_a_node_publishes(manager, start, observer):
    start("camera", width=160, height=120)
    start("visualizer")
    for display in manager["Displays"]:
        if display["Class"] in WITHOUT_TOPIC:
            continue
        topic = display["Topic"]
        name = topic["Value"]
        observer.wait_for(lambda name=name: observer.node.get_publishers_info_by_topic(name))
        [offer] = observer.node.get_publishers_info_by_topic(name)
        assert offer.topic_type == TYPES[display["Class"]], name
        assert asked_and_offered(ReliabilityPolicy, topic["Reliability Policy"], offer.qos_profile.reliability), name
        assert asked_and_offered(DurabilityPolicy, topic["Durability Policy"], offer.qos_profile.durability), name


STRONGER = {
    ReliabilityPolicy: (ReliabilityPolicy.BEST_EFFORT, ReliabilityPolicy.RELIABLE),
    DurabilityPolicy: (DurabilityPolicy.VOLATILE, DurabilityPolicy.TRANSIENT_LOCAL),
}


def asked_and_offered(policy: type, asked: str, offered) -> bool:
    """Whether a subscription with a policy in RViz's spelling is compatible with the offered one."""
    order = STRONGER[policy]
    return order.index(policy[asked.upper().replace(" ", "_")]) <= order.index(offered)
