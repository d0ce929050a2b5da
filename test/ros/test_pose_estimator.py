import itertools
import re
from collections.abc import Callable

import cv2
import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.qos import ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image
from support.clocks import FRAME, START
from uplift_ros.msg import Keyframe2D, KeyframeRequest

from uplift_ros.messages.conversion import ros_messages, stamp_from_msg
from uplift_ros.nodes import qos
from uplift_ros.skeleton import H36M17
from uplift_ros.sources.synthetic.synthetic_source import SyntheticSource

pytestmark = pytest.mark.usefixtures("blazepose_files")


@pytest.fixture(scope="module")
def person() -> np.ndarray:
    """RGB image of a person."""
    return SyntheticSource(320, 240, moving=False).frame(100).image


@pytest.fixture
def stream(observer):
    """Publish messages at 50 Hz, while something is awaited: `stream(Image, "image_raw", message_of_frame)`."""

    def stream(message_type: type, topic: str, message_of_frame: Callable[[int], object], profile=None) -> None:
        publisher = observer.node.create_publisher(message_type, topic, profile or qos.images())
        observer.wait_for(lambda: publisher.get_subscription_count())
        frames = itertools.count()
        observer.node.create_timer(FRAME / 1e9, lambda: publisher.publish(message_of_frame(next(frames))))

    return stream


def image_message(image: np.ndarray, frame: int, **changed) -> Image:
    height, width = image.shape[:2]
    fields = {"height": height, "width": width, "encoding": "rgb8", "step": 3 * width, "data": image.tobytes()}
    return Image(header=ros_messages().header(START + frame * FRAME, "camera"), **fields | changed)


def frame_of(keyframe: Keyframe2D) -> int:
    frame, rest = divmod(stamp_from_msg(keyframe.header.stamp) - START, FRAME)
    assert rest == 0, "the stamp is not an image's own"
    return frame


