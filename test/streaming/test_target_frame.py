import numpy as np
from support.clocks import FRAME, SECOND
from support.people import person3d

from uplift_ros.poses import SkeletonFrame
from uplift_ros.sources.synthetic.motion import pose
from uplift_ros.streaming.clock import TRANSFORM_PATIENCE_NS
from uplift_ros.streaming.refiner import StreamingRefiner
from uplift_ros.streaming.target_frame import TargetFrame
from uplift_ros.transforms import RigidTransform


def skeletons(*numbers: int, joints: np.ndarray | None = None) -> list[SkeletonFrame]:
    joints = pose(0.0) if joints is None else joints
    return [SkeletonFrame(number * FRAME, "camera", (person3d(joints),)) for number in numbers]


class Known:
    """Transforms up to a stamp: along x, a metre per second."""

    def __init__(self, until: int = 0) -> None:
        self.until = until
        self.asked: list[tuple[str, str, int]] = []

    def __call__(self, target: str, source: str, stamp: int) -> RigidTransform:
        self.asked.append((target, source, stamp))
        if stamp > self.until * FRAME:
            raise LookupError("extrapolation into the future")
        return RigidTransform(np.eye(3), np.array([stamp / 1e9, 0.0, 0.0]))


def test_every_frame_is_moved_by_the_transform_of_its_own_stamp():
    known = Known(until=100)
    moved = TargetFrame("odom", known).move(skeletons(10, 20, 30))
    assert known.asked == [("odom", "camera", number * FRAME) for number in (10, 20, 30)]
    assert [frame.frame_id for frame in moved] == ["odom"] * 3
    offsets = [frame.persons[0].joints[0, 0] - pose(0.0)[0, 0] for frame in moved]
    np.testing.assert_allclose(offsets, [0.2, 0.4, 0.6])


def test_frames_wait_in_order_for_transforms_that_come_later():
    known = Known(until=2)
    target = TargetFrame("odom", known)
    assert [frame.stamp for frame in target.move(skeletons(1, 2, 3, 4))] == [1 * FRAME, 2 * FRAME]
    assert target.is_waiting
    known.until = 4
    assert [frame.stamp for frame in target.move([])] == [3 * FRAME, 4 * FRAME]
    assert not target.is_waiting
    assert target.lost == 0


def test_a_frame_whose_transform_never_comes_is_given_up_with_the_reason():
    target = TargetFrame("odom", Known(until=-1))
    assert target.move(skeletons(0, 1, 2)) == []
    assert target.move(skeletons(1 + TRANSFORM_PATIENCE_NS // FRAME)) == []
    assert target.lost == 2
    assert target.reason == "extrapolation into the future"


def test_a_frame_is_given_up_when_another_is_half_a_second_newer_and_no_sooner():
    target = TargetFrame("odom", Known(until=-1))
    half_a_second = SECOND // 2 // FRAME
    target.move(skeletons(0, half_a_second - 1))
    assert target.lost == 0
    target.move(skeletons(half_a_second))
    assert target.lost == 1


def test_nothing_is_lost_waiting_or_wrong_at_first():
    target = TargetFrame("odom", Known())
    assert (target.name, target.lost, target.reason, target.is_waiting) == ("odom", 0, "", False)


def test_after_a_jump_back_in_time_nothing_old_is_awaited():
    target = TargetFrame("odom", Known(until=50))
    assert target.move(skeletons(1000)) == []
    assert [frame.stamp for frame in target.move(skeletons(1))] == [FRAME]
    assert target.lost == 1


def test_reset_forgets_what_waits():
    target = TargetFrame("odom", Known(until=-1))
    target.move(skeletons(0))
    target.reset()
    assert not target.is_waiting


def camera_in_odom(stamp: int) -> RigidTransform:
    """Transforms of a robot that turns to and fro."""
    angle = 6.0 * np.sin(stamp / 1e9 * 4)
    cosine, sine = np.cos(angle), np.sin(angle)
    return RigidTransform(np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1.0]]), np.zeros(3))


def test_a_standing_person_seen_by_a_turning_robot_stands_still_when_smoothed_in_the_fixed_frame():
    standing = pose(0.0) + np.array((3.0, 0.0, 0.0))
    target = TargetFrame("odom", lambda _target, _source, stamp: camera_in_odom(stamp))
    in_odom, in_camera = StreamingRefiner("savgol", 3), StreamingRefiner("savgol", 3)
    fixed, swinging = [], []
    for number in range(100):
        seen = skeletons(number, joints=standing @ camera_in_odom(number * FRAME).rotation)
        fixed += [frame.persons[0].joints for frame in in_odom.push(target.move(seen))]
        refined = in_camera.push(seen)
        swinging += [camera_in_odom(frame.stamp).points(frame.persons[0].joints) for frame in refined]
    np.testing.assert_allclose(fixed, np.broadcast_to(standing, np.shape(fixed)), atol=1e-9)
    assert np.abs(np.array(swinging) - standing).max() > 0.05, "smoothing in the camera's frame cuts the corners"
