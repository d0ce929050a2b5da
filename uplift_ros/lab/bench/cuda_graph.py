"""Rows of `uplift bench --device cuda`: forward passes on arrays that stay on the GPU, with a CUDA graph and without.

A graph replays all kernels of a pass with one call, which is faster if launching them takes longer than running them.
It requires inputs of a fixed shape at a fixed address, which a stream does not have: its number of known tokens varies.
"""

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import onnxruntime

from uplift_ros.lab.bench.measurements import Measurement, against_first, interleaved, timed
from uplift_ros.models.runtime import provider_options

GRAPH = {"enable_cuda_graph": "1"}
"""Option of ONNX Runtime's CUDA provider."""


def rows(
    name: str, file: bytes, device: str, inputs: Mapping[str, np.ndarray], seconds: float
) -> Iterator[Measurement]:
    """A row without a graph, and one with a graph, compared with the first.

    Args:
        name: of the network.
        file: content of its .onnx file.
        device: cuda or cuda:N.
        inputs: arrays by name; the batch is that of `windows`.
        seconds: of each measurement.
    """
    calls = {
        f"{name}, on the device": bound(file, device, inputs, {}),
        f"{name}, CUDA graph": bound(file, device, inputs, GRAPH),
    }
    times = interleaved(calls, seconds)
    batch = len(inputs["windows"])
    yield from against_first(timed(label, milliseconds, batch, device) for label, milliseconds in times.items())


def bound(
    file: bytes, device: str, inputs: Mapping[str, np.ndarray], options: dict[str, str]
) -> Callable[[], list[np.ndarray]]:
    """Prepare a forward pass with fixed inputs on a device; a call returns the outputs when they are complete.

    Args:
        file, device, inputs: as of `rows`.
        options: of the device's provider.
    """
    (provider, chosen), *fallback = provider_options(device, "float32")
    session = onnxruntime.InferenceSession(file, providers=[(provider, chosen | options), *fallback])
    kind, _, index = device.partition(":")
    place = kind, int(index or 0)
    binding = session.io_binding()
    for name, values in inputs.items():
        binding.bind_ortvalue_input(name, onnxruntime.OrtValue.ortvalue_from_numpy(values, *place))
    shapes = _output_shapes(file, inputs)
    for output in session.get_outputs():
        room = onnxruntime.OrtValue.ortvalue_from_shape_and_type(shapes[output.name], np.float32, *place)
        binding.bind_ortvalue_output(output.name, room)

    def run() -> list[np.ndarray]:
        session.run_with_iobinding(binding)
        binding.synchronize_outputs()
        outputs: list[np.ndarray] = binding.copy_outputs_to_cpu()
        return outputs

    return run


def _output_shapes(file: bytes, inputs: Mapping[str, np.ndarray]) -> dict[str, tuple[int, ...]]:
    """Shapes of the outputs from a run on the CPU: a graph writes to memory that is allocated before."""
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return {name: output.shape for name, output in zip(names, session.run(None, dict(inputs)), strict=True)}