def intervals(keyframes: list[Keyframe2D], stride: int) -> list[int]:
    """Between which multiples of the stride each key-frame lies."""
    return [frame_of(keyframe) // stride for keyframe in keyframes]


def diagnosed(statuses: list[DiagnosticArray], key: str) -> str:
    """The newest value of a figure in the estimator's diagnostics, empty before there is one."""
    values = (
        pair.value
        for array in reversed(statuses)
        for status in array.status
        if status.name == "/pose_estimator"
        for pair in status.values
        if pair.key == key
    )
    return next(values, "")


def test_a_person_is_published_at_every_key_frame_with_the_images_own_stamp_and_frame(start, observer, stream, person):
    start("pose_estimator", stride=20)
    keyframes = observer.collect(Keyframe2D, "keyframes")
    stream(Image, "image_raw", lambda frame: image_message(person, frame))
    observer.wait_for(lambda: len(keyframes) >= 5)
    assert np.diff(intervals(keyframes, 20)).min() >= 1
    for sequence, keyframe in enumerate(keyframes):
        assert (keyframe.header.frame_id, keyframe.skeleton) == ("camera", "h36m17")
        assert (keyframe.width, keyframe.height) == (320, 240)
        assert (keyframe.sequence, keyframe.stride) == (sequence, 20)
        assert [found.id for found in keyframe.persons] == ["p1"]
        assert len(keyframe.persons[0].keypoints) == len(H36M17)


def test_a_key_frame_without_people_is_published_too(start, observer, stream):
    start("pose_estimator")
    keyframes = observer.collect(Keyframe2D, "keyframes")
    stream(Image, "image_raw", lambda frame: image_message(np.zeros((240, 320, 3), np.uint8), frame))
    observer.wait_for(lambda: len(keyframes) >= 2)
    assert [keyframe.persons for keyframe in keyframes[:2]] == [[], []]


def test_the_stride_is_changed_while_running(start, observer, stream, person):
    start("pose_estimator", stride=40)
    keyframes = observer.collect(Keyframe2D, "keyframes")
    stream(Image, "image_raw", lambda frame: image_message(person, frame))
    observer.wait_for(lambda: len(keyframes) >= 2)
    assert observer.set_parameter("pose_estimator", "stride", 20).successful
    changed = len(keyframes)
    observer.wait_for(lambda: len(keyframes) >= changed + 5)
    assert {keyframe.stride for keyframe in keyframes[:changed]} == {40}
    shorter = [keyframe for keyframe in keyframes if keyframe.stride == 20]
    assert len(shorter) >= 4
    assert np.diff(intervals(shorter, 20)).min() >= 1


def test_a_stride_out_of_range_is_refused_and_the_old_one_stays(start, observer):
    start("pose_estimator", stride=10)
    for stride in (0, 101):
        assert not observer.set_parameter("pose_estimator", "stride", stride).successful
    assert observer.integer_parameter("pose_estimator", "stride") == 10


def test_bad_images_are_reported_and_do_not_stop_it(start, observer, stream, person):
    start("pose_estimator", stride=5)
    keyframes = observer.collect(Keyframe2D, "keyframes")
    diagnostics = observer.collect(DiagnosticArray, "/diagnostics")
    bad = [{"encoding": "16UC1"}, {"step": 7}, {"data": b"short"}, {"height": 0}, {"encoding": "", "data": b""}]

    def message(frame: int) -> Image:
        return image_message(person, frame, **(bad[frame % 50 // 5] if frame % 50 < 25 else {}))

    stream(Image, "image_raw", message)
    observer.wait_for(lambda: len(keyframes) >= 2 and int(diagnosed(diagnostics, "rejected") or 0) >= 1)
    assert all(frame_of(keyframe) % 50 >= 25 for keyframe in keyframes)
    assert "image" in diagnosed(diagnostics, "last_error")


def test_images_between_key_frames_are_not_decoded(start, observer, stream, person):
    """They would be rejected here. The image of a key-frame comes three times, in case that one is lost; if all are,
    the images after it are tried."""
    start("pose_estimator", stride=10)
    keyframes = observer.collect(Keyframe2D, "keyframes")
    diagnostics = observer.collect(DiagnosticArray, "/diagnostics")

    def message(index: int) -> Image:
        frame = index - index % 10 if index % 10 < 3 else index
        return image_message(person, frame, **({} if frame % 10 == 0 else {"encoding": "broken"}))

    stream(Image, "image_raw", message)
    observer.wait_for(lambda: len(keyframes) >= 3 and diagnosed(diagnostics, "keyframe_hz") not in ("", "0.0"))
    assert [frame_of(keyframe) % 10 for keyframe in keyframes[1:]] == [0] * (len(keyframes) - 1)
    assert int(diagnosed(diagnostics, "rejected") or 0) < frame_of(keyframes[-1]) / 3


def test_compressed_images_are_taken_if_asked_for(start, observer, stream, person):
    start("pose_estimator", stride=10, image_transport="compressed")
    keyframes = observer.collect(Keyframe2D, "keyframes")
    jpeg = cv2.imencode(".jpg", person[..., ::-1])[1].tobytes()
    stream(
        CompressedImage,
        "image_raw/compressed",
        lambda frame: CompressedImage(
            header=ros_messages().header(START + frame * FRAME, "camera"), format="jpeg", data=jpeg
        ),
    )
    observer.wait_for(lambda: len(keyframes) >= 2)
    assert [len(keyframe.persons) for keyframe in keyframes] == [1] * len(keyframes)
    assert (keyframes[0].width, keyframes[0].height) == (320, 240)


@pytest.mark.parametrize("profile", [qos.images(), qos.poses()], ids=["best effort", "reliable"])
def test_cameras_may_be_best_effort_or_reliable(start, observer, stream, person, profile):
    start("pose_estimator")
    keyframes = observer.collect(Keyframe2D, "keyframes")
    stream(Image, "image_raw", lambda frame: image_message(person, frame), profile)
    observer.wait_for(lambda: keyframes)


def test_the_depth_of_the_image_queue_is_a_parameter(start, observer):
    start("pose_estimator", image_depth=7)
    observer.wait_for(lambda: observer.state("pose_estimator") == "active")
    assert observer.integer_parameter("pose_estimator", "qos_overrides./image_raw.subscription.depth") == 7


def test_the_quality_of_service_may_be_overridden(start, observer):
    start("pose_estimator", **{"qos_overrides./image_raw.subscription.reliability": "reliable"})
    observer.wait_for(lambda: observer.node.count_subscribers("image_raw"))
    [subscription] = observer.node.get_subscriptions_info_by_topic("/image_raw")
    assert subscription.qos_profile.reliability == ReliabilityPolicy.RELIABLE


def test_after_a_jump_back_in_time_it_continues_and_ids_are_new(start, observer, stream, person):
    start("pose_estimator", stride=10)
    keyframes = observer.collect(Keyframe2D, "keyframes")
    stream(Image, "image_raw", lambda frame: image_message(person, frame - 3_000_000 * (len(keyframes) >= 2)))
    observer.wait_for(lambda: sum(frame_of(keyframe) < 0 for keyframe in keyframes) >= 2)
    ids = [keyframe.persons[0].id for keyframe in keyframes]
    assert ids == ["p1"] * ids.count("p1") + ["p2"] * ids.count("p2")
    assert ids[0] == "p1"
    assert ids[-1] == "p2"


def test_it_is_activated_again_after_deactivation(start, observer, stream, person):
    start("pose_estimator", stride=10)
    keyframes = observer.collect(Keyframe2D, "keyframes")
    stream(Image, "image_raw", lambda frame: image_message(person, frame))
    observer.wait_for(lambda: keyframes)
    assert observer.change_state("pose_estimator", "deactivate")
    assert observer.set_parameter("pose_estimator", "stride", 4).successful
    seen = len(keyframes)
    assert observer.change_state("pose_estimator", "activate")
    observer.wait_for(lambda: len(keyframes) >= seen + 2)
    assert keyframes[-1].stride == 4


def test_a_backend_option_that_is_not_supported_ends_it_with_one_line(start, observer):
    process = start("pose_estimator", device="cuda")
    observer.wait_for(lambda: process.exit_code is not None)
    assert process.exit_code == 1
    assert re.search("device .*blazepose.*'cuda'", process.last_lines)


def test_an_older_image_becomes_a_key_frame_on_request(start, observer, stream, person):
    start("pose_estimator", stride=50, look_back=2.0)
    keyframes = observer.collect(Keyframe2D, "keyframes")
    diagnostics = observer.collect(DiagnosticArray, "/diagnostics")
    requests = observer.node.create_publisher(KeyframeRequest, "keyframe_requests", qos.poses())
    stream(Image, "image_raw", lambda frame: image_message(person, frame))
    observer.wait_for(lambda: requests.get_subscription_count() and len(keyframes) >= 2)
    newest = stamp_from_msg(keyframes[-1].header.stamp)
    asked = [newest - 20 * FRAME, newest - 10 * FRAME]
    for stamps in (asked, [newest, newest - 3_000_000 * FRAME]):  # then a key-frame, and an image that is gone
        requests.publish(ros_messages().keyframe_request(newest, "camera", stamps))
    observer.wait_for(lambda: sum(keyframe.origin == Keyframe2D.LOOK_BACK for keyframe in keyframes) >= 2)
    older = [keyframe for keyframe in keyframes if keyframe.origin == Keyframe2D.LOOK_BACK]
    for keyframe, stamp in zip(older, asked, strict=True):
        assert abs(stamp_from_msg(keyframe.header.stamp) - stamp) <= 2 * FRAME, "images may be lost on the way"
        assert [found.id for found in keyframe.persons] == ["p1"]
    observer.wait_for(lambda: diagnosed(diagnostics, "requests_gone") == "1")
    assert diagnosed(diagnostics, "requests_repeated") == "1"


def test_without_look_back_nothing_listens_to_requests(start, observer):
    start("pose_estimator", look_back=0.0)
    observer.wait_for(lambda: observer.state("pose_estimator") == "active")
    assert observer.node.count_subscribers("keyframe_requests") == 0
