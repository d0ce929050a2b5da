"""The uplifting network against the facts of its paper."""

import math

import pytest
import torch

from uplift_ros.models.configs import UpliftConfig, compact, estimate_flops, n81, n351
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


def test_training_passes_gradients_to_every_parameter():
    model = UpliftUpsample(compact()).train()
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
    ],
)
def test_a_config_that_does_not_fit_is_refused_by_name(arguments, field):
    with pytest.raises(ValueError, match=field):
        UpliftConfig(**arguments)
