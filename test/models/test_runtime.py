"""Loading the uplifting network as nodes and commands run it."""

import pytest
import torch
from support import tiny

from uplift_ros.models import device, runtime, weights


@pytest.fixture
def file(tmp_path):
    weights.save(tiny.uplift(), tmp_path / "uplift.safetensors", {})
    return str(tmp_path / "uplift.safetensors")


@pytest.mark.parametrize("name", ["cuda:99", "gpu", "", "cpu:1"])
def test_a_device_that_is_not_here_is_refused_with_those_that_are(name):
    with pytest.raises(ValueError, match=r"device must be one that is here \(cpu"):
        device.find(name)


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is here")
def test_asking_for_cuda_without_a_gpu_is_refused_when_weights_are_loaded(file):
    with pytest.raises(ValueError, match="device must be one that is here"):
        runtime.load(file, "cuda")


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_every_precision_gives_poses_in_single_precision(file, precision):
    network = runtime.load(file, "cpu", precision)
    tokens = network.pose_tokens(torch.zeros(2, 17, 2))
    mask = torch.zeros(1, network.config.tokens, dtype=torch.bool)
    mask[0, :2] = True
    poses = network.sequence(network.temporal(network.place(tokens, mask), mask))
    assert poses.dtype is torch.float32
    assert torch.isfinite(poses).all()
