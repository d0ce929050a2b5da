"""Fixtures that tests of several parts of lab share."""

from dataclasses import replace

import numpy as np
import pytest

from uplift_ros.models.configs import compact


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def small_compact():
    """The network compact with fewer and narrower blocks, untrained."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    from uplift_ros.models.uplift import UpliftUpsample

    torch.manual_seed(0)
    network = UpliftUpsample(replace(compact(), temporal_width=32, temporal_blocks=1, spatial_blocks=1))
    return network.eval().requires_grad_(False)
