"""Rows of `uplift bench` for streams: cost of a second of video by window, stride, people and cameras.

A call processes a key-frame from detections to final skeletons. A row has the time of as many calls as a second of
video has key-frames; its batch is the number of people.
"""

from collections.abc import Iterator

import numpy as np

from uplift_ros.camera import Camera
from uplift_ros.lab.bench.measurements import Measurement, against_first, interleaved, timed
from uplift_ros.lab.bench.networks import MEASURED_CONFIGS, uplift_forms
from uplift_ros.lab.data.mocap import FRAME_RATE_HZ
from uplift_ros.models.configs import Uplifting
from uplift_ros.poses import NANOSECONDS, Keyframe, Person2D
from uplift_ros.settings import defaults_of
from uplift_ros.stages import build
from uplift_ros.streaming.stride import FixedStride

PEOPLE_COUNTS = (1, 2, 5, 10, 20)
CAMERA_COUNTS = (2, 4)
DEFAULT_STRIDE = 10

STREAM_CAMERA = Camera.from_fov(1.0, 640, 480)


class Stream:
    """Streams of people who stand still, with full windows; a call processes the next key-frame of every camera.

    Args:
        network: the uplifting network.
        stride: of key-frames.
        people: in every image.
        cameras: number of streams, processed one after the other.
    """

    def __init__(self, network: Uplifting, stride: int = DEFAULT_STRIDE, people: int = 1, cameras: int = 1) -> None:
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
        stamp = round(self._sequence * self.stride * NANOSECONDS / FRAME_RATE_HZ)
        for stage in self._stages:
            stage.push(Keyframe(stamp, "camera", 640, 480, self._sequence, self.stride, self._persons), STREAM_CAMERA)
        self._sequence += 1


def rows(seconds: float) -> Iterator[Measurement]:
    """All measurements of streams, each about `seconds` long."""
    forms = {name: uplift_forms(name) for name in MEASURED_CONFIGS}
    networks = {name: form["cpu", "float32"] for name, form in forms.items() if form}
    for name, network in networks.items():
        strides = network.config.input_strides
        yield from _side_by_side(
            {f"{name} stream, stride {stride}": Stream(network, stride) for stride in strides}, seconds
        )
    network = networks["compact"]
    yield from _side_by_side(
        {f"compact stream, {people} people": Stream(network, people=people) for people in PEOPLE_COUNTS}, seconds
    )
    for cameras in CAMERA_COUNTS:
        yield from _side_by_side(
            {
                f"compact stream, {cameras} cameras": Stream(network, cameras=cameras),
                f"compact stream, {cameras} cameras in one forward": Stream(network, people=cameras),
            },
            seconds,
        )


def _side_by_side(streams: dict[str, Stream], seconds: float) -> Iterator[Measurement]:
    yield from against_first(
        timed(name, times * FRAME_RATE_HZ / streams[name].stride, streams[name].people * streams[name].cameras, "cpu")
        for name, times in interleaved(streams, seconds).items()
    )
