"""Third-party networks; tests that need missing ones are skipped. And small ONNX networks of constant output."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

WIDTH, HEIGHT = 48, 64


@contextmanager
def only_full_blazepose(share: Path) -> Iterator[None]:
    """Let `share` be the user's folder of data, with the network `full` alone; skip if BlazePose cannot run."""
    pytest.importorskip("ai_edge_litert", reason="BlazePose needs ai-edge-litert")
    from uplift_ros.estimators import blazepose_files

    try:
        files = blazepose_files.locate("full")
    except ValueError as error:
        pytest.skip(str(error))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(share))
        blazepose_files.user_folder().mkdir(parents=True)
        for file in set(files):
            (blazepose_files.user_folder() / file.name).symlink_to(file)
        yield


def network(path: Path, outputs: dict[str, np.ndarray], height: int = HEIGHT, width: int = WIDTH, batch="N") -> str:
    """A network with constant `outputs`; with a symbolic batch they are repeated for every image."""
    import onnx

    helper, number = onnx.helper, onnx.TensorProto.FLOAT
    nodes, infos, constants = [], [], []
    constants.append(onnx.numpy_helper.from_array(np.array(0, np.int64), "first"))
    nodes += [
        helper.make_node("Shape", ["image"], ["shape"]),
        helper.make_node("Gather", ["shape", "first"], ["count"]),
        helper.make_node("Unsqueeze", ["count", "axis"], ["counts"]),
    ]
    constants.append(onnx.numpy_helper.from_array(np.array([0], np.int64), "axis"))
    for name, value in outputs.items():
        constants.append(onnx.numpy_helper.from_array(value.astype(np.float32), f"{name}_value"))
        ones = onnx.numpy_helper.from_array(np.ones(value.ndim - 1, np.int64), f"{name}_ones")
        constants.append(ones)
        nodes.append(helper.make_node("Concat", ["counts", f"{name}_ones"], [f"{name}_times"], axis=0))
        nodes.append(helper.make_node("Tile", [f"{name}_value", f"{name}_times"], [name]))
        infos.append(helper.make_tensor_value_info(name, number, ["N", *value.shape[1:]]))
    image = helper.make_tensor_value_info("image", number, [batch, 3, height, width])
    graph = helper.make_graph(nodes, "test", [image], infos, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, str(path))
    return str(path)
