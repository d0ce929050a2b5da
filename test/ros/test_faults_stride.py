"""The uplift node's requests to an estimator that does not answer."""

import pytest
from rclpy.task import Future

from uplift_ros.nodes.links import estimator


class Silence:
    """A node, and its client of a service that takes requests and never answers."""

    def __init__(self) -> None:
        self.srv_name = "pose_estimator/set_parameters"
        self.strides: list[int] = []

    def create_client(self, *_arguments) -> "Silence":
        return self

    def service_is_ready(self) -> bool:
        return True

    def call_async(self, request) -> Future:
        self.strides.append(request.parameters[0].value.integer_value)
        return Future()


@pytest.fixture
def now(monkeypatch) -> list[float]:
    """[seconds] on the clock, to be set."""
    now = [100.0]
    monkeypatch.setattr(estimator.time, "monotonic", lambda: now[0])
    return now


def test_a_stride_is_asked_for_again_after_a_second_without_an_answer(now):
    silence = Silence()
    asking = estimator.EstimatorStride(silence, "pose_estimator")
    for seconds, asked in ((0.0, 1), (0.4, 1), (0.8, 1), (1.2, 2), (1.6, 2), (2.4, 3)):
        now[0] = 100.0 + seconds
        asking.ask(4)
        assert silence.strides == [4] * asked
