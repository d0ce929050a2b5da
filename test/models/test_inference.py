"""The fast form of the uplifting network against the one that reads like the paper."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from uplift_ros.camera import normalise
from uplift_ros.lab.data import protocols
from uplift_ros.lab.data.mocap import Sequence
from uplift_ros.models import weights
from uplift_ros.models.configs import UpliftConfig, compact, n81, n351
from uplift_ros.models.inference import UpliftInference
from uplift_ros.models.uplift import UpliftUpsample
from uplift_ros.sources.synthetic.motion import pose

BATCHES = (1, 2, 7, 20)


def network(config: UpliftConfig) -> UpliftUpsample:
    torch.manual_seed(0)
    model = UpliftUpsample(config).eval().requires_grad_(False)
    for parameter in model.parameters():  # biases and norms too must matter in what follows
        torch.nn.init.normal_(parameter, std=0.05)
    return model


def windows(config: UpliftConfig, batch: int, seen: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Poses of whole windows and which of them were seen, each with the probability `seen`."""
    generator = torch.Generator().manual_seed(1)
    poses = torch.randn(batch, config.tokens, config.joints, config.channels, generator=generator)
    return poses, torch.rand(batch, config.tokens, generator=generator) < seen


def both_heads(stages, poses, mask):
    tokens = stages.temporal(stages.place(stages.pose_tokens(poses[mask]), mask), mask)
    return stages.central(tokens), stages.sequence(tokens)


@pytest.mark.parametrize("variant", [n81, n351, compact])
@pytest.mark.parametrize("seen", [0.1, 1.0])
@pytest.mark.parametrize("batch", BATCHES)
def test_it_equals_the_plain_network_within_rounding(variant, batch, seen):
    model = network(variant())
    poses, mask = windows(model.config, batch, seen)
    for found, expected in zip(both_heads(UpliftInference(model), poses, mask), model(poses, mask), strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=2e-5 * float(expected.std()))


@pytest.mark.parametrize("stage", ["spatial", "strided", "deferred"])
def test_it_equals_the_plain_network_with_a_stage_switched_off(stage):
    model = network(replace(compact(), **{stage: False}))
    poses, mask = windows(model.config, 3, 0.3)
    for found, expected in zip(both_heads(UpliftInference(model), poses, mask), model(poses, mask), strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=2e-5 * float(expected.std()))


def test_a_window_without_any_real_pose_gives_what_the_plain_network_gives():
    model = network(compact())
    mask = torch.zeros(2, model.config.tokens, dtype=torch.bool)
    tokens = model.place(torch.empty(0, model.config.temporal_width), mask)
    torch.testing.assert_close(UpliftInference(model).temporal(tokens, mask), model.temporal(tokens, mask))


@pytest.mark.parametrize("batch", [1, 20])
def test_other_windows_in_the_batch_do_not_matter(batch):
    fast = UpliftInference(network(compact()))
    poses, mask = windows(fast.config, batch, 0.3)
    mask[:, -1] = True
    alone = both_heads(fast, poses[:1], mask[:1])
    among = both_heads(fast, poses, mask)
    for one, many in zip(alone, among, strict=True):
        torch.testing.assert_close(many[:1], one, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float16])
def test_half_precision_moves_joints_by_less_than_a_millimetre(precision):
    """The shipped weights, on the synthetic person in motion."""
    model = weights.load("compact", UpliftUpsample)
    joints = np.stack([pose(frame / 50.0) for frame in range(300)]).astype(np.float32)
    clip = next(protocols.film([Sequence("synthetic", joints)], 50.0, cameras=1, noise="detector", seed=0))
    scores = clip.scores if model.config.scores else None
    inputs = torch.from_numpy(normalise(clip.plane, model.config.normalisation, scores).inputs).float()
    poses = inputs.unfold(0, model.config.frames, 20)[..., :: model.config.token_stride].permute(0, 3, 1, 2)
    mask = (torch.arange(model.config.tokens) % 5 == 0).expand(len(poses), -1)
    found, expected = both_heads(UpliftInference(model, precision), poses, mask), model(poses, mask)
    for half, full in zip(found, expected, strict=True):
        assert 1e-6 < (half - full).norm(dim=-1).mean() < 1e-3
