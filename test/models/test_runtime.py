"""The networks in ONNX Runtime: equal to those in PyTorch, and refused in one line when they cannot run."""

import json
from dataclasses import asdict, replace

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from support import tiny
from support.shipped import shipped

from uplift_ros import cli
from uplift_ros.lab import export
from uplift_ros.lab.plain import PlainRefine, PlainUplift, untrained_uplift
from uplift_ros.models import runtime, weights
from uplift_ros.models.configs import SynSPConfig, UpliftConfig, compact, n81, n351
from uplift_ros.models.synsp import SynSP
from uplift_ros.models.uplift import UpliftUpsample

SMALL = {"temporal_width": 32, "temporal_blocks": 2, "spatial_blocks": 2}
UPLIFTERS = {
    "compact": compact(),
    "n81": replace(n81(), **SMALL),
    "n351": replace(n351(), **SMALL),
    "not deferred": replace(compact(), **SMALL, deferred=False),
    "not spatial": replace(compact(), **SMALL, spatial=False),
    "not temporal": replace(compact(), **SMALL, temporal=False),
    "without scores": replace(compact(), **SMALL, scores=False),
    "not strided": replace(compact(), **SMALL, strided=False),
}
REFINERS = {
    "published": SynSPConfig(layers=2),
    "untied": replace(tiny.SMALL_SYNSP, untied_branches=True, query_positions=True),
    "inverse dct": SynSPConfig(layers=1, inverse_dct=True),
    "longer window": replace(tiny.SMALL_SYNSP, window=16),
}


def stirred(model: torch.nn.Module) -> torch.nn.Module:
    """Randomise biases, norms and positions too, so that they matter."""
    torch.manual_seed(0)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    return model


