"""Messages of both families: rclpy's classes and those of bags."""

import sys
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest

from uplift_ros.camera import Camera
from uplift_ros.messages import conversion
from uplift_ros.messages.conversion import MessageFactory
from uplift_ros.messages.ros_classes import import_message
from uplift_ros.messages.typestore import message_class, typestore
from uplift_ros.poses import Keyframe, Origin, Person2D, Person3D, ScaleSource, SkeletonFrame, Source
from uplift_ros.skeleton import H36M17

STAMP = 1_700_000_123_456_789_012
RNG = np.random.default_rng(5)


def class_in_bags(msgtype: str) -> type:
    return message_class(msgtype)


def class_of_rclpy(msgtype: str) -> type:
    pytest.importorskip("rclpy", reason="needs ROS 2")
    pytest.importorskip("uplift_ros.msg", reason="needs the built messages")
    return import_message(msgtype)


@pytest.fixture(params=[class_in_bags, class_of_rclpy])
def factory(request: pytest.FixtureRequest) -> MessageFactory:
    return MessageFactory(request.param)


def random_person2d() -> Person2D:
    keypoints = RNG.uniform(0, 640, (17, 2)).astype(np.float32).astype(float)
    keypoints[4] = np.nan
    scores = RNG.uniform(0, 1, 17).astype(np.float32).astype(float)
    return Person2D("p7", 0.5, np.array([10.0, 20.0, 30.0, 40.0]), keypoints, scores)


def random_person3d(covariance: np.ndarray) -> Person3D:
    return Person3D(
        id="p7",
        score=0.75,
        source=Source.UPSAMPLED,
        scale_source=ScaleSource.PRIOR,
        joints=RNG.normal(size=(17, 3)),
        scores=RNG.uniform(0, 1, 17).astype(np.float32).astype(float),
        velocity=1.5,
        covariance=covariance,
        velocities=RNG.normal(size=(17, 3)),
        height=1.75,
        orientations=RNG.normal(size=(17, 4)),
        twist_variances=RNG.uniform(0, 3, 17).astype(np.float32).astype(float),
    )


def assert_same(first, second):
    assert type(first) is type(second)
    for name, value in vars(first).items():
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(value, getattr(second, name))
        elif name != "persons":
            assert value == getattr(second, name), name


def test_a_stamp_survives_to_the_nanosecond(factory):
    assert conversion.stamp_from_msg(factory.time(STAMP)) == STAMP


def test_a_keyframe_survives_with_absent_joints(factory):
    keyframe = Keyframe(STAMP, "camera", 640, 480, 3, 10, (random_person2d(),))
    back = conversion.keyframe_from_msg(factory.keyframe(keyframe))
    assert_same(keyframe, back)
    assert_same(keyframe.persons[0], back.persons[0])


def test_a_keyframe_without_people_survives(factory):
    keyframe = Keyframe(STAMP, "camera", 640, 480, 3, 10, ())
    assert conversion.keyframe_from_msg(factory.keyframe(keyframe)) == keyframe


def test_the_origin_of_a_keyframe_survives_and_that_of_older_bags_is_the_schedule(factory):
    keyframe = Keyframe(STAMP, "camera", 640, 480, 3, 10, (), origin=Origin.LOOK_BACK)
    message = factory.keyframe(keyframe)
    assert conversion.keyframe_from_msg(message) == keyframe
    fields = ("header", "skeleton", "width", "height", "sequence", "stride", "persons")
    before = SimpleNamespace(**{name: getattr(message, name) for name in fields})
    assert conversion.keyframe_from_msg(before).origin is Origin.SCHEDULED


def test_an_unknown_origin_of_a_keyframe_is_refused(factory):
    message = factory.keyframe(Keyframe(STAMP, "camera", 640, 480, 3, 10, ()))
    message.origin = 7
    with pytest.raises(ValueError, match="Origin"):
        conversion.keyframe_from_msg(message)


@pytest.mark.parametrize("covariance", [np.empty((0, 6)), np.ones((17, 6))], ids=["no covariance", "covariance"])
def test_skeletons_survive(factory, covariance):
    frame = SkeletonFrame(STAMP, "camera", (random_person3d(covariance),), is_final=False)
    back = conversion.skeletons_from_msg(factory.skeletons(frame))
    assert_same(frame, back)
    assert_same(frame.persons[0], back.persons[0])


