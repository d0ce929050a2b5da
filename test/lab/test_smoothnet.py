"""SmoothNet, the refinement network's baseline."""

import pytest
import torch

from uplift_ros.lab.smoothnet import SmoothNet, SmoothNetConfig
from uplift_ros.models import weights


def test_it_has_the_published_number_of_parameters():
    assert sum(parameter.numel() for parameter in SmoothNet(SmoothNetConfig()).parameters()) == 797_448


def test_every_coordinate_is_smoothed_on_its_own_and_alike():
    torch.manual_seed(0)
    network = SmoothNet(SmoothNetConfig(width=16, inner=8)).eval()
    poses = torch.randn(3, 8, 6)
    smoothed = network(poses)
    torch.testing.assert_close(network(poses[:, :, [4, 1]]), smoothed[:, :, [4, 1]])


@pytest.mark.parametrize("shape", [(2, 7, 51), (8, 51)])
def test_other_windows_are_refused(shape):
    with pytest.raises(ValueError, match="poses"):
        SmoothNet(SmoothNetConfig(width=16, inner=8))(torch.zeros(shape))


def test_its_weights_come_back_from_disk(tmp_path):
    network = SmoothNet(SmoothNetConfig(width=16, inner=8, window=5)).eval()
    weights.save(network, tmp_path / "s.safetensors", {})
    loaded = weights.load(str(tmp_path / "s.safetensors"), SmoothNet)
    poses = torch.randn(1, 5, 51)
    torch.testing.assert_close(loaded(poses), network(poses))


def test_a_size_below_one_is_refused():
    with pytest.raises(ValueError, match="blocks"):
        SmoothNetConfig(blocks=0)
