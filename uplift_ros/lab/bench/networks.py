"""Rows of `uplift bench` for the networks: ONNX Runtime and, if it is installed, plain PyTorch."""

import importlib.util
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from uplift_ros.lab.bench import cuda_graph
from uplift_ros.lab.bench.flops import estimate_flops
from uplift_ros.lab.bench.measurements import Measurement, against_first, interleaved, timed
from uplift_ros.models import runtime
from uplift_ros.models.configs import Refining, UpliftConfig, Uplifting, compact, n81, n351
from uplift_ros.paths import shipped_weights

MEASURED_CONFIGS: dict[str, Callable[[], UpliftConfig]] = {"compact": compact, "n81": n81, "n351": n351}

CPU_BATCHES, GPU_BATCHES = (1, 64), (1, 8, 64, 512)
SYNSP_BATCHES = (1, 20)
"""One frame, and the frames between two key-frames at a stride of 20."""

PYTORCH = "PyTorch"
Form = tuple[str, str]
"""Device, or PYTORCH, and precision."""


def rows(seconds: float, device: str, threads: int) -> Iterator[Measurement]:
    """All measurements of networks, each about `seconds` long.

    Args:
        device: cpu, cuda, tensorrt or openvino.
        threads: on the CPU.
    """
    batches = CPU_BATCHES if device == "cpu" else GPU_BATCHES
    for name in MEASURED_CONFIGS:
        if forms := uplift_forms(name, device, threads):
            input_strides = next(iter(forms.values())).config.input_strides
            for stride in (min(input_strides), max(input_strides)):
                for batch in batches:
                    yield from _uplift_rows(f"{name} s_in {stride}", forms, batch, stride, seconds)
    refiners = refine_forms(device, threads)
    config = next(iter(refiners.values())).config
    for batch in SYNSP_BATCHES:
        windows = np.random.default_rng(0).normal(0, 0.3, (batch, config.window, config.joints, config.coordinates))
        calls = {form: partial(network, windows) for form, network in refiners.items()}
        yield from _rows("synsp", interleaved(calls, seconds), batch, 0)
    if device.startswith("cuda"):
        yield from _graph_rows(device, seconds)


def uplift_forms(name: str, device: str = "cpu", threads: int = 1) -> dict[Form, Uplifting]:
    """A network of MEASURED_CONFIGS in every form that this machine runs; without PyTorch there are shipped ones only.

    Args:
        name: of the network.
        device, threads: as of `rows`.
    """
    forms: dict[Form, Uplifting] = {}
    if importlib.util.find_spec("torch"):
        from uplift_ros.lab import export, plain

        model = plain.untrained_uplift(MEASURED_CONFIGS[name]())
        files: tuple[bytes | Path, bytes | Path] = export.uplift_files(model)
        forms[PYTORCH, "float32"] = plain.PlainUplift(plain.prepared(model, device, threads))
    elif name in shipped_weights(".onnx"):
        path = runtime.find(name)
        files = path, path.with_suffix(runtime.CENTRAL_SUFFIX)
    else:
        return {}
    for kind, precision in _providers(device):
        forms[kind, precision] = runtime.OnnxUplift(*files, kind, precision, threads)
    return forms


def refine_forms(device: str, threads: int) -> dict[Form, Refining]:
    """The shipped SynSP in every form that this machine runs; arguments as of `rows`."""
    forms: dict[Form, Refining] = {}
    if importlib.util.find_spec("torch"):
        from uplift_ros.lab import plain
        from uplift_ros.models import synsp, weights

        model = plain.prepared(weights.load("synsp", synsp.SynSP), device, threads)
        forms[PYTORCH, "float32"] = plain.PlainRefine(model)
    for kind, precision in _providers(device):
        if precision == "float32":
            forms[kind, precision] = runtime.OnnxRefine(runtime.find("synsp"), kind, threads)
    return forms


def _providers(device: str) -> Iterator[tuple[str, str]]:
    """The device, OpenVINO beside the CPU if it is installed, and float16 if the provider supports it."""
    beside = ["openvino"] if device == "cpu" and "openvino" in runtime.installed() else []
    for kind in (device, *beside):
        yield kind, "float32"
        if kind.partition(":")[0] in runtime.HALF:
            yield kind, "float16"


def _uplift_rows(
    name: str, forms: dict[Form, Uplifting], batch: int, stride: int, seconds: float
) -> Iterator[Measurement]:
    """Rows of whole windows to central poses (Table 4), and of windows of a stream: one new pose, sequence head."""
    config = next(iter(forms.values())).config
    poses, tokens, windows = _stream(config, batch, stride)

    def whole(network: Uplifting) -> np.ndarray:
        return network.central(network(poses, tokens[:0], windows).hidden)

    calls = {form: partial(whole, network) for form, network in forms.items()}
    yield from _rows(name, interleaved(calls, seconds), batch, estimate_flops(config, len(poses) // batch))
    streams = {form: partial(network, poses[:batch], tokens, windows) for form, network in forms.items()}
    yield from _rows(f"{name}, tokens known", interleaved(streams, seconds), batch, 0)


def _graph_rows(device: str, seconds: float) -> Iterator[Measurement]:
    """The shipped network at its longest stride, and SynSP, with a CUDA graph and without."""
    file, config = runtime.find("compact"), MEASURED_CONFIGS["compact"]()
    for batch in GPU_BATCHES:
        poses, tokens, windows = _stream(config, batch, max(config.input_strides))
        inputs = {"poses": poses[:batch].astype(np.float32), "known": tokens.astype(np.float32), "windows": windows}
        yield from cuda_graph.rows("compact, tokens known", file.read_bytes(), device, inputs, seconds)
    network = runtime.OnnxRefine(runtime.find("synsp"), device).config
    for batch in SYNSP_BATCHES:
        shape = batch, network.window, network.joints, network.coordinates
        inputs = {"windows": np.zeros(shape, np.float32)}
        yield from cuda_graph.rows("synsp", runtime.find("synsp").read_bytes(), device, inputs, seconds)


def _stream(config: UpliftConfig, batch: int, stride: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Inputs of an `Uplifting`: random poses of whole windows, tokens of all but the newest pose of each, windows."""
    seen = np.tile(np.arange(config.tokens) * config.token_stride % stride == 0, (batch, 1))
    windows = np.where(seen, np.cumsum(seen).reshape(seen.shape), 0)
    random = np.random.default_rng(0)
    poses = random.normal(size=(int(seen.sum()), config.joints, config.channels))
    tokens = random.normal(size=(len(poses) - batch, config.temporal_width))
    return poses, tokens, windows


def _rows(name: str, times: dict[Form, np.ndarray], batch: int, flops: int) -> Iterator[Measurement]:
    """Rows of a network in all its forms, compared with the first."""
    yield from against_first(
        timed(f"{name} {PYTORCH}" if kind == PYTORCH else name, milliseconds, batch, kind, flops, precision)
        for (kind, precision), milliseconds in times.items()
    )
