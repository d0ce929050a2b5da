"""A stream whose device fails goes on with the spare network."""

import numpy as np
import pytest
from support import tiny
from support.people import STANDING

from uplift_ros.camera import Camera
from uplift_ros.models.inference import UpliftInference
from uplift_ros.poses import Keyframe, Person2D
from uplift_ros.streaming.uplifter import StreamingUplifter

CAMERA = Camera.from_fov(1.0, 640, 480)


def keyframe(number: int) -> Keyframe:
    keypoints = STANDING[:, :2] * 200 + (300 + 5 * number, 240)
    people = tuple(
        Person2D(name, 1.0, np.zeros(4), keypoints + shift, np.ones(17)) for name, shift in (("a", 0), ("b", 50))
    )
    return Keyframe(number * 200_000_000, "camera", 640, 480, number, 10, people)


def poses(uplifter: StreamingUplifter, numbers: range) -> np.ndarray:
    frames = [frame for number in numbers for frame in uplifter.push(keyframe(number), CAMERA).final]
    return np.array([person.joints for frame in frames for person in frame.persons])


class Failing(UpliftInference):
    """Whose device fails at a stage from a call on."""

    def __init__(self, stage: str, call: int) -> None:
        super().__init__(tiny.uplift())
        self.calls = 0
        working = getattr(self, stage)

        def fail(*inputs):
            self.calls += 1
            if self.calls >= call:
                raise RuntimeError("CUDA error: device lost\nand much more")
            return working(*inputs)

        setattr(self, stage, fail)


@pytest.mark.parametrize("stage", ["pose_tokens", "temporal", "sequence"])
@pytest.mark.parametrize("call", [1, 5])
def test_a_stream_whose_device_fails_loses_nothing(stage, call):
    healthy = StreamingUplifter(UpliftInference(tiny.uplift()))
    struck = StreamingUplifter(Failing(stage, call), spare=lambda: UpliftInference(tiny.uplift()))
    np.testing.assert_allclose(poses(struck, range(12)), poses(healthy, range(12)), atol=1e-6)
    assert struck.failure == "CUDA error: device lost"


def test_without_a_spare_the_failure_is_raised():
    with pytest.raises(RuntimeError, match="device lost"):
        StreamingUplifter(Failing("temporal", 1)).push(keyframe(0), CAMERA)


def test_a_spare_that_fails_too_is_not_tried_again():
    struck = StreamingUplifter(Failing("temporal", 1), spare=lambda: Failing("temporal", 1))
    with pytest.raises(RuntimeError, match="device lost"):
        struck.push(keyframe(0), CAMERA)
