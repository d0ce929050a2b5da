"""A stream whose device fails continues with the spare network."""

import numpy as np
import pytest
from support import tiny
from support.cameras import CAMERA
from support.people import STANDING, person2d

from uplift_ros.lab.plain import PlainUplift
from uplift_ros.poses import Keyframe
from uplift_ros.streaming.uplifter import StreamingUplifter


def keyframe(number: int) -> Keyframe:
    keypoints = STANDING[:, :2] * 200 + (300 + 5 * number, 240)
    people = tuple(person2d(keypoints + shift, name) for name, shift in (("a", 0), ("b", 50)))
    return Keyframe(number * 200_000_000, "camera", 640, 480, number, 10, people)


def poses(uplifter: StreamingUplifter, numbers: range) -> np.ndarray:
    frames = [frame for number in numbers for frame in uplifter.push(keyframe(number), CAMERA).final]
    return np.array([person.joints for frame in frames for person in frame.persons])


class Failing(PlainUplift):
    """Network whose device fails at a stage from a given call on."""

    def __init__(self, call: int, stage: str = "forward") -> None:
        super().__init__(tiny.uplift())
        self._left = {stage: call}

    def _count(self, stage: str) -> None:
        if stage in self._left:
            self._left[stage] -= 1
            if self._left[stage] <= 0:
                raise RuntimeError("CUDA error: device lost")

    def __call__(self, *inputs):
        self._count("forward")
        return super().__call__(*inputs)

    def central(self, hidden):
        self._count("central")
        return super().central(hidden)


@pytest.mark.parametrize(("stage", "latency"), [("forward", 4), ("forward", 40), ("central", 40)])
@pytest.mark.parametrize("call", [1, 5])
def test_a_stream_whose_device_fails_loses_nothing(stage, latency, call):
    healthy = StreamingUplifter(tiny.uplifting(), latency=latency)
    struck = StreamingUplifter(Failing(call, stage), latency=latency, spare=tiny.uplifting)
    np.testing.assert_allclose(poses(struck, range(12)), poses(healthy, range(12)), atol=1e-5)
    assert struck.failure == "CUDA error: device lost"


def test_without_a_spare_the_failure_is_raised():
    with pytest.raises(RuntimeError, match="device lost"):
        StreamingUplifter(Failing(1)).push(keyframe(0), CAMERA)


def test_a_spare_that_fails_too_is_not_tried_again():
    struck = StreamingUplifter(Failing(1), spare=lambda: Failing(1))
    with pytest.raises(RuntimeError, match="device lost"):
        struck.push(keyframe(0), CAMERA)
