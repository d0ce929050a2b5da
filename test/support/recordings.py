"""Small recordings of an artificial run, for tests: real files with messages of the typestore."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from itertools import groupby
from pathlib import Path

import cv2
import numpy as np
from mcap.reader import make_reader
from mcap.writer import CompressionType
from mcap.writer import Writer as McapWriter
from support.clocks import FRAME, MILLISECOND, START
from support.people import STANDING

from uplift_ros.bags.writer import BagWriter
from uplift_ros.camera import Camera
from uplift_ros.messages.conversion import MessageFactory
from uplift_ros.messages.typestore import message_class
from uplift_ros.poses import Keyframe, Person2D, Person3D, ScaleSource, SkeletonFrame, Source
from uplift_ros.streaming.rates import Rates
from uplift_ros.streaming.stride import Reason

CAMERA = Camera(500.0, 500.0, 159.5, 119.5, 320, 240)


FRAME_ID = "camera_optical_frame"


@cache
def factory() -> MessageFactory:
    return MessageFactory(message_class)


def header(stamp: int):
    return factory().header(stamp, FRAME_ID)


def person(joints: np.ndarray, name: str = "p1", velocity: float = 0.0, source: int = 1):
    pose = Person3D(name, 1.0, Source(source), ScaleSource.PRIOR, joints, np.ones(len(joints)), velocity)
    return factory().skeletons(SkeletonFrame(START, FRAME_ID, (pose,))).persons[0]


def skeletons(stamp: int, *people):
    return message_class("uplift_ros/msg/Skeletons")(header(stamp), "h36m17", True, list(people))


def keyframe(stamp: int, sequence: int, joints: np.ndarray | None, stride: int = 10):
    people: tuple[Person2D, ...] = ()
    if joints is not None:
        pixels = CAMERA.project(joints)
        bbox = np.array([*pixels.min(0), *np.ptp(pixels, 0)])
        people = (Person2D("p1", 1.0, bbox, pixels, np.ones(len(pixels))),)
    seen = Keyframe(stamp, FRAME_ID, CAMERA.width, CAMERA.height, sequence, stride, people)
    return factory().keyframe(seen)


def rate_state(stamp: int, stride: int, velocity: float = 0.1, reason: int = 1, dropped: int = 0):
    rates = Rates(
        stamp, FRAME_ID, stride, Reason(reason), velocity, keyframe_hz=50.0 / stride, output_hz=50.0, dropped=dropped,
        camera_hz=50.0, estimate_ms=18.0, uplift_ms=9.0, refine_ms=4.0, age_ms=250.0,
    )  # fmt: skip
    return factory().rate_state(rates)


def camera_info(stamp: int):
    return factory().camera_info(replace(CAMERA, distortion=(0.0,) * 5), stamp, FRAME_ID)


def compressed_image(stamp: int, image: np.ndarray):
    _, data = cv2.imencode(".jpg", image)
    return message_class("sensor_msgs/msg/CompressedImage")(header(stamp), "jpeg", data.ravel())


def waving(t: float) -> np.ndarray:
    """(17, 3) metres: the standing person 3 m ahead, waving and swaying."""
    joints = STANDING + np.array((0.1 * np.sin(t), 0.0, 3.0))
    joints[16] += (-0.1 * np.sin(5 * t), -0.4, 0.0)
    return joints


def write_run(
    path: Path,
    frames: int = 50,
    predict: Callable[[float], np.ndarray] = waving,
    truth: Callable[[float], np.ndarray] | None = waving,
    period: int = FRAME,
    strides: Sequence[tuple[int, int]] = ((0, 10),),
    absent: range = range(0),
    images: bool = True,
    age: int = 250 * MILLISECOND,
) -> Path:
    """Record a run of `frames` frames.

    Args:
        predict, truth: pose at a time in seconds; raw and refined skeletons are both `predict`.
        strides: (frame from which on it holds, stride).
        absent: frames in which no person is detected.
        age: log time - stamp, nanoseconds, of everything.
    """
    with BagWriter(path) as writer:
        sequence = 0
        for i in range(frames):
            stamp, t = START + i * period, i * period / 1e9
            stride = [value for begin, value in strides if begin <= i][-1]
            writer.write("/camera_info", stamp + age, camera_info(stamp))
            if images:
                image = np.full((CAMERA.height, CAMERA.width, 3), 128, np.uint8)
                writer.write("/image_raw/compressed", stamp + age, compressed_image(stamp, image))
            if i % stride == 0:
                seen = None if i in absent else predict(t)
                writer.write("/keyframes", stamp + age, keyframe(stamp, sequence, seen, stride))
                writer.write("/rate_state", stamp + age, rate_state(stamp, stride, 0.1 * stride, 2))
                sequence += 1
            for topic in ("/skeletons/raw", "/skeletons"):
                writer.write(topic, stamp + age, skeletons(stamp, person(predict(t), velocity=0.5)))
            if truth is not None:
                writer.write("/ground_truth", stamp + age, skeletons(stamp, person(truth(t), "truth")))
    return path


def with_wrong_checksum(path: Path, begin: int, end: int) -> Path:
    """Write an MCAP file again, as rosbag2 does, the messages of log times from `begin` to before `end` in one chunk,
    of which a byte has changed."""
    with path.open("rb") as source:
        messages = list(make_reader(source).iter_messages())
    chunks = groupby(messages, lambda item: begin <= item[2].log_time < end)
    channels: dict[str, int] = {}
    with path.open("wb") as target:
        writer = McapWriter(target, chunk_size=1 << 30, compression=CompressionType.NONE)
        writer.start("ros2")
        for _, chunk in chunks:
            for schema, channel, message in chunk:
                if channel.topic not in channels:
                    kind = writer.register_schema(schema.name, schema.encoding, schema.data)
                    channels[channel.topic] = writer.register_channel(channel.topic, "cdr", kind, channel.metadata)
                writer.add_message(channels[channel.topic], message.log_time, message.data, message.publish_time)
            writer.flush()
        writer.finish()
    data = bytearray(path.read_bytes())
    changed = next(message.data for _, _, message in messages if begin <= message.log_time < end)
    data[data.index(changed) + len(changed) - 1] ^= 1
    path.write_bytes(data)
    return path
