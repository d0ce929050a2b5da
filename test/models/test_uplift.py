"""The uplifting network against the facts of its paper."""

import math
from dataclasses import replace

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from uplift_ros.lab.bench.flops import estimate_flops
from uplift_ros.models.configs import UpliftConfig, compact, n81, n351
from uplift_ros.models.uplift import UpliftUpsample


@pytest.fixture(params=[n81, n351, compact], ids=lambda variant: variant.__name__)
def network(request):
    torch.manual_seed(0)
    model = UpliftUpsample(request.param()).eval()
    for parameter in model.parameters():  # biases and norms too must matter in what follows
        torch.nn.init.normal_(parameter, std=0.05)
    return model


def random_windows(config: UpliftConfig, batch: int = 3):
    generator = torch.Generator().manual_seed(1)
    poses = torch.randn(batch, config.tokens, config.joints, config.channels, generator=generator)
    mask = torch.rand(batch, config.tokens, generator=generator) < 0.3
    mask[:, 0] = True
    return poses, mask


@pytest.mark.parametrize(("variant", "parameters"), [(n81, 10_377_254), (n351, 10_404_902)])
def test_parameter_counts_are_those_of_the_official_models(variant, parameters):
    assert sum(p.numel() for p in UpliftUpsample(variant()).parameters()) == parameters


@pytest.mark.parametrize(
    ("variant", "stride", "mflops"),
    [(n81, 4, 564), (n81, 10, 543), (n81, 20, 535), (n351, 5, 1062), (n351, 10, 999), (n351, 20, 966)],
)
def test_flops_are_those_of_table_4(variant, stride, mflops):
    config = variant()
    poses = math.ceil(config.tokens * config.token_stride / stride)
    assert round(estimate_flops(config, poses) / 1e6) == mflops


@pytest.mark.parametrize("stage", ["deferred", "spatial", "temporal", "strided"])
def test_flops_of_an_ablation_are_those_of_its_matrices_and_a_little_more(stage):
    """The profiler of PyTorch counts matrices and convolutions; everything else is 0.3 to 2.5 % more."""
    model = UpliftUpsample(replace(n81(), **{stage: False})).eval()
    mask = torch.arange(model.config.tokens)[None] % 2 == 0
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        tokens = model.place(model.pose_tokens(torch.zeros(int(mask.sum()), 17, 2)), mask)
        model.central(model.temporal(tokens, mask))
    matrices = counter.get_total_flops()
    assert 1.003 * matrices < estimate_flops(model.config, int(mask.sum())) < 1.025 * matrices


def test_without_the_temporal_stage_its_blocks_and_the_sequence_head_are_gone():
    """Positions of tokens stay, as in the authors' code."""
    model = UpliftUpsample(replace(n81(), temporal=False))
    assert sum(p.numel() for p in model.parameters()) == 10_377_254 - 4_735_488 - 19_635
    assert model.sequence(torch.zeros(2, 11, 384)).shape == (2, 0, 17, 3)


@pytest.mark.parametrize("deferred", [True, False])
def test_without_the_temporal_stage_attention_is_deferred_in_the_first_strided_block(deferred):
    """Its outputs 0 to 4 read the convolution's tokens 0 to 17, all poses; they may not depend on upsampling tokens."""
    torch.manual_seed(0)
    model = UpliftUpsample(replace(n81(), temporal=False, deferred=deferred)).eval()
    mask = torch.arange(model.config.tokens)[None] < 20
    with torch.no_grad():
        poses = model.pose_tokens(torch.randn(20, 17, 2))
        before = model.temporal(model.place(poses, mask), mask)
        model.upsampling_token += torch.randn(384)
        after = model.temporal(model.place(poses, mask), mask)
    assert before.shape == (1, 11, 384)
    assert torch.equal(before[:, :5], after[:, :5]) == deferred
    assert not torch.allclose(before[:, 5:], after[:, 5:])


@pytest.mark.parametrize(("variant", "lengths"), [(n81, (41, 11, 3, 1)), (n351, (71, 23, 3, 1))])
def test_strided_blocks_shorten_the_sequence_as_published(variant, lengths):
    assert variant().strided_lengths == lengths


def test_masked_token_path_equals_the_dense_path(network):
    """Sending only real poses through the spatial stage equals sending all and replacing the rest."""
    poses, mask = random_windows(network.config)
    with torch.no_grad():
        central, sequence = network(poses, mask)
        dense = network.pose_tokens(poses.flatten(0, 1)).unflatten(0, mask.shape)
        replaced = torch.where(mask[..., None], dense, network.upsampling_token)
        tokens = network.temporal(replaced, mask)
    torch.testing.assert_close(central, network.central(tokens), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(sequence, network.sequence(tokens), rtol=1e-4, atol=1e-5)


def test_poses_under_a_false_mask_do_not_matter(network):
    poses, mask = random_windows(network.config)
    disturbed = torch.where(mask[..., None, None], poses, torch.full_like(poses, 100.0))
    with torch.no_grad():
        torch.testing.assert_close(network(poses, mask), network(disturbed, mask))


def test_a_window_without_any_real_pose_gives_finite_poses(network):
    poses, mask = random_windows(network.config)
    with torch.no_grad():
        central, sequence = network(poses, torch.zeros_like(mask))
    assert torch.isfinite(central).all()
    assert torch.isfinite(sequence).all()


def test_attention_to_upsampling_tokens_is_deferred_to_the_second_block(network):
    """In the first temporal block a real token is the same whatever the upsampling tokens around it are."""
    poses, mask = random_windows(network.config)
    with torch.no_grad():
        tokens = network.place(network.pose_tokens(poses[mask]), mask)
        other = torch.where(mask[..., None], tokens, tokens + 1)
        score_mask = (~mask)[:, None, None, :].float() * -1e9
        first, second = network.temporal_blocks[:2]
        a, b = (first(x + network.temporal_position, score_mask) for x in (tokens, other))
        torch.testing.assert_close(a[mask], b[mask])
        assert not torch.allclose(second(a)[mask], second(b)[mask])


@pytest.mark.parametrize("stage", [None, "spatial", "temporal", "strided"])
def test_training_passes_gradients_to_every_parameter(stage):
    model = UpliftUpsample(replace(compact(), **{stage: False} if stage else {})).train()
    poses, mask = random_windows(model.config)
    central, sequence = model(poses, mask)
    (central.square().mean() + sequence.square().mean()).backward()
    assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"frames": 80}, "frames"),
        ({"input_strides": (3,)}, "input_strides"),
        ({"strides": (2, 2, 2)}, "strided"),
        ({"normalisation": "none"}, "normalisation"),
        ({"temporal": False, "strided": False}, "temporal or strided"),
    ],
)
def test_a_config_that_does_not_fit_is_refused_by_name(arguments, field):
    with pytest.raises(ValueError, match=field):
        UpliftConfig(**arguments)
