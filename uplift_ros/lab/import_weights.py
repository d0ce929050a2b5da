"""`uplift import`: convert the papers' own weights, if the user has them, to files that this package's commands load.

This package contains no material of the authors. Their networks compute the same as those here, under other names: the
Keras file of Uplift and Upsample is read layer by layer, SynSP's checkpoint parameter by parameter.
"""

import argparse
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from uplift_ros.models import weights
from uplift_ros.models.configs import SynSPConfig, UpliftConfig, n81, n351
from uplift_ros.models.synsp import SynSP
from uplift_ros.models.uplift import UpliftUpsample

FROM_AUTHORS17 = (6, 2, 1, 0, 3, 4, 5, 8, 7, 9, 10, 14, 15, 16, 13, 12, 11)
"""h36m17 joints among the 17 of Uplift and Upsample, which begin with the right ankle."""

UPLIFT_CONFIGS = {41: n81, 71: n351}
"""By number of tokens: h36m_81; h36m_351, h36m_351_pt and amass_351."""

UPLIFT_LICENCE = (
    "weights of github.com/goldbricklemon/uplift-upsample-3dhpe (code: MIT); Human3.6M and AMASS: research only"
)
SYNSP_LICENCE = "weights of github.com/InvertedForest/SynSP: non-commercial use only, as its README says"

FRAME_SIZES = {51: (17, 3), 42: (14, 3), 34: (17, 2), 32: (16, 2), 30: (15, 2), 144: (24, 6)}
"""Joints and coordinates of a frame by its number of values."""

HEAD_WIDTH = 64


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, help="Keras weights (.h5) of Uplift and Upsample, or a .pth.tar of SynSP")
    parser.add_argument("-o", "--out", type=Path, required=True, help="a .safetensors file")
    parser.add_argument("--window", type=int, default=8, help="window that SynSP was trained on, in frames")


def main(args: argparse.Namespace) -> int:
    if not args.file.is_file():
        raise FileNotFoundError(f"import: no file {args.file}")
    if args.out.suffix != ".safetensors":
        raise ValueError(f"out must be a .safetensors file, got {args.out}")
    keras = args.file.suffix in (".h5", ".hdf5")
    model = import_uplift(args.file) if keras else import_synsp(args.file, args.window)
    provenance = {
        "imported": args.file.name,
        "recipe": "paper",
        "licence": UPLIFT_LICENCE if keras else SYNSP_LICENCE,
        "joints": "h36m17, brought from the authors' order" if keras else "as in the authors' data",
    }
    weights.save(model, args.out, provenance)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    print(f"{args.out}: {parameters} parameters, {provenance['licence']}")
    return 0


def import_uplift(path: Path) -> UpliftUpsample:
    """Import the network of Uplift and Upsample from a Keras weight file.

    Raises:
        ValueError: not such a file, or a layer that is missing or has other arrays; names it.
    """
    layers = _keras_layers(path)
    if "temporal_pe" not in layers:
        raise ValueError(f"import: {path} has layers {', '.join(layers) or 'none'}, not those of Uplift and Upsample")
    tokens = len(layers["temporal_pe"][0])
    if tokens not in UPLIFT_CONFIGS:
        raise ValueError(f"import: {path}, layer 'temporal_pe' has {tokens} tokens, must be one of {[*UPLIFT_CONFIGS]}")
    config = replace(UPLIFT_CONFIGS[tokens](), normalisation="screen")
    model = UpliftUpsample(config)
    state = model.state_dict()
    names = set(state)
    for layer, targets in _uplift_layers(config):
        arrays = layers.get(layer, [])
        if len(arrays) != len(targets):
            raise ValueError(f"import: {path}, layer {layer!r} has {len(arrays)} arrays, expected {len(targets)}")
        for array, target in zip(arrays, targets, strict=True):
            tensor = torch.from_numpy(np.asarray(array, np.float32))
            name, _, part = target.partition("/")
            _fill(f"import: {path}, layer {layer!r}", state[name], _to_torch(name, tensor), part)
            names.discard(name)
    if names:
        raise AssertionError(f"not imported: {sorted(names)}")
    _reorder_joints(state)
    model.load_state_dict(state)
    return model.eval()


