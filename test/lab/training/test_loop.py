"""A training stops at values that are not finite, and keeps its previous files."""

import pytest
import torch
from support import tiny

from uplift_ros.lab.training.loop import Training


@pytest.fixture
def begin(tmp_path):
    return lambda: Training(tiny.synsp(), tmp_path / "synsp.safetensors", {})


@pytest.mark.parametrize("lost", ["loss", "weights"])
def test_values_that_are_not_finite_do_not_replace_the_last_good_ones(begin, tmp_path, lost):
    training = begin()
    training.advance(1.0)
    training.report({}, loss=1.0)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    if lost == "weights":
        next(training.model.parameters()).fill_(float("nan"))
    training.advance(float("inf") if lost == "loss" else 1.0)
    with pytest.raises(ValueError, match="in step 2"):
        training.report({}, loss=1.0)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert begin().step == 1


def test_averaged_weights_follow_those_of_the_network(tmp_path):
    model = tiny.synsp()
    training = Training(model, tmp_path / "synsp.safetensors", {}, decay=0.9)
    weight, average = (next(network.parameters()) for network in (model, training.averaged))
    values = []
    for step in range(1, 31):
        weight.fill_(float(step))
        training.advance(1.0)
        values.append(average.mean().item())
    expected = 1.0
    for step in range(1, 30):
        expected += max(1 - 0.9, 9 / (10 + step)) * (step + 1 - expected)
    assert values[0] == 1.0
    assert values[-1] == pytest.approx(expected, rel=1e-4)
    assert torch.equal(average, torch.full_like(average, average[0, 0].item()))
