"""Conversion to plain data and back of messages that ROS can carry but no node of ours sends."""

import struct
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from fuzz.mutation import WORDS, blob, damaged, number, real
from fuzz.target import Target, promise

from uplift_ros.messages import conversion
from uplift_ros.messages.typestore import message_class, typestore

FACTORY = conversion.MessageFactory(message_class)


def targets(_: Path) -> list[Target]:
    return [
        Target("keyframe", keyframe, returned(conversion.keyframe_from_msg, FACTORY.keyframe), 50),
        Target("skeletons", skeletons, returned(conversion.skeletons_from_msg, FACTORY.skeletons), 30),
        Target("camera_info", camera_info, calibrated, 80),
        Target("header", header_bytes, conversion.serialized_header, 162.2),
    ]


def make(name: str, **fields: Any) -> Any:
    return message_class(name)(**fields)


def single(random: Random) -> float:
    """A float32."""
    return float(np.float32(np.clip(real(random), -3e38, 3e38)))


def time(random: Random) -> Any:
    seconds = random.choice((0, 1, -1, 2**31 - 1, -(2**31), random.getrandbits(31)))
    nanoseconds = random.choice((0, 1, 10**9 - 1, 10**9, 2**32 - 1))
    return make("builtin_interfaces/msg/Time", sec=seconds, nanosec=nanoseconds)


def header(random: Random) -> Any:
    return make("std_msgs/msg/Header", stamp=time(random), frame_id=random.choice(("camera", *WORDS[:14])))


def few(random: Random, usual: int) -> range:
    return range(usual if random.random() < 0.7 else random.randint(0, 20))


def filled(name: str, fields: str, random: Random, value: Callable[[Random], float]) -> Any:
    """A message of numbers."""
    return make(name, **{field: value(random) for field in fields.split()})


def keyframe(random: Random) -> Any:
    def person() -> Any:
        bbox = np.array([single(random) for _ in range(4)], np.float32)
        points = [filled("uplift_ros/msg/Keypoint2D", "x y score", random, single) for _ in few(random, 17)]
        name = random.choice(WORDS[:14])
        return make("uplift_ros/msg/Person2D", id=name, score=single(random), bbox=bbox, keypoints=points)

    width, height, sequence, stride = (number(random) for _ in range(4))
    return make(
        "uplift_ros/msg/Keyframe2D",
        width=width,
        height=height,
        sequence=sequence,
        stride=stride,
        persons=[person() for _ in few(random, 1)],
        skeleton=random.choice(("h36m17", *WORDS[:14])),
        origin=random.choice((0, 0, 1, 2, 255)),
        header=header(random),
    )


def skeletons(random: Random) -> Any:
    def person() -> Any:
        joints = [filled("geometry_msgs/msg/Point", "x y z", random, real) for _ in few(random, 17)]
        scores = np.array([single(random) for _ in few(random, 17)], np.float32)
        covariance = np.array([single(random) for _ in range(random.choice((0, 0, 102, 102, 6, 7, 108)))], np.float32)
        velocities, orientations = (
            [filled(f"geometry_msgs/msg/{kind}", axes, random, real) for _ in few(random, 17)]
            for kind, axes in (("Vector3", "x y z"), ("Quaternion", "x y z w"))
        )
        source, scale_source = (random.choice((0, 1, 2, 3, 4, 255)) for _ in range(2))
        return make(
            "uplift_ros/msg/Person3D",
            id=random.choice(WORDS[:14]),
            score=single(random),
            source=source,
            scale_source=scale_source,
            joints=joints,
            scores=scores,
            covariance=covariance,
            velocity=single(random),
            velocities=velocities,
            height=single(random),
            orientations=orientations,
            twist_variances=np.array([single(random)], np.float32),
        )

    return make(
        "uplift_ros/msg/Skeletons",
        persons=[person() for _ in few(random, 1)],
        header=header(random),
        skeleton=random.choice(("h36m17", "")),
        is_final=random.random() < 0.5,
    )


def camera_info(random: Random) -> tuple[Any, bool, tuple[int, int]]:
    """A sensor_msgs/CameraInfo, whether the images are rectified, and their size."""
    k = np.array([500.0, 0, 320, 0, 500, 240, 0, 0, 1])
    p = np.array([480.0, 0, 315, 0, 0, 480, 235, 0, 0, 0, 1, 0])
    for matrix in (k, p):
        for _ in range(random.choice((0, 0, 1, 2, 9))):
            matrix[random.randrange(9)] = real(random)
    d = np.array([real(random) if random.random() < 0.5 else 0.1 for _ in few(random, random.choice((0, 4, 5, 8)))])
    models = ("", "plumb_bob", "rational_polynomial", "equidistant", "fisheye", *WORDS[:8])
    size = [length if random.random() < 0.8 else number(random) for length in (480, 640)]
    offset, region = random.choice((((0, 0), (0, 0)), ((100, 50), (400, 300)), ((100, 50), (0, 0))))
    bins = random.choice((0, 0, 1, 2, number(random)))
    window = [value if random.random() < 0.9 else number(random) for value in (*offset, *region)]
    x, y, width, height = window
    roi = make(
        "sensor_msgs/msg/RegionOfInterest",
        x_offset=x,
        y_offset=y,
        height=height,
        width=width,
        do_rectify=random.random() < 0.1,
    )
    message = make(
        "sensor_msgs/msg/CameraInfo",
        header=header(random),
        height=size[0],
        width=size[1],
        distortion_model=random.choice(models),
        d=d,
        k=k,
        r=np.zeros(9),
        p=p,
        binning_x=bins,
        binning_y=bins,
        roi=roi,
    )
    shown = [(length or whole) // max(bins, 1) for length, whole in zip((width, height), size[::-1], strict=True)]
    image = random.choice((shown, shown[::-1], size[::-1], [number(random), number(random)]))
    return message, random.random() < 0.3, (image[0], image[1])


def header_bytes(random: Random) -> bytes:
    """The beginning of a serialised message."""
    if random.random() < 0.3:
        return blob(random, 40)
    order, code = random.choice((("<", 1), (">", 0)))
    text = random.choice(("camera", *WORDS[:19])).encode("utf-8", "surrogatepass") + b"\0"
    length = len(text) if random.random() < 0.7 else number(random)
    data = bytes([0, code, 0, 0]) + struct.pack(f"{order}iII", 1, 2, length) + text
    return damaged(random, data) if random.random() < 0.5 else data


def returned(to_data: Callable[[Any], Any], to_message: Callable[[Any], Any]) -> Callable[[Any], None]:
    """Check that plain data can be converted back to a message that can be sent."""

    def take(message: Any) -> None:
        again = to_message(to_data(message))
        promise(again.header == message.header, f"the header {again.header}")
        promise(len(again.persons) == len(message.persons), f"{len(again.persons)} persons")
        typestore().serialize_cdr(again, again.__msgtype__)

    return take


def calibrated(case: tuple[Any, bool, tuple[int, int]]) -> None:
    message, rectified, size = case
    calibration = conversion.calibration_from_msg(message, rectified)
    camera = calibration.for_image(*size)
    promise("\n" not in calibration.guess(*size), "a guess of several lines")
    promise((camera.width, camera.height) == size, f"a camera of {camera.width}x{camera.height} for images of {size}")
    points = np.random.default_rng(0).normal((0, 0, 3), 0.5, (17, 3))
    pixels = camera.project(points)
    promise(pixels.shape == (17, 2), f"pixels {pixels.shape}")
    promise(camera.rays(np.nan_to_num(pixels)).shape == (17, 2), "rays of another shape")
