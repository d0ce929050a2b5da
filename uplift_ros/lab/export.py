"""`uplift export`: a trained network as ONNX files, which the robot runs without PyTorch.

Equal weights produce equal bytes. The graphs are those of `models/runtime.py`, which documents inputs and outputs.
"""

import argparse
import atexit
import json
import shutil
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import asdict
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import onnx
import torch
from torch import Tensor, nn

from uplift_ros.files import atomic_write
from uplift_ros.lab.plain import Central, Refine, WindowStages
from uplift_ros.models import weights
from uplift_ros.models.runtime import CENTRAL_SUFFIX
from uplift_ros.models.synsp import SynSP
from uplift_ros.models.uplift import UpliftUpsample

OPSET = 17
"""Of ONNX: the first with layer norms, read by every ONNX Runtime since 1.12."""

EXAMPLE_BATCH = 2
"""Batch size of the traced example; not 1, which PyTorch would treat as a constant."""

PRODUCER = "uplift_ros"


def uplift_files(model: UpliftUpsample, provenance: dict[str, Any] | None = None) -> tuple[bytes, bytes]:
    """Contents of NAME.onnx and NAME.central.onnx.

    Args:
        model: the network.
        provenance: of its weights, for the metadata of the files.
    """
    config = model.config
    example = (
        torch.zeros(EXAMPLE_BATCH, config.joints, config.channels),
        torch.zeros(EXAMPLE_BATCH, config.temporal_width),
        torch.zeros(EXAMPLE_BATCH, config.tokens, dtype=torch.long),
    )
    hidden = torch.zeros(WindowStages(model)(*example)[2].shape)
    metadata = {"architecture": "uplift"} | _header(config, provenance)
    windows = _file(
        WindowStages(model), example, ("poses", "known", "windows"), ("tokens", "sequence", "hidden"), metadata
    )
    metadata = {"architecture": "uplift central"} | _header(config, provenance)
    return windows, _file(Central(model), (hidden,), ("hidden",), ("central",), metadata)


def refine_file(model: SynSP, provenance: dict[str, Any] | None = None) -> bytes:
    """Contents of NAME.onnx of SynSP; arguments as of `uplift_files`."""
    config = model.config
    metadata = {"architecture": "synsp"} | _header(config, provenance)
    example = torch.zeros(EXAMPLE_BATCH, config.window, config.joints, config.coordinates)
    return _file(Refine(model), (example,), ("windows",), ("refined",), metadata)


def export(name: str, out: Path) -> list[Path]:
    """Write .onnx files; return their paths.

    Args:
        name: of shipped weights, or a .safetensors file.
        out: the first file.

    Raises:
        FileNotFoundError: no such weights.
        ValueError: `out` is no .onnx file, or the robot runs no network of this kind.
    """
    if out.suffix != ".onnx":
        raise ValueError(f"out must end in .onnx, got {str(out)!r}")
    architecture, _, provenance = weights.read_header(name)
    if architecture == "uplift":
        contents: tuple[bytes, ...] = uplift_files(weights.load(name, UpliftUpsample), provenance)
    elif architecture == "synsp":
        contents = (refine_file(weights.load(name, SynSP), provenance),)
    else:
        raise ValueError(f"weights must be of uplift or synsp, the networks of a robot, got {architecture} in {name!r}")
    paths = [out, out.with_suffix(CENTRAL_SUFFIX)][: len(contents)]
    for path, content in zip(paths, contents, strict=True):
        with atomic_write(path) as beside:
            beside.write_bytes(content)
    return paths


@cache
def exported(name: str) -> str:
    """Value of the node parameter `model` for weights: the name of shipped ones, or the file of an export of others.

    The error model is exported too. The files exist until the process ends.

    Args:
        name: of shipped weights, or a .safetensors file.

    Raises:
        FileNotFoundError, ValueError: as `export`.
    """
    if not name.endswith(weights.SUFFIX):
        return name
    folder = Path(tempfile.mkdtemp(prefix="uplift_export_"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    out, quality = folder / f"{Path(name).stem}.onnx", Path(name).with_suffix(".quality.json")
    export(name, out)
    if quality.is_file():
        shutil.copy(quality, folder)
    return str(out)


def _header(config: Any, provenance: dict[str, Any] | None) -> dict[str, str]:
    return {"config": json.dumps(asdict(config)), "provenance": json.dumps(provenance or {})}


def _file(
    module: nn.Module,
    example: tuple[Tensor, ...],
    inputs: Sequence[str],
    outputs: Sequence[str],
    metadata: dict[str, str],
) -> bytes:
    """Export a module as an ONNX file; the first dimension of every input and output is free."""
    buffer = BytesIO()
    with warnings.catch_warnings(), torch.inference_mode(False):
        warnings.simplefilter("ignore")  # of tracing: all dimensions but the first are constant here
        torch.onnx.export(
            module.eval(),
            example,
            cast(Any, buffer),
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_axes={name: {0: f"{name}_count"} for name in (*inputs, *outputs)},
            opset_version=OPSET,
            dynamo=False,
        )
    model = onnx.load_from_string(buffer.getvalue())
    model.producer_name, model.producer_version = PRODUCER, ""
    onnx.helper.set_model_props(model, metadata)
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("weights", help="a .safetensors file, or the name of shipped weights")
    parser.add_argument("-o", "--out", type=Path, required=True, help="the .onnx file to write")


def main(args: argparse.Namespace) -> int:
    for path in export(args.weights, args.out):
        print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")
    return 0
