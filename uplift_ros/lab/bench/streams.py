"""Rows of `uplift bench` for streams: the cost of a second of video by window, stride, people and cameras.

A call takes a key-frame from detections to final skeletons; a row is the time of as many calls as a second of video has
key-frames. `batch` is the number of people.
"""

from collections.abc import Iterator

import numpy as np

from uplift_ros.camera import Camera
from uplift_ros.lab.bench.measurements import Row, against_first, interleaved, timed
from uplift_ros.lab.bench.networks import VARIANTS, uplift_forms
from uplift_ros.models.configs import Uplifting
from uplift_ros.poses import NANOSECONDS, Keyframe, Person2D
from uplift_ros.settings import defaults_of
from uplift_ros.stages import build
from uplift_ros.streaming.stride import FixedStride

RATE = 50
"""Frames per second of the video."""

PEOPLE = (1, 2, 5, 10, 20)
CAMERAS = (2, 4)
STRIDE = 10
"""Defaults of a measurement."""

CAMERA = Camera.from_fov(1.0, 640, 480)


class Stream:
    """Full windows of people who stand still; a call passes each camera its next key-frame, one after the other."""

    def __init__(self, network: Uplifting, stride: int = STRIDE, people: int = 1, cameras: int = 1) -> None:
        self.stride, self.people, self.cameras = stride, people, cameras
        parameters = defaults_of("uplift")
        controller = FixedStride(stride, network.config.token_stride)
        self._stages = [build.uplifting(parameters, build.UpliftNetwork(network), controller) for _ in range(cameras)]
        keypoints = np.random.default_rng(0).uniform(100, 400, (17, 2))
        self._persons = tuple(
            Person2D(f"p{index}", 1.0, np.zeros(4), keypoints + index, np.ones(17)) for index in range(people)
        )
        self._sequence = 0
        for _ in range(network.config.frames // stride):
            self()

    def __call__(self) -> None:
        stamp = self._sequence * self.stride * NANOSECONDS // RATE
        for stage in self._stages:
            stage.push(Keyframe(stamp, "camera", 640, 480, self._sequence, self.stride, self._persons), CAMERA)
        self._sequence += 1


def rows(seconds: float) -> Iterator[Row]:
    forms = {name: uplift_forms(name) for name in VARIANTS}
    networks = {name: form["cpu", "float32"] for name, form in forms.items() if form}
    for name, network in networks.items():
        strides = network.config.input_strides
        yield from _side_by_side(
            {f"{name} stream, stride {stride}": Stream(network, stride) for stride in strides}, seconds
        )
    network = networks["compact"]
    yield from _side_by_side(
        {f"compact stream, {people} people": Stream(network, people=people) for people in PEOPLE}, seconds
    )
    for cameras in CAMERAS:
        yield from _side_by_side(
            {
                f"compact stream, {cameras} cameras": Stream(network, cameras=cameras),
                f"compact stream, {cameras} cameras in one forward": Stream(network, people=cameras),
            },
            seconds,
        )


def _side_by_side(streams: dict[str, Stream], seconds: float) -> Iterator[Row]:
    yield from against_first(
        timed(name, times * RATE / streams[name].stride, streams[name].people * streams[name].cameras, "cpu")
        for name, times in interleaved(streams, seconds).items()
    )
