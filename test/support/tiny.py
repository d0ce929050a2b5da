"""Untrained networks of a few thousand parameters."""

from pathlib import Path

import torch
from support.people import STANDING

from uplift_ros.lab import export
from uplift_ros.lab.plain import PlainRefine, PlainUplift
from uplift_ros.models.configs import SynSPConfig, UpliftConfig
from uplift_ros.models.synsp import SynSP
from uplift_ros.models.uplift import UpliftUpsample

SMALL_SYNSP = SynSPConfig(width=16, ffn=16, layers=1, heads=1, head_width=16)


def uplift(normalisation: str = "canonical") -> UpliftUpsample:
    torch.manual_seed(0)
    size = {"spatial_width": 8, "spatial_blocks": 1, "temporal_width": 16, "temporal_blocks": 2, "heads": 2}
    config = UpliftConfig(normalisation=normalisation, **size)
    network = UpliftUpsample(config).eval().requires_grad_(False)
    # All people stand, more or less, so that they have a size and a place.
    network.sequence_head.weight *= 0.05
    network.sequence_head.bias.copy_(torch.from_numpy(STANDING.ravel()))
    return network


def synsp(config: SynSPConfig = SMALL_SYNSP) -> SynSP:
    torch.manual_seed(1)
    return SynSP(config).eval().requires_grad_(False)


def uplifting() -> PlainUplift:
    """`uplift` as streams call it."""
    return PlainUplift(uplift())


def refining(config: SynSPConfig = SMALL_SYNSP) -> PlainRefine:
    """`synsp` as streams call it."""
    return PlainRefine(synsp(config))


def write_networks(folder: Path, uplifter: UpliftUpsample, refiner: SynSP) -> None:
    """uplift.onnx and synsp.onnx, as `uplift export` writes them."""
    windows, central = export.uplift_files(uplifter)
    files = {"uplift.onnx": windows, "uplift.central.onnx": central, "synsp.onnx": export.refine_file(refiner)}
    for name, content in files.items():
        (folder / name).write_bytes(content)


def write_parameters(folder: Path, **uplift_parameters: object) -> Path:
    """A parameter file that names tiny networks, written into `folder` with it."""
    write_networks(folder, uplift(), synsp())
    lines = [f"    {name}: {value}" for name, value in uplift_parameters.items()]
    path = folder / "parameters.yaml"
    path.write_text(
        "\n".join(
            [
                "/**/uplift:",
                "  ros__parameters:",
                f"    model: {folder / 'uplift.onnx'}",
                *lines,
                "/**/refiner:",
                "  ros__parameters:",
                "    method: synsp",
                f"    model: {folder / 'synsp.onnx'}",
            ]
        )
        + "\n"
    )
    return path
