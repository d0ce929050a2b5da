"""Weights on disk: saved weights can be loaded, and any other file is refused in one line."""

import json

import pytest
import torch
from safetensors.torch import save_file

from uplift_ros.models import weights
from uplift_ros.models.configs import UpliftConfig
from uplift_ros.models.synsp import SynSP
from uplift_ros.models.uplift import UpliftUpsample

TINY = UpliftConfig(temporal_width=16, temporal_blocks=1, spatial_width=8, spatial_blocks=1)


@pytest.fixture
def saved(tmp_path):
    torch.manual_seed(0)
    model = UpliftUpsample(TINY).eval()
    path = tmp_path / "tiny.safetensors"
    weights.save(model, path, {"data": "none", "seed": 0})
    return model, path


def test_a_network_comes_back_as_it_was(saved):
    model, path = saved
    loaded = weights.load(str(path), UpliftUpsample)
    assert loaded.config == model.config
    assert not loaded.training
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(loaded.state_dict()[name], tensor)


def test_provenance_is_in_the_header(saved):
    _, path = saved
    architecture, config, provenance = weights.read_header(str(path))
    assert (architecture, provenance) == ("uplift", {"data": "none", "seed": 0})
    assert config["temporal_width"] == TINY.temporal_width


def test_missing_weights_are_named_with_what_there_is():
    with pytest.raises(FileNotFoundError, match="nonsense"):
        weights.load("nonsense", UpliftUpsample)


def test_another_network_than_expected_is_refused(saved):
    with pytest.raises(ValueError, match=r"'uplift'.*SynSP"):
        weights.load(str(saved[1]), SynSP)


def test_a_file_that_is_no_safetensors_is_refused(tmp_path):
    path = tmp_path / "bad.safetensors"
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(ValueError, match="is not a weights file"):
        weights.load(str(path), UpliftUpsample)


def test_a_truncated_file_is_refused(saved):
    _, path = saved
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match="is not a weights file"):
        weights.load(str(path), UpliftUpsample)


def test_tensors_that_do_not_fit_the_config_are_refused_in_one_line(tmp_path):
    path = tmp_path / "odd.safetensors"
    header = {"architecture": "uplift", "config": json.dumps({"temporal_width": 16}), "provenance": "{}"}
    save_file({"to_token.weight": torch.zeros(3, 3)}, path, header)
    with pytest.raises(ValueError, match="do not fit") as caught:
        weights.load(str(path), UpliftUpsample)
    assert "\n" not in str(caught.value)


def test_a_config_of_another_version_is_refused(tmp_path):
    path = tmp_path / "future.safetensors"
    header = {"architecture": "uplift", "config": json.dumps({"wings": 2}), "provenance": "{}"}
    save_file({"x": torch.zeros(1)}, path, header)
    with pytest.raises(ValueError, match="wings"):
        weights.load(str(path), UpliftUpsample)


def header(tmp_path, metadata):
    path = tmp_path / "hostile.safetensors"
    save_file({"x": torch.zeros(1)}, path, metadata)
    return str(path)


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({"temporal_width": 2048, "mlp_ratio": 2048}, "config"),
        ({"temporal_blocks": 2048}, "config"),
        ({"temporal_width": 10**6}, "temporal_width"),
        ({"frames": 81.5}, "frames"),
        ({"token_stride": 0}, "by zero|modulo"),
        ({"paddings": [[1]] * 17}, "paddings"),
        ({"normalisation": ["canonical"]}, "normalisation"),
        ({"deferred": 1}, "deferred"),
        ([1], "config"),
    ],
)
def test_a_config_that_no_network_has_is_refused_before_it_is_built(tmp_path, config, named):
    name = header(tmp_path, {"architecture": "uplift", "config": json.dumps(config), "provenance": "{}"})
    with pytest.raises(ValueError, match=named) as caught:
        weights.load(name, UpliftUpsample)
    assert "hostile.safetensors" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("config", ["[" * 100_000, "9" * 5000, "{", '"' * 3], ids=["deep", "long", "cut", "quotes"])
def test_a_header_that_is_no_json_is_refused(tmp_path, config):
    name = header(tmp_path, {"architecture": "uplift", "config": config, "provenance": "{}"})
    with pytest.raises(ValueError, match=r"hostile\.safetensors"):
        weights.read_header(name)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(saved, value):
    model, path = saved
    model.upsampling_token.data[3] = value
    weights.save(model, path, {})
    with pytest.raises(ValueError, match="upsampling_token"):
        weights.load(str(path), UpliftUpsample)