def _keras_layers(path: Path) -> dict[str, list[np.ndarray]]:
    """Arrays of every layer, in Keras' order."""
    import h5py  # only this format needs it

    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise ValueError(f"import: {path} is no HDF5 file") from error
    with file:
        group = file.get("model_weights", file)
        names = {_text(name) for name in group.attrs.get("layer_names", [])}
        return {
            name: [np.asarray(group[name][_text(weight)]) for weight in group[name].attrs.get("weight_names", [])]
            for name in sorted(names)
        }


def _text(name: str | bytes) -> str:
    return name.decode() if isinstance(name, bytes) else name


def _uplift_layers(config: UpliftConfig) -> Iterator[tuple[str, list[str]]]:
    """Keras' layers with parameters of `UpliftUpsample`, in Keras' order; 'qkv.weight/0' is the first third of one."""
    yield "keypoint_embedding", _dense("keypoint_embedding")
    yield "spatial_pe", ["joint_position"]
    yield "temporal_pe", ["temporal_position"]
    yield "strided_input_token_layer", ["upsampling_token"]
    yield "spatial_norm", _dense("spatial_norm")
    yield "spatial_to_temporal_fc", _dense("to_token")
    yield "temporal_fc", _dense("sequence_head")
    yield "strided_temporal_fc", _dense("central_head")
    for stack, count in (("spatial", config.spatial_blocks), ("temporal", config.temporal_blocks)):
        for index in range(count):
            ours = f"{stack}_blocks.{index}"
            yield f"{stack}_block_{index + 1}", _block(ours, f"{ours}.mlp.0", f"{ours}.mlp.2")
    for index in range(len(config.strides)):
        ours = f"strided_blocks.{index}"
        yield f"strided_temporal_pe_{index + 1}", [f"{ours}.position"]
        yield f"strided_temporal_block_{index + 1}", _block(ours, f"{ours}.expand", f"{ours}.reduce")


def _dense(name: str) -> list[str]:
    return [f"{name}.weight", f"{name}.bias"]


def _block(ours: str, expand: str, reduce: str) -> list[str]:
    thirds = [f"{ours}.attention.qkv.{kind}/{third}" for third in range(3) for kind in ("weight", "bias")]
    return [
        *_dense(f"{ours}.attention_norm"),
        *thirds,
        *_dense(f"{ours}.attention.out"),
        *_dense(f"{ours}.mlp_norm"),
        *_dense(expand),
        *_dense(reduce),
    ]


def _to_torch(name: str, tensor: Tensor) -> Tensor:
    """Convert Keras' kernels (inputs, outputs) or (width, inputs, outputs) to PyTorch's layout."""
    if "expand" in name and tensor.ndim == 3:
        tensor = tensor.squeeze(0)  # a convolution over one token
    return tensor.permute(*reversed(range(tensor.ndim))) if name.endswith("weight") else tensor


def _reorder_joints(state: dict[str, Tensor]) -> None:
    """Reorder every joint axis from the authors' order to h36m17, in place."""
    joints = list(FROM_AUTHORS17)
    state["joint_position"].copy_(state["joint_position"][joints])
    columns = state["to_token.weight"].unflatten(1, (len(joints), -1))
    columns.copy_(columns[:, joints])
    for head in ("sequence_head", "central_head"):
        for part in ("weight", "bias"):
            rows = state[f"{head}.{part}"].unflatten(0, (len(joints), 3))
            rows.copy_(rows[joints])


