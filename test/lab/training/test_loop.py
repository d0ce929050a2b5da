"""A training stops at values that are not finite, and keeps its previous checkpoint."""

import pytest
import torch
from torch import nn

from uplift_ros.lab.training.loop import Checkpoint, check_finite


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_ends_the_training_with_its_step(value):
    check_finite(torch.tensor(1.0), 6)
    with pytest.raises(ValueError, match="in step 7"):
        check_finite(torch.tensor(value), 7)


def test_weights_that_are_not_finite_do_not_replace_the_last_good_ones(tmp_path):
    model = nn.Linear(2, 2)
    good = model.weight.detach().clone()
    checkpoint = Checkpoint(tmp_path / "model.pt", {}, model=model)
    checkpoint.save(1)
    with torch.no_grad():
        model.weight[0, 0] = float("nan")
    with pytest.raises(ValueError, match="in step 2"):
        checkpoint.save(2)
    assert checkpoint.restore() == 1
    assert torch.equal(model.weight, good)
