"""ONNX files: networks of ours and of the user's, damaged, or whole with hostile content."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from random import Random

import numpy as np
import onnx
from fuzz.mutation import WORDS, changed, damaged
from fuzz.target import Target, naming, promise
from support import networks, tiny

from uplift_ros import estimators
from uplift_ros.lab import export
from uplift_ros.models import runtime

TYPES = (onnx.TensorProto.FLOAT16, onnx.TensorProto.UINT8, onnx.TensorProto.DOUBLE, onnx.TensorProto.INT64)
OPTIONS = {"device": "cpu", "max_persons": 1, "score_threshold": 0.1, "person_class": 0}
OUTPUTS = (
    {"simcc_x": np.full((1, 17, 96), 0.5), "simcc_y": np.full((1, 17, 128), 0.5)},
    {"heatmap": np.full((1, 17, 16, 12), 0.5)},
    {"dets": np.tile([4.0, 4, 40, 60, 0.9], (1, 3, 1)), "keypoints": np.full((1, 3, 17, 3), 0.5)},
    {"output0": np.full((1, 56, 5), 0.5)},
)


def targets(folder: Path) -> list[Target]:
    windows, _ = export.uplift_files(tiny.uplift())
    own = (
        (windows, runtime.load_uplift, asdict(tiny.uplift().config)),
        (export.refine_file(tiny.synsp()), runtime.load_refine, asdict(tiny.synsp().config)),
    )
    theirs = [Path(networks.network(folder / "whole.onnx", outputs)).read_bytes() for outputs in OUTPUTS]
    path = folder / "net.onnx"

    def make_own(random: Random) -> tuple[bytes, Callable]:
        content, load, config = random.choice(own)
        return hostile(random, content, config), load

    def run(case: tuple[bytes, Callable]) -> None:
        path.write_bytes(case[0])
        with naming(path.name):
            case[1](str(path))

    def estimate(content: bytes) -> None:
        path.write_bytes(content)
        with naming(path.name):
            estimator = estimators.create("onnx", OPTIONS | {"model_path": str(path)})
        try:
            for person in estimator.estimate(np.zeros((60, 80, 3), np.uint8)):
                promise(person.keypoints.shape == (17, 2), f"keypoints {person.keypoints.shape}")
        finally:
            estimator.close()

    return [
        Target("onnx", make_own, run, 2),
        Target("detector", lambda random: hostile(random, random.choice(theirs), {}), estimate, 4),
    ]


def hostile(random: Random, whole: bytes, config: dict) -> bytes:
    if random.random() < 0.3:
        return damaged(random, whole, (b"float", b"Gather", b"MatMul", b"architecture", b"config"))
    model = onnx.load_from_string(whole)
    graph = model.graph
    for _ in range(random.choice((1, 1, 2))):
        fate = random.randrange(8)
        if fate == 0:
            constant = random.choice(graph.initializer)
            value = onnx.numpy_helper.to_array(constant)
            wrong = random.choice((np.nan, np.inf, 0, 1e38)) if value.dtype.kind == "f" else random.choice((-1, 0, 99))
            constant.CopyFrom(onnx.numpy_helper.from_array(np.full_like(value, wrong), constant.name))
        elif fate == 1:
            constant = random.choice(graph.initializer)
            value = onnx.numpy_helper.to_array(constant)
            shape = [random.choice((length, 1, 0, length + 1)) for length in value.shape]
            constant.CopyFrom(onnx.numpy_helper.from_array(np.zeros(shape, value.dtype), constant.name))
        elif fate == 2:
            del graph.node[random.randrange(len(graph.node))]
        elif fate == 3:
            tensor = random.choice([*graph.input, *graph.output]).type.tensor_type
            tensor.elem_type = random.choice(TYPES)
        elif fate == 4:
            sizes = random.choice([*graph.input, *graph.output]).type.tensor_type.shape.dim
            if sizes:
                sizes[random.randrange(len(sizes))].dim_value = random.choice((0, 1, 2, 3, 17, 2**31))
        elif fate == 5:
            random.choice([*graph.input, *graph.output]).name = random.choice(WORDS[:18])
        elif fate == 6:
            model.opset_import[0].version = random.choice((0, 1, 7, 99))
        elif fate == 7 and config:
            fields = json.dumps(changed(random, json.loads(json.dumps(config))))
            onnx.helper.set_model_props(model, {"architecture": random.choice(("uplift", "synsp")), "config": fields})
    return model.SerializeToString(deterministic=True)
