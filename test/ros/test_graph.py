"""Key-frames through the real uplift and refiner nodes; the test acts as the pose estimator."""

import re
import time

import numpy as np
import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from sensor_msgs.msg import CameraInfo
from support.cameras import CAMERA
from support.clocks import FRAME, START
from support.people import STANDING, person2d
from uplift_ros.msg import Keyframe2D, Person3D, RateState, SkeletonInfo, Skeletons

from uplift_ros.messages.conversion import ros_messages, stamp_from_msg
from uplift_ros.nodes import qos
from uplift_ros.poses import Keyframe

MODEL_RATE = 50


class FakeEstimator:
    """Publishes key-frames as fast as they are answered, at the stride that its parameter asks for."""

    def __init__(self, observer) -> None:
        self.observer = observer
        self.node = observer.add_node("pose_estimator")
        self.node.declare_parameter("stride", 10)
        self.keyframes = self.node.create_publisher(Keyframe2D, "keyframes", qos.poses())
        self.infos = self.node.create_publisher(CameraInfo, "camera_info", qos.poses())
        self.answers = observer.collect(RateState, "rate_state")
        self.calibrated = False
        self.sequence = 0
        self.frame = 0
        self.strides: list[int] = []

    @property
    def stride(self) -> int:
        return self.node.get_parameter("stride").value

    def set_by_hand(self, stride: int) -> None:
        self.node.set_parameters([rclpy.Parameter("stride", value=stride)])

    def send(self, people: int = 1) -> RateState:
        """One key-frame, and the state that the uplift node publishes for it."""
        if self.sequence == 0:
            self.observer.wait_for_connection("uplift", ("uplift", "keyframes"))
        person = person2d(STANDING[:, :2] * 200 + (320, 240), "p0")
        stamp = START + self.frame * FRAME
        keyframe = Keyframe(stamp, "camera", 640, 480, self.sequence, self.stride, (person,) * people)
        if self.calibrated:
            self.infos.publish(ros_messages().camera_info(CAMERA, stamp, "camera"))
        answered = len(self.answers)
        self.keyframes.publish(ros_messages().keyframe(keyframe))
        self.observer.wait_for(lambda: len(self.answers) > answered)
        self.strides.append(self.stride)
        self.frame += self.stride
        self.sequence += 1
        return self.answers[-1]

    def send_until(self, condition, people: int, limit: int = 60) -> RateState:
        for _ in range(limit):
            if condition(state := self.send(people)):
                return state
        pytest.fail(f"not within {limit} key-frames; the last answer was {state}")


@pytest.fixture
def estimator(observer):
    return FakeEstimator(observer)


@pytest.fixture
def uplift(start, random_weights, estimator, observer):
    """Start the uplift node with parameters and wait until it listens."""

    def start_uplift(**parameters) -> None:
        start("uplift", model=random_weights["uplift"], **parameters)
        observer.wait_for(lambda: estimator.keyframes.get_subscription_count() == 1)

    return start_uplift


@pytest.mark.parametrize("stride", [4, 10, 20])
def test_skeletons_come_for_every_frame_whatever_the_stride(uplift, estimator, observer, stride):
    uplift(stride_mode="fixed", stride=stride)
    raw = observer.collect(Skeletons, "skeletons/raw")
    estimator.send_until(lambda state: len(raw) >= 120, people=1)
    stamps = [stamp_from_msg(message.header.stamp) for message in raw]
    assert stamps == [START + frame * FRAME for frame in range(len(stamps))]
    assert estimator.strides[-1] == stride


def test_pending_frames_are_published_when_the_node_is_deactivated(uplift, estimator, observer):
    uplift(stride_mode="fixed", stride=10, latency=15)
    raw = observer.collect(Skeletons, "skeletons/raw")
    estimator.send_until(lambda state: len(raw) >= 40, people=1)
    observer.change_state("uplift", "deactivate")
    newest = START + (estimator.frame - estimator.stride) * FRAME
    observer.wait_for(lambda: stamp_from_msg(raw[-1].header.stamp) == newest)
    assert [stamp_from_msg(message.header.stamp) for message in raw] == list(range(START, newest + 1, FRAME))


