"""Minimal forms of fuzzing's findings: each of these was once another exception, a hanging process or a NaN."""

import json
import re
import struct
import subprocess
import sys
from dataclasses import asdict
from types import SimpleNamespace

import cv2
import numpy as np
import onnx
import pytest
import yaml
from fuzz import parameter_files
from support import recordings, tiny
from support.networks import network
from support.people import STANDING

from uplift_ros import settings
from uplift_ros.bags import recording
from uplift_ros.bags.reader import BagError
from uplift_ros.bags.writer import BagWriter
from uplift_ros.camera import Camera
from uplift_ros.estimators import onnx as estimator
from uplift_ros.intrinsics import load_calibration
from uplift_ros.lab import export
from uplift_ros.messages import conversion
from uplift_ros.messages.images import to_rgb
from uplift_ros.messages.typestore import message_class
from uplift_ros.models import runtime, weights
from uplift_ros.streaming import uncertainty


def refused(named: str, read, *arguments) -> None:
    with pytest.raises(ValueError, match=named) as caught:
        read(*arguments)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000


# ---------------------------------------------------------------- parameter files


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("a: 1\n  b: 2", "mapping values"),
        ("a: &a {b: &b {c: 1}}\nuplift: *a", "aliases are not allowed"),
        ("&a {ros__parameters: *a}", "aliases are not allowed"),
        ("[" * 3000, "recursion depth"),
        ("uplift: {ros__parameters: {5: 3}}", "no parameter 5"),
        (f"uplift: {{ros__parameters: {{output_rate: 1{'0' * 400}}}}}", "output_rate .*number"),
        (f"uplift: {{ros__parameters: {{latency: {'x' * 100_000}}}}}", "latency .*0 to 200"),
        (f"uplift: {{ros__parameters: [{'[' * 50}{']' * 50}]}}", "ros__parameters of /uplift "),
    ],
    ids=["two lines", "alias", "itself", "deep", "number as name", "beyond float", "long", "deep value"],
)
def test_a_parameter_file_is_refused_in_one_line(tmp_path, text, named):
    path = tmp_path / "parameters.yaml"
    path.write_text(text)
    refused(rf"parameters\.yaml: .*{named}", settings.load, path, {})


# ---------------------------------------------------------------- error models


@pytest.mark.parametrize(
    "change",
    [
        {"across": 10**400}, {"along": float("nan")}, {"across": -1}, {"place_along": 1e300},
        {"coefficients": [[1e300] * 5] * 17}, {"across": "9" * 5000},
    ],
    ids=["beyond float", "nan", "negative", "huge", "huge coefficients", "long"],
)  # fmt: skip
def test_an_error_model_of_impossible_numbers_is_refused(tmp_path, change):
    weights.save(tiny.uplift(), tmp_path / "own.safetensors", {})
    parts = {"across": 0.5, "along": 1.0, "place_across": 0.01, "place_along": 0.02, "coefficients": [[0.1] * 5] * 17}
    quality = tmp_path / "own.quality.json"
    quality.write_text(json.dumps(parts))
    assert uncertainty.load(str(tmp_path / "own.safetensors"))
    quality.write_text(json.dumps(parts | change))
    refused(r"own\.quality\.json .*error model", uncertainty.load, str(tmp_path / "own.safetensors"))


# ---------------------------------------------------------------- calibrations and ONNX files


@pytest.mark.parametrize("field", ["image_width", "camera_matrix"])
def test_a_calibration_beyond_double_precision_is_refused(tmp_path, field):
    tree = parameter_files.CALIBRATION
    huge = 10**400 if field == "image_width" else {"data": [10**400] * 9}
    (tmp_path / "front.yaml").write_text(yaml.safe_dump(tree | {field: huge}))
    refused(rf"front\.yaml: {field} must", load_calibration, tmp_path / "front.yaml")


def altered(path, content: bytes, change) -> str:
    """Write an ONNX file after a change of its graph; returns the path."""
    model = onnx.load_from_string(content)
    change(model)
    path.write_bytes(model.SerializeToString())
    return str(path)


def test_weights_that_are_not_finite_are_refused(tmp_path):
    def spoil(model) -> None:
        (bias,) = (item for item in model.graph.initializer if item.name.endswith("sequence_head.bias"))
        bias.CopyFrom(onnx.numpy_helper.from_array(np.full(51, np.nan, np.float32), bias.name))

    content, _ = export.uplift_files(tiny.uplift())
    path = altered(tmp_path / "own.onnx", content, spoil)
    refused(r"own\.onnx .*finite", runtime.load_uplift, path)


