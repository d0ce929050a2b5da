"""A wide network starts with what a narrow one has learned."""

from dataclasses import replace

import pytest
import torch
from support import tiny

from uplift_ros.lab.training.widen import widen


@pytest.fixture
def narrow():
    return tiny.uplift()


@pytest.fixture
def windows(narrow):
    """Poses (2, T, 17, 2) with the masks of two strides."""
    torch.manual_seed(2)
    tokens = torch.arange(narrow.config.tokens)
    return torch.randn(2, len(tokens), 17, 2), torch.stack([tokens % 5 == 0, tokens % 10 == 3])


@pytest.mark.parametrize("copies", [1, 2, 3])
def test_a_widened_network_gives_the_same_poses(narrow, windows, copies):
    config = replace(narrow.config, temporal_width=copies * narrow.config.temporal_width)
    with torch.no_grad():
        for wide, own in zip(widen(narrow, config).eval()(*windows), narrow(*windows), strict=True):
            torch.testing.assert_close(wide, own, rtol=0, atol=1e-5)


def test_copies_of_a_channel_do_not_learn_the_same(narrow, windows):
    wide = widen(narrow, replace(narrow.config, temporal_width=2 * narrow.config.temporal_width))
    wide(*windows)[1].square().sum().backward()
    first, second = wide.temporal_blocks[0].mlp[0].weight.grad.chunk(2)
    assert (first - second).norm() > 0.1 * first.norm()


def test_fields_without_effect_on_weights_are_those_of_the_wide_network(narrow):
    width = 2 * narrow.config.temporal_width
    changes = {"input_strides": (20,), "normalisation": "screen", "deferred": False, "stochastic_depth": 0.3}
    config = replace(narrow.config, temporal_width=width, **changes)
    assert widen(narrow, config).config == config


@pytest.mark.parametrize("change", [{"temporal_width": 24}, {"temporal_width": 8}, {"frames": 161}, {"heads": 4}])
def test_other_networks_are_refused(narrow, change):
    strides = {"strides": (4, 4, 5)} if "frames" in change else {}
    with pytest.raises(ValueError, match="start: "):
        widen(narrow, replace(narrow.config, **change, **strides))