def windows_of(config: UpliftConfig, batch: int, seen: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """New poses, known tokens and windows in which a token was seen with the probability `seen`."""
    random = np.random.default_rng(batch)
    poses = random.normal(size=(batch, config.joints, config.channels))
    known = random.normal(size=(3 * batch, config.temporal_width))
    windows = random.integers(1, 4 * batch + 1, (batch, config.tokens))
    return poses, known, np.where(random.random(windows.shape) < seen, windows, 0)


@pytest.fixture(scope="module", params=UPLIFTERS)
def uplifters(request) -> tuple[PlainUplift, runtime.OnnxUplift]:
    model = stirred(untrained_uplift(UPLIFTERS[request.param]))
    return PlainUplift(model), runtime.OnnxUplift(*export.uplift_files(model))


@pytest.mark.parametrize("batch", [1, 2, 20])
@pytest.mark.parametrize("seen", [0.0, 0.2, 1.0])
def test_uplifting_equals_pytorch_for_every_mask_and_batch(uplifters, batch, seen):
    plain, network = uplifters
    inputs = windows_of(plain.config, batch, seen)
    expected, found = plain(*inputs), network(*inputs)
    for name, one, other in zip(expected._fields, expected, found, strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-5, atol=1e-5, err_msg=name)
    np.testing.assert_allclose(network.central(found.hidden), plain.central(found.hidden), rtol=1e-5, atol=1e-5)
    assert network.config == plain.config


def test_no_token_need_be_known_yet(uplifters):
    plain, network = uplifters
    poses, known, _ = windows_of(plain.config, 1, 1.0)
    windows = np.zeros((1, plain.config.tokens), int)
    windows[0, -1] = 1
    for one, other in zip(plain(poses, known[:0], windows), network(poses, known[:0], windows), strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("config", REFINERS.values(), ids=REFINERS)
def test_refining_equals_pytorch_for_every_batch(config):
    model = stirred(SynSP(config).eval().requires_grad_(False))
    plain, network = PlainRefine(model), runtime.OnnxRefine(export.refine_file(model))
    assert network.config == config
    for batch in (1, 7, 20, 2 * runtime.MAX_WINDOWS + 1):
        windows = np.random.default_rng(batch).normal(0, 0.4, (batch, config.window, 17, 3))
        np.testing.assert_allclose(network(windows), plain(windows), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", shipped("uplift"))
def test_each_shipped_uplifter_equals_its_weights(name):
    plain, network = PlainUplift(weights.load(name, UpliftUpsample)), runtime.load_uplift(name)
    assert network.config == plain.config
    inputs = windows_of(plain.config, 3, 0.3)
    for one, other in zip(plain(*inputs), network(*inputs), strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-5, atol=1e-5)
    hidden = plain(*inputs).hidden
    np.testing.assert_allclose(network.central(hidden), plain.central(hidden), atol=1e-5)


@pytest.mark.parametrize("name", shipped("synsp"))
def test_each_shipped_refiner_equals_its_weights(name):
    plain, network = PlainRefine(weights.load(name, SynSP)), runtime.load_refine(name)
    assert network.config == plain.config
    windows = np.random.default_rng(0).normal(0, 0.4, (5, network.config.window, 17, 3))
    np.testing.assert_allclose(network(windows), plain(windows), atol=1e-5)


# ---------------------------------------------------------------- the command


@pytest.fixture
def trained(tmp_path):
    weights.save(tiny.uplift(), tmp_path / "own.safetensors", {"seed": 3})
    return tmp_path / "own.safetensors"


def test_export_writes_equal_bytes_twice_with_config_and_provenance(trained, tmp_path):
    for name in ("first", "second"):
        assert cli.main(["export", str(trained), "-o", str(tmp_path / f"{name}.onnx")]) == 0
    for suffix in (".onnx", runtime.CENTRAL_SUFFIX):
        assert (tmp_path / f"first{suffix}").read_bytes() == (tmp_path / f"second{suffix}").read_bytes()
    metadata = {entry.key: entry.value for entry in onnx.load(tmp_path / "first.onnx").metadata_props}
    assert json.loads(metadata["provenance"]) == {"seed": 3}
    assert json.loads(metadata["config"]) == json.loads(json.dumps(asdict(tiny.uplift().config)))


@pytest.mark.parametrize(("name", "out"), [("own.safetensors", "own.bin"), ("smoothnet", "own.onnx")])
def test_export_refuses_what_no_robot_runs(trained, tmp_path, name, out, capsys):
    name = str(trained) if name == trained.name else name
    assert cli.main(["export", name, "-o", str(tmp_path / out)]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert not (tmp_path / out).exists()


# ---------------------------------------------------------------- refused input


def test_weights_that_were_not_exported_are_refused_with_the_command(trained):
    with pytest.raises(ValueError, match=r"uplift export .*own\.safetensors"):
        runtime.load_uplift(str(trained))


def test_missing_weights_are_named_with_what_there_is():
    with pytest.raises(FileNotFoundError, match=r"'nonsense'.*'compact'"):
        runtime.load_uplift("nonsense")


def test_another_network_than_expected_is_refused():
    with pytest.raises(ValueError, match=r"'synsp'.*'uplift'"):
        runtime.load_uplift("synsp")


@pytest.mark.parametrize("content", [b"", b"nothing of the kind", b"\x08\x08"])
def test_a_file_that_is_no_network_is_refused_in_one_line(tmp_path, content):
    (tmp_path / "bad.onnx").write_bytes(content)
    with pytest.raises(ValueError, match=r"model: .*bad\.onnx") as caught:
        runtime.load_uplift(str(tmp_path / "bad.onnx"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("config", ['{"wings": 2}', "{", "[" * 100_000, '{"frames": 0.5}'])
def test_a_config_that_no_network_has_is_refused(tmp_path, config):
    model = onnx.load_from_string(export.refine_file(tiny.synsp()))
    onnx.helper.set_model_props(model, {"architecture": "synsp", "config": config})
    onnx.save(model, tmp_path / "odd.onnx")
    with pytest.raises(ValueError, match=r"odd\.onnx") as caught:
        runtime.load_refine(str(tmp_path / "odd.onnx"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("device", ["cuda", "cuda:1", "tensorrt", "openvino", "gpu", "", "cpu:1", "cuda:x"])
def test_a_device_that_is_not_installed_is_refused_with_those_that_are(device, monkeypatch):
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(ValueError, match="device"):
        runtime.load_uplift("compact", device)


def test_a_device_whose_provider_does_not_start_is_refused_by_name(monkeypatch):
    everything = [*runtime.PROVIDERS.values()]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: everything)
    with pytest.raises(ValueError, match="cuda"):
        runtime.load_uplift("compact", "cuda")


def test_providers_take_their_device_and_precision(monkeypatch):
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [*runtime.PROVIDERS.values()])
    cpu = ("CPUExecutionProvider", {})
    assert runtime.provider_options("cpu", "float32") == [cpu]
    assert runtime.provider_options("cuda:1", "float32") == [("CUDAExecutionProvider", {"device_id": "1"}), cpu]
    found = runtime.provider_options("tensorrt", "float16")
    assert found == [("TensorrtExecutionProvider", {"trt_fp16_enable": "1"}), cpu]
    found = runtime.provider_options("openvino:GPU", "float32")
    assert found == [("OpenVINOExecutionProvider", {"device_type": "GPU"}), cpu]


@pytest.mark.parametrize(("device", "precision"), [("cpu", "float16"), ("cpu", "bfloat16"), ("cuda", "float16")])
def test_a_precision_that_the_provider_does_not_have_is_refused(device, precision, monkeypatch):
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [*runtime.PROVIDERS.values()])
    with pytest.raises(ValueError, match="precision"):
        runtime.load_uplift("compact", device, precision)


def test_a_forward_that_fails_is_a_runtime_error_of_one_line():
    network = runtime.load_refine("synsp")
    with pytest.raises(RuntimeError) as caught:
        network(np.zeros((1, 8, 16, 3)))
    assert "\n" not in str(caught.value)
