"""Weights on disk: safetensors with the network's config and training provenance in the header. No pickle."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from uplift_ros.files import atomic_write
from uplift_ros.models.configs import SynSPConfig, UpliftConfig, checked
from uplift_ros.models.synsp import SynSP
from uplift_ros.models.uplift import UpliftUpsample
from uplift_ros.parameters import brief
from uplift_ros.paths import find_weights, shipped_weights

ARCHITECTURES: dict[str, tuple[type, type[nn.Module]]] = {
    "uplift": (UpliftConfig, UpliftUpsample),
    "synsp": (SynSPConfig, SynSP),
}
"""Config and network of each name in a header; a research network adds itself when it is imported."""


SUFFIX = ".safetensors"


def available() -> list[str]:
    """Names of the shipped weights."""
    return shipped_weights(SUFFIX)


def find(name: str) -> Path:
    """Path of shipped weights by name, or of a user's own .safetensors file.

    Raises:
        FileNotFoundError: neither; lists the shipped ones.
    """
    return find_weights(name, SUFFIX)


def save(model: Any, path: Path, provenance: dict[str, Any]) -> None:
    """Write the weights of a network of ARCHITECTURES, its config and their provenance (data, seed, command)."""
    architecture = next(name for name, (_, cls) in ARCHITECTURES.items() if isinstance(model, cls))
    header = {
        "architecture": architecture,
        "config": json.dumps(asdict(model.config)),
        "provenance": json.dumps(provenance),
    }
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    with atomic_write(path) as beside:
        save_file(tensors, beside, header)


def read_header(name: str) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """Read architecture, config and provenance of the weights `name`.

    Raises:
        FileNotFoundError: no such weights.
        ValueError: not a weights file of this package.
    """
    path = find(name)
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
        return header["architecture"], json.loads(header["config"]), json.loads(header["provenance"])
    except (SafetensorError, KeyError, ValueError, RecursionError, OSError) as error:
        raise ValueError(f"model: {path} is not a weights file of uplift_ros ({_reason(error)})") from error


def load(name: str, expect: type[nn.Module]) -> Any:
    """Load the network `name` in inference mode.

    Args:
        name: of shipped weights, or path of a .safetensors file.
        expect: class of network that the caller requires.

    Raises:
        FileNotFoundError: no such weights.
        ValueError: not a weights file, another network than expected, or tensors that do not fit its config.
    """
    architecture, config, _ = read_header(name)
    config_class, model_class = ARCHITECTURES.get(architecture, (None, None))
    if config_class is None or model_class is not expect:
        raise ValueError(f"model: {name!r} holds a network {brief(architecture)}, expected {expect.__name__}")
    try:
        built = checked(config_class, config)
        with safe_open(find(name), framework="pt") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        if broken := [key for key, tensor in tensors.items() if not torch.isfinite(tensor).all()]:
            raise ValueError(f"{brief(broken[0])} is not finite")
        with torch.device("meta"):  # without memory: a small file may ask for a network of any size
            wanted = sum(parameter.numel() for parameter in model_class(built).parameters())
        if wanted > (held := sum(tensor.numel() for tensor in tensors.values())):
            raise ValueError(f"its config needs {wanted} weights, got {held}")
        model = model_class(built)
        model.load_state_dict(tensors)
    except (TypeError, ValueError, ArithmeticError, RuntimeError, AssertionError, SafetensorError) as error:
        raise ValueError(f"model: weights {name!r} do not fit their own config ({_reason(error)})") from error
    return model.eval().requires_grad_(False)


def _reason(error: Exception) -> str:
    """Last line of an error: PyTorch lists every missing tensor before it."""
    return (str(error).splitlines() or [type(error).__name__])[-1].strip()[:500]