def test_an_unknown_source_of_a_frame_is_refused(factory):
    message = factory.skeletons(SkeletonFrame(STAMP, "camera", (random_person3d(np.empty((0, 6))),)))
    message.persons[0].source = 9
    with pytest.raises(ValueError, match="Source"):
        conversion.skeletons_from_msg(message)


def test_the_skeleton_is_described_with_names_and_parents(factory):
    message = factory.skeleton_info(H36M17)
    assert (message.name, tuple(message.joints), tuple(message.parents)) == ("h36m17", H36M17.joints, H36M17.parents)


@pytest.mark.parametrize("distortion", [(), (0.1, -0.2, 0.001, 0.002, 0.05)], ids=["ideal", "distorted"])
def test_intrinsics_survive(factory, distortion):
    camera = Camera(500.0, 510.0, 320.0, 240.0, 640, 480, distortion)
    assert conversion.camera_from_msg(factory.camera_info(camera, STAMP, "camera")) == camera


def test_a_camera_that_names_no_distortion_model_has_none(factory):
    message = factory.camera_info(Camera(500.0, 510.0, 320.0, 240.0, 640, 480), STAMP, "camera")
    message.distortion_model = ""
    assert conversion.camera_from_msg(message).distortion == ()


def test_an_uncalibrated_camera_is_refused_naming_the_field(factory):
    message = factory.camera_info(Camera(500.0, 510.0, 320.0, 240.0, 640, 480), STAMP, "camera")
    message.k = np.zeros(9)
    with pytest.raises(ValueError, match=r"camera_info\.k"):
        conversion.camera_from_msg(message)


def samples(factory: MessageFactory) -> dict[str, object]:
    """A message of every kind, by its type."""
    people = (random_person3d(np.ones((17, 6))), random_person3d(np.empty((0, 6))))
    return {
        "uplift_ros/msg/Keyframe2D": factory.keyframe(Keyframe(STAMP, "camera", 640, 480, 3, 10, (random_person2d(),))),
        "uplift_ros/msg/KeyframeRequest": factory.keyframe_request(STAMP, "camera", [STAMP - 1, STAMP]),
        "uplift_ros/msg/Skeletons": factory.skeletons(SkeletonFrame(STAMP, "camera", people)),
        "uplift_ros/msg/SkeletonInfo": factory.skeleton_info(H36M17),
        "sensor_msgs/msg/CameraInfo": factory.camera_info(Camera.from_fov(1.0, 640, 480), STAMP, "camera"),
    }


def seeded_samples(message_class: Callable[[str], type], monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    monkeypatch.setattr(sys.modules[__name__], "RNG", np.random.default_rng(7))
    return samples(MessageFactory(message_class))


def test_what_a_bag_gets_is_what_rclpy_reads(monkeypatch):
    serialization = pytest.importorskip("rclpy.serialization", reason="needs ROS 2")
    of_rclpy = seeded_samples(class_of_rclpy, monkeypatch)
    for msgtype, message in seeded_samples(class_in_bags, monkeypatch).items():
        data = bytes(typestore().serialize_cdr(message, msgtype))
        read = serialization.deserialize_message(data, type(of_rclpy[msgtype]))
        assert repr(read) == repr(of_rclpy[msgtype])  # NaN differs from itself


@pytest.mark.parametrize("little_endian", [True, False])
def test_the_header_is_read_from_serialised_bytes(little_endian):
    message = MessageFactory(class_in_bags).skeletons(SkeletonFrame(STAMP, "camera_optical_frame", ()))
    data = typestore().serialize_cdr(message, "uplift_ros/msg/Skeletons", little_endian=little_endian)
    assert conversion.serialized_header(bytes(data)) == (STAMP, "camera_optical_frame")


@pytest.mark.parametrize("length", [0, 3, 12, 20])
def test_bytes_too_few_for_a_header_are_refused(length):
    message = MessageFactory(class_in_bags).skeletons(SkeletonFrame(STAMP, "camera", ()))
    data = bytes(typestore().serialize_cdr(message, "uplift_ros/msg/Skeletons"))
    with pytest.raises(ValueError, match="header"):
        conversion.serialized_header(data[:length])