def import_synsp(path: Path, window: int) -> SynSP:
    """Import SynSP from a checkpoint of its training.

    Args:
        path: the file.
        window: frames that the network was trained on.

    Raises:
        ValueError: not such a file, or a parameter that is missing or has another shape; names it.
    """
    try:
        with torch.serialization.safe_globals(_numpy_numbers()):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a foreign file makes torch fail in many ways
        foreign = re.search(r"GLOBAL \S+", str(error))  # the rest of that message recommends to run it
        reason = foreign[0] if foreign else (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise ValueError(
            f"import: {path} is neither Keras weights (.h5) nor a checkpoint of tensors ({reason})"
        ) from error
    theirs = content.get("state_dict", content) if isinstance(content, dict) else {}
    theirs = {name.removeprefix("module."): tensor for name, tensor in theirs.items() if isinstance(tensor, Tensor)}
    model = SynSP(_synsp_config(path, theirs, window))
    state = model.state_dict()
    for name, tensor in state.items():
        source = _synsp_name(name)
        if source not in theirs:
            raise ValueError(f"import: {path} has no parameter {source!r}: no checkpoint of SynSP")
        _fill(f"import: {path}, parameter {source!r}", tensor, theirs[source].float(), "")
    model.load_state_dict(state)
    return model.eval()


def _synsp_config(path: Path, theirs: dict[str, Tensor], window: int) -> SynSPConfig:
    def shape(name: str) -> tuple[int, ...]:
        if name not in theirs:
            raise ValueError(f"import: {path} has no parameter {name!r}: no checkpoint of SynSP")
        return tuple(theirs[name].shape)

    width, channels = shape("proj_i_a.0.weight")
    if channels not in FRAME_SIZES:
        raise ValueError(
            f"import: {path}, parameter 'proj_i_a.0.weight' must have {[*FRAME_SIZES]} values a frame, got {channels}"
        )
    joints, coordinates = FRAME_SIZES[channels]
    layer = "encoder_local.layer_stack."
    return SynSPConfig(
        joints=joints,
        coordinates=coordinates,
        window=window,
        width=width,
        ffn=shape(f"{layer}0.pos_ffn.w_1.weight")[0],
        layers=len({name[len(layer) :].split(".")[0] for name in theirs if name.startswith(layer)}),
        heads=max(shape(f"{layer}0.slf_attn.w_qs.weight")[0] // HEAD_WIDTH, 1),
        head_width=HEAD_WIDTH,
    )


SYNSP_MODULES = {
    "embed": "proj_i_a", "position_head": "proj_o_p", "acceleration_head": "proj_o_a", "final_head": "proj_o_2",
    "local_encoder": "encoder_local", "global_encoder": "encoder_global",
    "base_decoder": "decoder", "refine_decoder": "decoder_2",
}  # fmt: skip
SYNSP_PARTS = {
    "first": "0", "second": "1", "query": "w_qs", "key": "w_ks", "value": "w_vs", "project": "fc",
    "expand": "w_1", "contract": "w_2", "norm": "layer_norm", "ffn": "pos_ffn",
}  # fmt: skip
"""Names of modules and of their parts in SynSP's release, by those in `SynSP`."""


def _synsp_name(name: str) -> str:
    """Name in SynSP's release of a parameter of `SynSP`."""
    module, *parts = name.split(".")
    attention = "slf_attn" if module.endswith("encoder") else "enc_attn"
    theirs = [SYNSP_PARTS.get(part, attention if part == "attention" else part) for part in parts]
    stack = ["layer_stack"] if module.endswith("coder") else []
    return ".".join([SYNSP_MODULES[module], *stack, *theirs])


def _fill(where: str, target: Tensor, tensor: Tensor, third: str) -> None:
    """Copy a tensor into a parameter, or into a third of it.

    Args:
        where: file and layer or parameter, for error messages.
        third: 0, 1 or 2; empty for the whole parameter.

    Raises:
        ValueError: another shape, or values that are not finite.
    """
    if third:
        target = target.chunk(3)[int(third)]
    if target.shape != tensor.shape:
        raise ValueError(f"{where}: shape {tuple(tensor.shape)} does not fit, expected {tuple(target.shape)}")
    if not torch.isfinite(tensor).all():
        raise ValueError(f"{where}: shape {tuple(tensor.shape)} is not finite")
    target.copy_(tensor)


def _numpy_numbers() -> list[Any]:
    """NumPy types in the scores that a checkpoint stores beside tensors; NumPy 2 has renamed their modules."""
    scalar = np.float64(0).__reduce__()[0]
    dtypes = (type(np.dtype(kind)) for kind in ("f4", "f8"))
    return [scalar, (scalar, "numpy.core.multiarray.scalar"), np.dtype, *dtypes]
