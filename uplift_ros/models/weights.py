"""Weights on disk: safetensors with the network's config and training provenance in the header. No pickle."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from uplift_ros.models.smoothnet import SmoothNet, SmoothNetConfig
from uplift_ros.models.synsp import SynSP, SynSPConfig
from uplift_ros.models.uplift import UpliftConfig, UpliftUpsample
from uplift_ros.resources import share_folder

ARCHITECTURES: dict[str, tuple[type, type]] = {
    "uplift": (UpliftConfig, UpliftUpsample),
    "synsp": (SynSPConfig, SynSP),
    "smoothnet": (SmoothNetConfig, SmoothNet),
}


def available() -> list[str]:
    """Names of the shipped weights."""
    return sorted(path.stem for path in (share_folder() / "weights").glob("*.safetensors"))


def find(name: str) -> Path:
    """Path of shipped weights by name, or of a user's own .safetensors file.

    Raises:
        FileNotFoundError: neither; names what is there.
    """
    shipped = share_folder() / "weights" / f"{name}.safetensors"
    for path in (shipped, Path(name)):
        if path.suffix == ".safetensors" and path.is_file():
            return path
    raise FileNotFoundError(f"model: no weights {name!r}; shipped are {available()}, or give a .safetensors file")


def save(model: SynSP | SmoothNet | UpliftUpsample, path: Path, provenance: dict[str, Any]) -> None:
    """Write weights, config and where they come from (data, seed, command, results)."""
    architecture = next(name for name, (_, cls) in ARCHITECTURES.items() if isinstance(model, cls))
    header = {
        "architecture": architecture,
        "config": json.dumps(asdict(model.config)),
        "provenance": json.dumps(provenance),
    }
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    save_file(tensors, path, header)


def read_header(name: str) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """Architecture, config and provenance of the weights `name`.

    Raises:
        FileNotFoundError: no such weights.
        ValueError: not a weights file of this package.
    """
    path = find(name)
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
        return header["architecture"], json.loads(header["config"]), json.loads(header["provenance"])
    except (SafetensorError, KeyError, json.JSONDecodeError) as error:
        raise ValueError(f"model: {path} is not a weights file of uplift_ros ({error})") from error


def load(name: str, expect: type[nn.Module], device: str = "cpu") -> Any:
    """The network `name` in inference mode.

    Args:
        name: of shipped weights, or path of a .safetensors file.
        expect: class of network that the caller can use.
        device: where its parameters go.

    Raises:
        FileNotFoundError: no such weights.
        ValueError: not a weights file, another network than expected, or tensors that do not fit its config.
    """
    architecture, config, _ = read_header(name)
    config_class, model_class = ARCHITECTURES.get(architecture, (None, None))
    if config_class is None or model_class is not expect:
        raise ValueError(f"model: {name!r} holds a network {architecture!r}, expected {expect.__name__}")
    try:
        model = model_class(config_class(**_tuples(config)))
        with safe_open(find(name), framework="pt") as file:
            model.load_state_dict({key: file.get_tensor(key) for key in file.keys()})  # noqa: SIM118
    except (TypeError, RuntimeError, SafetensorError) as error:
        reason = str(error).splitlines()[-1].strip()  # PyTorch lists every tensor that is missing
        raise ValueError(f"model: weights {name!r} do not fit their own config ({reason})") from error
    return model.to(torch.device(device)).eval().requires_grad_(False)


def _tuples(value: Any) -> Any:
    """JSON gives lists where config dataclasses have tuples."""
    if isinstance(value, dict):
        return {key: _tuples(item) for key, item in value.items()}
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value