def test_a_network_that_its_config_does_not_describe_is_refused(tmp_path):
    def lie(model) -> None:
        config = json.dumps(asdict(tiny.synsp().config) | {"window": 16})
        onnx.helper.set_model_props(model, {"architecture": "synsp", "config": config})

    path = altered(tmp_path / "own.onnx", export.refine_file(tiny.synsp()), lie)
    refused(r"own\.onnx .*config", runtime.load_refine, path)


@pytest.mark.parametrize(
    "outputs",
    [
        {"dets": (1, 2, 4), "keypoints": (1, 2, 17, 3)}, {"dets": (1, 2, 5), "keypoints": (1, 2, 17, 2)},
        {"dets": (1, 2, 5), "keypoints": (1, 3, 17, 3)}, {"dets": (1, 2, 5), "labels": (1, 3)},
        {"simcc_x": (1, 17, 0), "simcc_y": (1, 17, 128)}, {"maps": (1, 17, 0, 12)}, {"rows": (1, 56, 0)},
    ],
    ids=str,
)  # fmt: skip
def test_outputs_of_another_shape_are_refused_when_the_network_is_loaded(tmp_path, outputs):
    path = network(tmp_path / "pose.onnx", {name: np.zeros(shape) for name, shape in outputs.items()})
    refused(r"model_path: .*pose\.onnx .*simcc_x", estimator.create, path, "cpu", 1, 0.5, 0)


@pytest.mark.parametrize("side", [0, 2**31])
def test_a_network_for_impossible_pictures_is_refused(tmp_path, side):
    path = network(tmp_path / "pose.onnx", {"maps": np.zeros((1, 17, 16, 12))}, width=side)
    refused(r"model_path: .*pose\.onnx", estimator.create, path, "cpu", 1, 0.5, 0)


# ---------------------------------------------------------------- messages


def test_a_time_with_more_than_a_second_of_nanoseconds_is_refused():
    time = message_class("builtin_interfaces/msg/Time")(2**31 - 1, 2**32 - 1)
    refused(r"stamp\.nanosec .*4294967295", conversion.stamp_from_msg, time)
    data = b"\0\1\0\0" + struct.pack("<iII", 1, 10**9, 1) + b"\0"
    refused(r"stamp\.nanosec .*1000000000", conversion.serialized_header, data)


def test_a_frame_id_that_is_no_text_is_refused():
    data = b"\0\1\0\0" + struct.pack("<iII", 1, 2, 3) + b"\xff\xfe\0"
    refused("header", conversion.serialized_header, data)


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
    assert re.search("^ValueError: .*'jpeg'.*too large", ended.stderr, re.MULTILINE)


def test_the_format_of_an_image_may_be_long(tmp_path):
    refused("format '9", to_rgb, SimpleNamespace(format="9" * 5000, data=b"no image"))
    image = SimpleNamespace(encoding="9" * 5000, height=1, width=1, step=1, data=b"0")
    refused("encoding must be one of", to_rgb, image)


@pytest.mark.parametrize("topic", ["/image_raw/compressed", "/camera_info"])
def test_a_topic_with_an_invalid_time_is_named(tmp_path, topic):
    path = tmp_path / "run.mcap"
    message = recordings.compressed_image(1, np.zeros((8, 8, 3), np.uint8)) if "image" in topic else None
    message = message or recordings.camera_info(1)
    message.header.stamp.nanosec = 10**9
    with BagWriter(path) as writer:
        writer.write(topic, 1, message)
    with pytest.raises(BagError, match=rf"run\.mcap, topic {topic} .*stamp\.nanosec"):
        recording.load(path)


def test_a_skeleton_of_another_form_is_named(tmp_path):
    path = tmp_path / "run.mcap"
    with BagWriter(path) as writer:
        writer.write("/skeletons", 1, recordings.skeletons(1, recordings.person(STANDING[:3])))
    with pytest.raises(BagError, match=r"run\.mcap, topic /skeletons .*person 'p1'"):
        recording.load(path)


def test_a_topic_of_another_type_is_named(tmp_path):
    path = tmp_path / "run.mcap"
    with BagWriter(path) as writer:
        writer.write("/skeletons", 1, recordings.camera_info(1))
    with pytest.raises(BagError, match=r"run\.mcap, topic /skeletons"):
        recording.load(path)
