"""The SynSP network against the facts of its publication."""

import math

import numpy as np
import pytest
import scipy.fft
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from uplift_ros.models.configs import SynSPConfig
from uplift_ros.models.synsp import CUTOFF, SynSP, SynSPOutput, dct_matrix, pose_quality, synsp_loss


@pytest.fixture(scope="module")
def network() -> SynSP:
    torch.manual_seed(1)
    return SynSP().eval()


def windows(*shape: int) -> torch.Tensor:
    return 0.4 * torch.randn(*shape, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize(
    ("config", "count"),
    [
        (SynSPConfig(), 2_795_289),
        (SynSPConfig(joints=14), 2_787_198),
        (SynSPConfig(joints=24, coordinates=6, width=256, ffn=256), 7_035_312),
    ],
    ids=["h36m17", "14 joints", "smpl"],
)
def test_parameter_count_is_that_of_the_trained_parameters_of_the_release(config, count):
    assert sum(parameter.numel() for parameter in SynSP(config).parameters()) == count


def test_every_parameter_receives_a_gradient():
    network = SynSP()
    synsp_loss(network(windows(2, 8, 51)), windows(2, 8, 51)).backward()
    assert [name for name, parameter in network.named_parameters() if parameter.grad is None] == []


@pytest.mark.parametrize(("views", "gflop"), [(1, 0.062), (4, 0.385)])
def test_cost_of_a_window_is_the_published_one(network, views, gflop):
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        network(windows(1, views, 8, 51))
    assert counter.get_total_flops() / 1e9 == pytest.approx(gflop, abs=0.0005)


@pytest.mark.parametrize("shape", [(3, 8, 51), (3, 2, 8, 51)])
def test_outputs_have_the_shape_of_the_input_and_tension_one_value_per_joint(network, shape):
    output = network(windows(*shape))
    assert output.position.shape == output.acceleration.shape == output.final.shape == shape
    assert output.tension.shape == (*shape[:-1], 17)


def test_tension_is_half_the_distance_of_the_two_branches(network):
    output = network(windows(2, 8, 51))
    difference = (output.position - output.acceleration).unflatten(-1, (17, 3))
    torch.testing.assert_close(output.tension, difference.norm(dim=-1) / 2)


def test_single_view_equals_one_view_of_many(network):
    poses = windows(2, 8, 51)
    torch.testing.assert_close(network(poses).final, network(poses[:, None]).final[:, 0])


def test_in_evaluation_both_branches_see_the_same_token(network):
    applied: list[torch.Tensor] = []
    hook = network.base_decoder[-1].register_forward_hook(lambda module, inputs, output: applied.append(output))
    network(windows(2, 3, 8, 51))
    hook.remove()
    assert len(applied) == 3  # as fourth layer of the stack, then once for each branch
    assert torch.equal(applied[1], applied[2])


def test_views_may_come_in_any_order(network):
    poses, order = windows(2, 3, 8, 51), [2, 0, 1]
    for plain, permuted in zip(network(poses), network(poses[:, order]), strict=True):
        torch.testing.assert_close(plain[:, order], permuted, atol=2e-6, rtol=1e-5)


def test_views_influence_each_other(network):
    poses = windows(2, 2, 8, 51)
    other = poses.clone()
    other[:, 1] += 0.3
    assert not torch.allclose(network(poses).final[:, 0], network(other).final[:, 0], atol=1e-4)


def test_similarity_of_a_view_to_itself_is_exactly_one(network):
    similarity = network.similarity(windows(2, 3, 8, 51))
    assert torch.equal(torch.diagonal(similarity, dim1=1, dim2=2), torch.ones(2, 8, 3))


def test_similarity_hardly_falls_at_a_gap_of_30_cm(network):
    poses = torch.zeros(1, 2, 8, 51)
    poses[:, 1] = 0.3
    assert network.similarity(poses)[0, 0, 1].mean() == pytest.approx(0.914, abs=5e-4)


def test_similarity_temperature_sharpens_the_cue():
    sharp = SynSP(SynSPConfig(similarity_temperature=0.09))
    poses = torch.zeros(1, 2, 8, 51)
    poses[:, 1] = 0.3
    assert sharp.similarity(poses)[0, 1, 0].mean() == pytest.approx(np.exp(-1))


def test_dct_is_the_unnormalised_type_2():
    poses = windows(8, 51)
    expected = scipy.fft.dct(poses.numpy(), type=2, norm=None, axis=0)
    np.testing.assert_allclose((dct_matrix(8) @ poses).numpy(), expected, atol=1e-5)


def test_quality_is_lowest_at_the_worst_frame_of_the_window():
    tension = torch.full((1, 8, 51), 0.001)
    tension[:, 5] = 0.1
    quality = pose_quality(tension)[0]
    assert quality[5] == pytest.approx(np.exp(-1), rel=1e-3)
    assert quality[0] == pytest.approx(np.exp(-0.01), rel=1e-3)


def test_quality_is_defined_if_the_branches_agree():
    assert torch.isfinite(pose_quality(torch.zeros(2, 8, 51))).all()


def test_the_quality_cue_passes_no_gradient_but_the_final_loss_trains_the_base_stage():
    network = SynSP()
    network(windows(2, 8, 51)).final.sum().backward()
    assert network.position_head.first.weight.grad is None
    assert network.base_decoder[0].ffn.expand.weight.grad is not None


def output_of(position, acceleration, final) -> SynSPOutput:
    return SynSPOutput(position, acceleration, final, torch.zeros(()))


def test_position_branch_bears_no_acceleration_loss():
    truth = torch.zeros(1, 8, 51)
    zigzag = truth.clone()
    zigzag[:, ::2] = 0.01  # mean |error| 0.005, |acceleration| 0.02 everywhere
    loss = [
        float(synsp_loss(output_of(*outputs), truth))
        for outputs in ((zigzag, truth, truth), (truth, zigzag, truth), (truth, truth, zigzag))
    ]
    assert loss == pytest.approx([0.005, 0.005 + 0.02, 0.005 + 0.5 * 0.02])


def test_acceleration_weight_scales_the_acceleration_terms_alone():
    truth = torch.zeros(1, 8, 51)
    zigzag = truth.clone()
    zigzag[:, ::2] = 0.01
    assert float(synsp_loss(output_of(truth, zigzag, truth), truth, 0.1)) == pytest.approx(0.005 + 0.1 * 0.02)


def test_loss_differences_the_time_axis_for_several_views_too():
    predicted, truth = windows(2, 2, 8, 51), torch.zeros(2, 2, 8, 51)
    many = synsp_loss(output_of(predicted, predicted, predicted), truth)
    flat = predicted.flatten(0, 1)
    torch.testing.assert_close(many, synsp_loss(output_of(flat, flat, flat), truth.flatten(0, 1)))


def test_untied_branches_differ_in_evaluation():
    network = SynSP(SynSPConfig(untied_branches=True)).eval()
    network.acceleration_head.load_state_dict(network.position_head.state_dict())
    assert network(windows(1, 8, 51)).tension.min() > 1e-4


def test_query_positions_change_what_the_decoder_asks():
    plain = SynSP().eval()
    located = SynSP(SynSPConfig(query_positions=True)).eval()
    located.load_state_dict(plain.state_dict())
    assert not torch.allclose(plain(windows(1, 8, 51)).final, located(windows(1, 8, 51)).final, atol=1e-3)


def test_inverse_dct_turns_the_heads_frequencies_into_frames():
    plain = SynSP().eval()
    inverse = SynSP(SynSPConfig(inverse_dct=True)).eval()
    inverse.load_state_dict(plain.state_dict(), strict=False)
    poses = windows(1, 8, 51)
    torch.testing.assert_close(dct_matrix(8) @ inverse(poses).position, plain(poses).position, atol=2e-5, rtol=1e-4)


def test_with_inverse_dct_training_starts_as_a_filter():
    """The precise branch returns the input; the smooth one and the result are its low-pass filtered version."""
    torch.manual_seed(7)
    poses = windows(16, 8, 51)
    output = SynSP(SynSPConfig(inverse_dct=True)).eval()(poses)
    gain = 1 / (1 + (torch.arange(8) / CUTOFF) ** 4)
    smooth = torch.linalg.inv(dct_matrix(8)) @ (gain[:, None] * (dct_matrix(8) @ poses))
    for refined, expected in ((output.position, poses), (output.acceleration, smooth), (output.final, smooth)):
        assert (refined - expected).unflatten(-1, (17, 3)).norm(dim=-1).mean() < 0.01


@pytest.mark.parametrize("shape", [(8, 51), (1, 7, 51), (1, 8, 50), (1, 1, 1, 8, 51)])
def test_input_of_another_shape_is_refused(network, shape):
    with pytest.raises(ValueError, match="poses"):
        network(torch.zeros(shape))


@pytest.mark.parametrize("wrong", [{"window": 0}, {"width": 127}, {"similarity_temperature": 0.0}])
def test_config_out_of_range_names_the_field(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        SynSPConfig(**wrong)


@torch.no_grad()
def test_with_inverse_dct_gains_follow_the_spectrum_of_the_window():
    """Gain that grows with the root of the lowest frequency's power."""
    network = SynSP(SynSPConfig(inverse_dct=True)).eval()
    values, spectrum = torch.randn(2, 8, 51), torch.zeros(2, 8)
    before = network.to_frames(values, "final", spectrum)
    network.spectrum_gains["final"].weight[:, 0] = 0.5
    spectrum[1, 0] = math.log(4.0)
    after = network.to_frames(values, "final", spectrum)
    torch.testing.assert_close(after[0], before[0])
    torch.testing.assert_close(after[1], 2 * before[1])
    torch.testing.assert_close(network.to_frames(values, "position", spectrum), network.idct @ values)
