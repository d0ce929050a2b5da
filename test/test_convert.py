import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")

from sensor_msgs.msg import CameraInfo

from uplift_ros.camera import Camera
from uplift_ros.nodes import convert
from uplift_ros.poses import Keyframe, Person2D, Person3D, ScaleSource, SkeletonFrame, Source
from uplift_ros.skeleton import H36M17

STAMP = 1_700_000_123_456_789_012
RNG = np.random.default_rng(5)


def person2d() -> Person2D:
    keypoints = RNG.uniform(0, 640, (17, 2)).astype(np.float32).astype(float)
    keypoints[4] = np.nan
    scores = RNG.uniform(0, 1, 17).astype(np.float32).astype(float)
    return Person2D("p7", 0.5, np.array([10.0, 20.0, 30.0, 40.0]), keypoints, scores)


def person3d(covariance: np.ndarray) -> Person3D:
    return Person3D(
        id="p7",
        score=0.75,
        source=Source.UPSAMPLED,
        scale_source=ScaleSource.PRIOR,
        joints=RNG.normal(size=(17, 3)),
        scores=RNG.uniform(0, 1, 17).astype(np.float32).astype(float),
        velocity=1.5,
        covariance=covariance,
    )


def assert_same(first, second):
    assert type(first) is type(second)
    for name, value in vars(first).items():
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(value, getattr(second, name))
        elif name != "persons":
            assert value == getattr(second, name), name


def test_a_stamp_survives_to_the_nanosecond():
    assert convert.stamp_from_msg(convert.stamp_to_msg(STAMP)) == STAMP


def test_a_keyframe_survives_with_absent_joints():
    keyframe = Keyframe(STAMP, "camera", 640, 480, 3, 10, (person2d(),))
    back = convert.keyframe_from_msg(convert.keyframe_to_msg(keyframe))
    assert_same(keyframe, back)
    assert_same(keyframe.persons[0], back.persons[0])


def test_a_keyframe_without_people_survives():
    keyframe = Keyframe(STAMP, "camera", 640, 480, 3, 10, ())
    assert convert.keyframe_from_msg(convert.keyframe_to_msg(keyframe)) == keyframe


@pytest.mark.parametrize("covariance", [np.empty((0, 6)), np.ones((17, 6))], ids=["no covariance", "covariance"])
def test_skeletons_survive(covariance):
    frame = SkeletonFrame(STAMP, "camera", (person3d(covariance),), is_final=False)
    back = convert.skeletons_from_msg(convert.skeletons_to_msg(frame))
    assert_same(frame, back)
    assert_same(frame.persons[0], back.persons[0])


def test_an_unknown_source_of_a_frame_is_refused():
    message = convert.skeletons_to_msg(SkeletonFrame(STAMP, "camera", (person3d(np.empty((0, 6))),)))
    message.persons[0].source = 9
    with pytest.raises(ValueError, match="9 is not a valid Source"):
        convert.skeletons_from_msg(message)


def test_the_skeleton_is_described_with_names_and_parents():
    message = convert.skeleton_info_to_msg(H36M17)
    assert (message.name, tuple(message.joints), tuple(message.parents)) == ("h36m17", H36M17.joints, H36M17.parents)


@pytest.mark.parametrize("distortion", [(), (0.1, -0.2, 0.001, 0.002, 0.05)], ids=["ideal", "distorted"])
def test_intrinsics_survive(distortion):
    camera = Camera(500.0, 510.0, 320.0, 240.0, 640, 480, distortion)
    assert convert.camera_from_msg(convert.camera_to_msg(camera, STAMP, "camera")) == camera


def test_a_camera_that_names_no_distortion_model_has_none():
    message = convert.camera_to_msg(Camera(500.0, 510.0, 320.0, 240.0, 640, 480), STAMP, "camera")
    message.distortion_model = ""
    assert convert.camera_from_msg(message).distortion == ()


def test_an_uncalibrated_camera_is_refused_naming_the_field():
    with pytest.raises(ValueError, match=r"camera_info\.k is all zeros: the camera is not calibrated"):
        convert.camera_from_msg(CameraInfo(width=640, height=480))
