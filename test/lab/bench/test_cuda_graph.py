"""Forward passes on arrays of the device: on the CPU, which has no CUDA graphs, they are those of the network."""

import numpy as np

from uplift_ros.lab.bench import cuda_graph, networks
from uplift_ros.models import runtime
from uplift_ros.models.configs import compact


def stream(batch: int) -> dict[str, np.ndarray]:
    config = compact()
    poses, tokens, windows = networks._stream(config, batch, max(config.input_strides))
    return {"poses": poses[:batch].astype(np.float32), "known": tokens.astype(np.float32), "windows": windows}


def test_a_bound_pass_has_the_outputs_of_the_network():
    inputs, path = stream(batch=8), runtime.find("compact")
    tokens, sequence, hidden = cuda_graph.bound(path.read_bytes(), "cpu", inputs, {})()
    lifted = runtime.load_uplift("compact")(*inputs.values())
    for output, expected in zip((tokens, sequence, hidden), lifted, strict=True):
        np.testing.assert_allclose(output, expected, atol=1e-5)


def test_both_rows_count_windows_and_the_graph_is_compared_with_none(monkeypatch):
    monkeypatch.setattr(cuda_graph, "GRAPH", {})
    without, graph = cuda_graph.rows("compact", runtime.find("compact").read_bytes(), "cpu", stream(batch=8), 0.01)
    assert (without.batch, graph.batch) == (8, 8)
    assert graph.ratio_to == without.name
    assert (without.name, graph.name) == ("compact, on the device", "compact, CUDA graph")
