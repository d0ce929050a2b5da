"""The real uplift node; the test acts as a pose estimator whose time for a key-frame can be set."""

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from support.clocks import FRAME
from support.people import person2d
from uplift_ros.msg import Keyframe2D, RateState

from uplift_ros.messages.conversion import ros_messages
from uplift_ros.nodes import qos
from uplift_ros.poses import Keyframe


class SlowEstimator:
    """Sends key-frames of a person in motion, and their cost.

    Attributes:
        milliseconds: time for a key-frame, as in its diagnostics.
    """

    def __init__(self, observer) -> None:
        self.observer = observer
        self.node = observer.add_node("pose_estimator")
        self.node.declare_parameter("stride", 10)
        self.keyframes = self.node.create_publisher(Keyframe2D, "keyframes", qos.poses())
        self.diagnostics = self.node.create_publisher(DiagnosticArray, "/diagnostics", qos.poses())
        self.answers = observer.collect(RateState, "rate_state")
        self.milliseconds = 20.0
        self.sequence = self.frame = 0

    @property
    def stride(self) -> int:
        return self.node.get_parameter("stride").value

    def send(self) -> RateState:
        cost = KeyValue(key="processing_ms", value=f"{self.milliseconds:.2f}")
        self.diagnostics.publish(DiagnosticArray(status=[DiagnosticStatus(name="/pose_estimator", values=[cost])]))
        keypoints = np.random.default_rng(self.sequence).uniform(100, 400, (17, 2))
        person = person2d(keypoints)
        keyframe = Keyframe(self.frame * FRAME, "camera", 640, 480, self.sequence, self.stride, (person,))
        answered = len(self.answers)
        self.keyframes.publish(ros_messages().keyframe(keyframe))
        self.observer.wait_for(lambda: len(self.answers) > answered)
        self.sequence += 1
        self.frame += self.stride
        return self.answers[-1]

    def send_until(self, stride: int, reason: int) -> None:
        for _ in range(60):
            state = self.send()
            if (self.stride, state.stride, state.reason) == (stride, stride, reason):
                return
        pytest.fail(f"not within 60 key-frames; the last answer was {state}")


@pytest.fixture
def estimator(start, observer, random_weights):
    start("uplift", model=random_weights["uplift"], velocity_threshold=0.01)
    estimator = SlowEstimator(observer)
    observer.wait_for(lambda: estimator.keyframes.get_subscription_count())
    observer.wait_for(lambda: estimator.diagnostics.get_subscription_count())
    observer.wait_for_connection("uplift", ("observer", "rate_state"))
    return estimator


def test_the_stride_rises_while_the_estimator_is_too_slow_for_it_and_falls_afterwards(estimator):
    estimator.send_until(4, RateState.FAST)
    estimator.milliseconds = 150.0  # too long for every fourth frame, every 80 ms
    estimator.send_until(10, RateState.OVERLOAD)
    estimator.milliseconds = 300.0
    estimator.send_until(20, RateState.OVERLOAD)
    estimator.milliseconds = 20.0
    estimator.send_until(4, RateState.FAST)


def test_a_fixed_stride_is_not_raised(estimator, observer):
    assert observer.set_parameter("uplift", "stride_mode", "fixed").successful
    estimator.milliseconds = 1000.0
    estimator.send_until(10, RateState.FIXED)
    assert {estimator.send().reason for _ in range(5)} == {RateState.FIXED}
