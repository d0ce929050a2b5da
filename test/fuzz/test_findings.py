"""Minimal forms of fuzzing's findings: each of these was once another exception, a hanging process or a NaN."""

import json
import struct
import subprocess
import sys
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from support import recordings, tiny
from support.people import STANDING

from uplift_ros import settings
from uplift_ros.bags import recording
from uplift_ros.bags.reader import BagError
from uplift_ros.bags.writer import BagWriter
from uplift_ros.camera import Camera
from uplift_ros.messages import conversion
from uplift_ros.messages.images import to_rgb
from uplift_ros.messages.typestore import message_class
from uplift_ros.models import weights
from uplift_ros.streaming import uncertainty


def refused(complaint: str, read, *arguments) -> None:
    with pytest.raises(ValueError, match=complaint) as caught:
        read(*arguments)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000


# ---------------------------------------------------------------- parameter files


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a: 1\n  b: 2", "mapping values are not allowed here"),
        ("a: &a {b: &b {c: 1}}\nuplift: *a", "aliases are not allowed"),
        ("&a {ros__parameters: *a}", "aliases are not allowed"),
        ("[" * 3000, "recursion depth"),
        ("uplift: {ros__parameters: {5: 3}}", "no parameter 5"),
        (f"uplift: {{ros__parameters: {{output_rate: 1{'0' * 400}}}}}", "output_rate must be a number"),
        (f"uplift: {{ros__parameters: {{latency: {'x' * 100_000}}}}}", "latency must be an integer from 0 to 200"),
        (f"uplift: {{ros__parameters: [{'[' * 50}{']' * 50}]}}", "must be parameters with their values"),
    ],
    ids=["two lines", "alias", "itself", "deep", "number as name", "beyond float", "long", "deep value"],
)
def test_a_parameter_file_is_refused_in_one_line(tmp_path, text, complaint):
    path = tmp_path / "parameters.yaml"
    path.write_text(text)
    refused(rf"parameters\.yaml: .*{complaint}", settings.load, path, {})


# ---------------------------------------------------------------- error models


@pytest.mark.parametrize(
    "change",
    [
        {"across": 10**400}, {"along": float("nan")}, {"across": -1}, {"place_along": 1e300},
        {"coefficients": [[1e300] * 4] * 17}, {"across": "9" * 5000},
    ],
    ids=["beyond float", "nan", "negative", "huge", "huge coefficients", "long"],
)  # fmt: skip
def test_an_error_model_of_impossible_numbers_is_refused(tmp_path, change):
    weights.save(tiny.uplift(), tmp_path / "own.safetensors", {})
    parts = {"across": 0.5, "along": 1.0, "place_across": 0.01, "place_along": 0.02, "coefficients": [[0.1] * 4] * 17}
    (tmp_path / "own.quality.json").write_text(json.dumps(parts | change))
    refused(r"own\.quality\.json is not an error model", uncertainty.load, str(tmp_path / "own.safetensors"))


# ---------------------------------------------------------------- messages


def test_a_time_with_more_than_a_second_of_nanoseconds_is_refused():
    time = message_class("builtin_interfaces/msg/Time")(2**31 - 1, 2**32 - 1)
    refused("stamp.nanosec must be below 1000000000, got 4294967295", conversion.stamp_from_msg, time)
    data = b"\0\1\0\0" + struct.pack("<iII", 1, 10**9, 1) + b"\0"
    refused("stamp.nanosec must be below", conversion.serialized_header, data)


def test_a_frame_id_that_is_no_text_is_refused():
    data = b"\0\1\0\0" + struct.pack("<iII", 1, 2, 3) + b"\xff\xfe\0"
    refused("serialised message has no whole header", conversion.serialized_header, data)


@pytest.mark.parametrize(("model", "count"), [("plumb_bob", 3), ("rational_polynomial", 9), ("equidistant", 5)])
def test_distortion_that_opencv_does_not_know_is_refused(model, count):
    refused(f"coefficients of {model}, got {count}", Camera, 500, 500, 320, 240, 640, 480, (0.1,) * count, model)


def test_a_compressed_image_cannot_claim_more_than_67_million_pixels(tmp_path):
    jpeg = bytearray(cv2.imencode(".jpg", np.zeros((8, 8, 3), np.uint8))[1])
    at = jpeg.index(b"\xff\xc0")
    jpeg[at + 5 : at + 9] = struct.pack(">HH", 30000, 30000)
    (tmp_path / "image.jpg").write_bytes(jpeg)
    program = """
import sys; from types import SimpleNamespace
from uplift_ros.messages.images import to_rgb  # before cv2, which reads its limits only once
to_rgb(SimpleNamespace(format="jpeg", data=open(sys.argv[1], "rb").read()))
"""
    command = [sys.executable, "-c", program, str(tmp_path / "image.jpg")]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "ValueError: compressed image of format 'jpeg'" in ended.stderr
    assert "cannot be decoded, or is too large" in ended.stderr


def test_the_format_of_an_image_may_be_long(tmp_path):
    refused("format '9", to_rgb, SimpleNamespace(format="9" * 5000, data=b"no image"))
    image = SimpleNamespace(encoding="9" * 5000, height=1, width=1, step=1, data=b"0")
    refused("encoding must be one of", to_rgb, image)


@pytest.mark.parametrize("topic", ["/image_raw/compressed", "/camera_info"])
def test_a_topic_with_a_time_that_is_none_is_named(tmp_path, topic):
    path = tmp_path / "run.mcap"
    message = recordings.compressed_image(1, np.zeros((8, 8, 3), np.uint8)) if "image" in topic else None
    message = message or recordings.camera_info(1)
    message.header.stamp.nanosec = 10**9
    with BagWriter(path) as writer:
        writer.write(topic, 1, message)
    with pytest.raises(BagError, match=rf"run\.mcap, topic {topic} is not as the graph writes it: stamp.nanosec must"):
        recording.load(path)


def test_a_skeleton_of_another_form_is_named(tmp_path):
    path = tmp_path / "run.mcap"
    with BagWriter(path) as writer:
        writer.write("/skeletons", 1, recordings.skeletons(1, recordings.person(STANDING[:3])))
    with pytest.raises(
        BagError, match=r"run\.mcap, topic /skeletons is not as .* joints and scores of person 'p1' must"
    ):
        recording.load(path)


def test_a_topic_of_another_type_is_named(tmp_path):
    path = tmp_path / "run.mcap"
    with BagWriter(path) as writer:
        writer.write("/skeletons", 1, recordings.camera_info(1))
    with pytest.raises(BagError, match=r"run\.mcap, topic /skeletons is not as the graph writes it"):
        recording.load(path)