def test_pending_frames_are_published_when_no_key_frame_follows(uplift, estimator, observer):
    uplift(stride_mode="fixed", stride=10, latency=15)
    raw = observer.collect(Skeletons, "skeletons/raw")
    estimator.send_until(lambda state: len(raw) >= 40, people=1)
    newest = START + (estimator.frame - estimator.stride) * FRAME
    observer.wait_for(lambda: stamp_from_msg(raw[-1].header.stamp) == newest)
    before = len(raw)
    estimator.send_until(lambda state: len(raw) >= before + 10, people=1)  # and the stream continues after them
    stamps = [stamp_from_msg(message.header.stamp) for message in raw]
    assert stamps == list(range(START, stamps[-1] + 1, FRAME))


@pytest.mark.parametrize("playout", [False, True])
def test_skeletons_come_one_by_one_with_playout_and_in_bursts_without(uplift, estimator, observer, playout):
    uplift(stride_mode="fixed", stride=20, playout=playout)
    raw, live = observer.collect(Skeletons, "skeletons/raw"), observer.collect(Skeletons, "skeletons/live")
    arrived: list[float] = []
    observer.node.create_subscription(
        Skeletons, "skeletons/raw", lambda _: arrived.append(time.monotonic()), qos.poses()
    )
    observer.wait_for(lambda: observer.node.count_subscribers("skeletons/raw") == 2)
    begun = time.monotonic()
    for number in range(10):  # as a camera does, in real time
        observer.wait_for(lambda at=begun + number * 0.4: time.monotonic() >= at)
        estimator.send()
    observer.wait_for(lambda: len(arrived) >= 160)
    stamps = [stamp_from_msg(message.header.stamp) for message in raw]
    assert stamps == [START + frame * FRAME for frame in range(len(stamps))]
    observer.wait_for(lambda: len(live) == 10)  # at once, in either case
    assert (np.median(np.diff(arrived[60:160])) > 0.25 / MODEL_RATE) == playout


def test_refined_skeletons_are_the_raw_ones_in_order(uplift, start, estimator, observer, random_weights):
    start("refiner", method="synsp", model=random_weights["refiner"], delay=3)
    raw, refined = observer.collect(Skeletons, "skeletons/raw"), observer.collect(Skeletons, "skeletons")
    uplift(stride_mode="fixed", stride=10)
    observer.wait_for_connection("uplift", ("refiner", "skeletons/raw"))
    for _ in range(10):
        estimator.send()
    observer.wait_for(lambda: len(refined) >= 80)
    people = {stamp_from_msg(message.header.stamp): [p.id for p in message.persons] for message in raw}
    stamps = [stamp_from_msg(message.header.stamp) for message in refined]
    assert stamps == [stamps[0] + frame * FRAME for frame in range(len(stamps))]
    assert [[person.id for person in message.persons] for message in refined] == [people[stamp] for stamp in stamps]


def test_skeletons_are_published_when_no_person_is_in_view(uplift, estimator, observer):
    uplift()
    raw = observer.collect(Skeletons, "skeletons/raw")
    estimator.send_until(lambda state: raw, people=0)
    assert all(not message.persons for message in raw)


def test_the_stride_shrinks_when_a_person_moves_and_grows_after_the_hold(uplift, estimator):
    # An untrained network sees motion in every person, and none if no person is in view.
    uplift(stride_mode="adaptive", velocity_threshold=0.01, hold_frames=40)
    estimator.send_until(lambda state: estimator.stride == 20 and state.reason == RateState.SLOW, people=0)
    estimator.send_until(lambda state: estimator.stride == 4 and state.reason == RateState.FAST, people=1)
    alone = estimator.frame
    estimator.send_until(lambda state: state.reason == RateState.HOLD, people=0)
    estimator.send_until(lambda state: estimator.stride == 20 and state.reason == RateState.SLOW, people=0)
    assert estimator.frame - alone >= 40


