"""Stages replayed on fixed memory; without a GPU, a plain call stands in for the recording."""

import pytest
import torch
from support import tiny

from uplift_ros.models.graphs import Replayed, UpliftGraphs
from uplift_ros.models.inference import UpliftInference


def call_again(stage, inputs):
    """What `record` does, by calling the stage again."""
    output = stage(*inputs)
    return lambda: output.copy_(stage(*inputs)), output


def both_heads(stages, poses, mask):
    tokens = stages.temporal(stages.place(stages.pose_tokens(poses[mask]), mask), mask)
    return stages.central(tokens), stages.sequence(tokens)


@pytest.mark.parametrize("batch", [1, 3, 8])
def test_replayed_stages_give_what_the_stages_give(batch):
    model = tiny.uplift()
    replayed, direct = UpliftGraphs(model, recorder=call_again), UpliftInference(model)
    generator = torch.Generator().manual_seed(0)
    for _ in range(2):  # the second call finds what the first one left in memory
        poses = torch.randn(batch, model.config.tokens, 17, 2, generator=generator)
        mask = torch.rand(batch, model.config.tokens, generator=generator) < 0.3
        for found, expected in zip(both_heads(replayed, poses, mask), both_heads(direct, poses, mask), strict=True):
            torch.testing.assert_close(found, expected)


def test_one_recording_serves_all_batches_up_to_the_next_power_of_two():
    recorded = []

    def recorder(stage, inputs):
        recorded.append(len(inputs[0]))
        return call_again(stage, inputs)

    doubled = Replayed(lambda x: 2 * x, recorder)
    for rows in (1, 3, 4, 5, 8, 2, 7):
        assert doubled(torch.ones(rows)).tolist() == [2] * rows
    assert recorded == [1, 4, 8, 2]


def test_a_replay_reads_and_writes_the_same_memory():
    seen = []
    doubled = Replayed(lambda x: 2 * x, lambda stage, inputs: seen.append(inputs[0]) or call_again(stage, inputs))
    first = doubled(torch.tensor([1.0]))
    second = doubled(torch.tensor([3.0]))
    assert first.data_ptr() == second.data_ptr()
    assert seen[0].tolist() == [3.0]
    assert len(seen) == 1


def test_pose_tokens_are_kept_when_the_stage_is_replayed():
    graphs = UpliftGraphs(tiny.uplift(), recorder=call_again)
    first = graphs.pose_tokens(torch.zeros(1, 17, 2))
    kept = first.clone()
    graphs.pose_tokens(torch.ones(1, 17, 2))
    assert torch.equal(first, kept)


def test_after_warming_up_nothing_is_recorded_for_up_to_sixteen_people():
    recorded = []
    graphs = UpliftGraphs(tiny.uplift(), recorder=lambda stage, inputs: recorded.append(1) or call_again(stage, inputs))
    graphs.warm_up()
    before = len(recorded)
    for people in range(1, 17):
        graphs.pose_tokens(torch.zeros(people, 17, 2))
    assert len(recorded) == before
