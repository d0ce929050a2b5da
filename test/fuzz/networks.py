"""Weights files and the error models beside them: damaged files, and valid ones with hostile content."""

import json
import struct
from dataclasses import asdict
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from fuzz.mutation import WORDS, changed, damaged
from fuzz.target import Target, file_target, naming, promise
from support import tiny

from uplift_ros.lab.smoothnet import SmoothNet, SmoothNetConfig
from uplift_ros.models import weights
from uplift_ros.models.configs import SynSPConfig, UpliftConfig
from uplift_ros.models.synsp import SynSP
from uplift_ros.models.uplift import UpliftUpsample
from uplift_ros.streaming import uncertainty

CONFIGS: tuple[tuple[str, type, Any], ...] = (
    ("uplift", UpliftUpsample, UpliftConfig(spatial_width=8, spatial_blocks=1, temporal_width=16, temporal_blocks=1)),
    ("synsp", SynSP, SynSPConfig(width=8, ffn=8, layers=1, heads=1, head_width=8)),
    ("smoothnet", SmoothNet, SmoothNetConfig(width=8, inner=4, blocks=1)),
)
DTYPES = {torch.float32: "F32", torch.float16: "F16", torch.int8: "I8"}
ERRORS = {
    "coefficients": np.full((17, 5), 0.02).tolist(),
    "across": 0.6,
    "along": 0.9,
    "place_across": 0.01,
    "place_along": 0.05,
    "provenance": {},
}


def targets(folder: Path) -> list[Target]:
    torch.manual_seed(0)
    wholes = [(name, cls, config, cls(config).state_dict()) for name, cls, config in CONFIGS]
    weights.save(tiny.uplift(), folder / "rated.safetensors", {})

    def take(case: tuple[bytes, type]) -> None:
        data, expected = case
        path = folder / "net.safetensors"
        path.write_bytes(data)
        with naming(path.name):
            model = weights.load(str(path), expected)
        promise(all(torch.isfinite(tensor).all() for tensor in model.state_dict().values()), "weights not finite")

    def rated(path: Path) -> None:
        model = uncertainty.load(str(folder / "rated.safetensors"))
        promise(model is not None, f"no error model in {path}")
        assert model is not None
        joints = np.random.default_rng(0).normal(0, 0.3, (17, 3))
        scores, covariance = model.predict(joints, np.array([0, 0, 3.0]), np.ones(17), 0.1, np.ones(17))
        promise(((scores >= 0) & (scores <= 1)).all() and np.isfinite(covariance).all(), "no scores and covariance")

    return [
        Target("weights", lambda random: network(random, wholes), take, 10),
        file_target("quality", errors, rated, "rated.quality.json", folder, 30),
    ]


def network(random: Random, wholes: list[tuple[str, type, Any, dict]]) -> tuple[bytes, type]:
    """A weights file, and the network that is expected in it."""
    name, cls, config, tensors = random.choice(wholes)
    fields = json.loads(json.dumps(asdict(config)))
    fate = random.random()
    if fate < 0.5:
        fields = changed(random, fields)
    if fate > 0.8:
        tensors = dict(tensors)
        key = random.choice(sorted(tensors))
        if random.random() < 0.3:
            del tensors[key]
        elif random.random() < 0.5:
            tensors[key] = torch.full_like(tensors[key].float(), random.choice((float("nan"), float("inf"), 1e38)))
        else:
            shape = [random.choice((length, 1, 0, length + 1)) for length in tensors[key].shape]
            tensors[key] = torch.zeros(shape, dtype=random.choice(list(DTYPES)))
    header = {"architecture": name, "config": json.dumps(fields), "provenance": "{}"}
    if random.random() < 0.2:
        header[random.choice(sorted(header))] = random.choice((*WORDS[:18], "[[1], 2]", '{"frames": NaN}'))
    data = serialised(tensors, header)
    if 0.5 < fate < 0.8:
        length = struct.unpack("<Q", data[:8])[0]
        if random.random() < 0.5:
            data = damaged(random, data[: 8 + length]) + data[8 + length :]
        else:
            data = struct.pack("<Q", random.choice((0, 1, length - 1, length + 1, 2**31, 2**63, 2**64 - 1))) + data[8:]
    expected = cls if random.random() < 0.9 else random.choice(wholes)[1]
    return data, expected


def serialised(tensors: dict[str, torch.Tensor], metadata: dict[str, str]) -> bytes:
    """Serialise as safetensors does, but always in the same order."""
    header: dict[str, Any] = {"__metadata__": metadata}
    data = b""
    for name, tensor in tensors.items():
        values = tensor.numpy().tobytes()
        place = [len(data), len(data) + len(values)]
        header[name] = {"dtype": DTYPES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": place}
        data += values
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def errors(random: Random) -> bytes:
    text = json.dumps(changed(random, ERRORS)).encode("utf-8", "surrogatepass")
    return damaged(random, text) if random.random() < 0.3 else text