def test_a_stride_set_by_hand_stays_in_the_mode_fixed(uplift, estimator):
    uplift(stride_mode="fixed", stride=10)
    estimator.send_until(lambda state: state.reason == RateState.FIXED and estimator.stride == 10, people=0)
    estimator.send()
    estimator.set_by_hand(6)
    state = estimator.send_until(lambda state: state.reason == RateState.MANUAL, people=0)
    assert (state.stride, estimator.stride) == (6, 6)


def test_the_mode_can_be_changed_while_running(uplift, estimator, observer):
    uplift(stride_mode="adaptive")
    estimator.send_until(lambda state: state.reason == RateState.SLOW, people=0)
    assert observer.set_parameter("uplift", "stride_mode", "fixed").successful
    assert estimator.send(people=0).reason == RateState.FIXED


def test_a_stride_that_the_model_cannot_have_is_refused_with_the_reason(uplift, observer):
    uplift()
    result = observer.set_parameter("uplift", "stride_slow", 15)
    assert not result.successful
    assert re.search("stride_slow .*multiple of 2 .*15$", result.reason)


def test_simulated_time_without_a_clock_leaves_ages_unknown(uplift, estimator, observer):
    statuses = observer.collect(DiagnosticArray, "/diagnostics")
    uplift(use_sim_time=True)
    assert [estimator.send().age_ms for _ in range(3)] == [0.0] * 3

    def said() -> list[str]:
        values = [pair for array in statuses for status in array.status for pair in status.values]
        return [pair.value for pair in values if pair.key == "last_error"]

    observer.wait_for(lambda: any("/clock" in text for text in said()))


def test_a_lost_keyframe_is_counted(uplift, estimator):
    uplift()
    estimator.send()
    estimator.sequence += 2
    assert estimator.send().dropped == 2


def test_a_refused_keyframe_of_another_publisher_counts_as_no_gap(uplift, estimator):
    uplift()
    estimator.send()
    estimator.keyframes.publish(Keyframe2D(skeleton="coco17", sequence=7))
    assert estimator.send().dropped == 0


def test_rates_are_those_of_the_stamps(uplift, estimator):
    uplift(stride_mode="fixed", stride=10)
    for _ in range(30):
        state = estimator.send()
    assert state.keyframe_hz == pytest.approx(5.0)
    assert state.output_hz == pytest.approx(50.0)
    assert state.uplift_ms > 0


def test_without_intrinsics_skeletons_have_no_scale(uplift, estimator, observer):
    uplift()
    raw = observer.collect(Skeletons, "skeletons/raw")
    estimator.send_until(lambda state: raw, people=1)
    assert raw[-1].persons[0].scale_source == Person3D.SCALE_NONE


def test_with_intrinsics_skeletons_stand_in_front_of_the_camera(uplift, estimator, observer):
    uplift()
    raw = observer.collect(Skeletons, "skeletons/raw")
    estimator.calibrated = True
    estimator.send_until(lambda state: raw and raw[-1].persons[0].scale_source == Person3D.SCALE_PRIOR, people=1)
    assert raw[-1].persons[0].joints[0].z > 0


def test_the_joint_set_is_described_for_late_subscribers(uplift, observer):
    uplift()
    infos = observer.collect(SkeletonInfo, "skeleton_info", qos.latched())
    observer.wait_for(lambda: infos)
    assert (infos[0].name, len(infos[0].joints), infos[0].parents[0]) == ("h36m17", 17, -1)


def test_a_keyframe_of_another_joint_set_is_refused_and_the_node_continues(uplift, estimator, observer):
    uplift()
    wrong = ros_messages().keyframe(Keyframe(START, "camera", 640, 480, 0, 10, ()))
    wrong.skeleton = "coco17"
    estimator.keyframes.publish(wrong)
    assert estimator.send().keyframe_hz == 0.0
