"""Training of the uplifter: it resumes where it stopped, and its weights record their provenance."""

import csv
import itertools
import json
from dataclasses import asdict
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from support import tiny
from support.paper_data import motion
from torch.utils.data import DataLoader

from uplift_ros import cli
from uplift_ros.lab.data.mocap import Sequence
from uplift_ros.lab.data.windows import WindowSampler
from uplift_ros.lab.training import train_uplift
from uplift_ros.models import weights
from uplift_ros.models.uplift import UpliftUpsample


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Train a tiny network up to a number of steps; return the path of its weights."""
    monkeypatch.setitem(train_uplift.VARIANTS, "compact", lambda: tiny.uplift().config)
    np.savez(tmp_path / "data.npz", fps=50, walk=motion(0, 100))

    def train(steps, *options):
        files = ["--data", str(tmp_path / "data.npz"), "--out", str(tmp_path)]
        common = ["--batch", "4", "--learning-rate", "1e-3", "--workers", "0", "--report-every", "5"]
        assert cli.main(["train", "uplift", *files, *common, "--steps", str(steps), *options]) == 0
        return tmp_path / "compact.safetensors"

    return train


def steps_of(folder):
    with (folder / "compact.csv").open() as file:
        return [int(row["step"]) for row in csv.DictReader(file)]


def test_a_training_resumes_where_it_stopped(run, tmp_path):
    run(20)
    run(30)
    assert steps_of(tmp_path) == [5, 10, 15, 20, 25, 30]


def test_weights_record_what_they_were_trained_with(run):
    path = run(5, "--normalisation", "screen", "--twins")
    _, config, provenance = weights.read_header(str(path))
    assert config["normalisation"] == "screen"
    assert provenance["data"] == "data.npz"
    assert provenance["steps"] == 5
    assert provenance["twins"]
    assert weights.load(str(path), UpliftUpsample).config.normalisation == "screen"


@pytest.mark.parametrize("stages", [("deferred", "spatial", "strided"), ("temporal",)])
def test_an_ablation_trains_without_its_stages_and_at_its_strides(run, stages):
    config = weights.load(str(run(2, "--ablate", *stages, "--strides", "20")), UpliftUpsample).config
    assert {stage for stage in train_uplift.ABLATABLE_STAGES if not getattr(config, stage)} == set(stages)
    assert config.input_strides == (20,)


def test_an_ablation_of_all_stages_that_relate_tokens_is_refused(run, capsys):
    with pytest.raises(AssertionError):
        run(1, "--ablate", "temporal", "strided")
    errors = capsys.readouterr().err
    assert all(stage in errors for stage in ("temporal", "strided"))


def test_weights_from_before_the_choice_of_a_normalisation_are_canonical(run):
    path = run(5)
    network = weights.load(str(path), UpliftUpsample)
    older = asdict(network.config)
    del older["normalisation"]
    header = {"architecture": "uplift", "config": json.dumps(older), "provenance": "{}"}
    save_file(network.state_dict(), path, header)
    assert weights.load(str(path), UpliftUpsample).config.normalisation == "canonical"


def test_minutes_end_a_training_whatever_its_steps(run, tmp_path, monkeypatch):
    seconds = itertools.count()  # the clock advances by a second at every read
    steady = SimpleNamespace(monotonic=lambda: float(next(seconds)))
    monkeypatch.setattr("uplift_ros.lab.training.loop.time", steady)
    run(10**6, "--minutes", "1")
    with (tmp_path / "compact.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert 5 < int(rows[-1]["step"]) <= 60
    assert float(rows[-1]["rate"]) < 0.1 * 1e-3


def test_windows_may_be_drawn_by_another_process(run):
    assert weights.read_header(str(run(2, "--workers", "1")))[2]["steps"] == 2


def test_every_process_draws_windows_of_its_own():
    sampler = WindowSampler([Sequence("a/walk/1", motion(0, 100))], tiny.uplift().config, 4, np.random.default_rng(0))
    loader = DataLoader(sampler, batch_size=None, num_workers=2, worker_init_fn=train_uplift._start_worker)
    first, second = itertools.islice(loader, 2)
    assert not torch.equal(first.targets, second.targets)


def test_a_batch_in_pieces_is_learned_like_a_whole_one(run, tmp_path, monkeypatch):
    losses = []
    for piece in (64, 1):
        monkeypatch.setattr(train_uplift, "PIECE", piece)
        run(20)
        with (tmp_path / "compact.csv").open() as file:
            losses.append([float(row["loss_mm"]) for row in csv.DictReader(file)])
        for made in tmp_path.glob("compact.*"):
            made.unlink()
    assert losses[0][-1] < losses[0][0]
    np.testing.assert_allclose(losses[1], losses[0], rtol=0.01)


def test_tokens_before_the_first_key_frame_do_not_count_in_the_sequence():
    config = tiny.uplift().config
    targets = torch.zeros(1, config.tokens, 17, 3)
    mask = torch.zeros(1, config.tokens, dtype=torch.bool)
    mask[0, 3] = True
    sequence = targets.clone()
    sequence[0, :3] = 1.0
    assert train_uplift.uplift_loss(targets[:, config.centre], sequence, targets, mask, config) == 0
    sequence[0, 3] = 1.0
    assert train_uplift.uplift_loss(targets[:, config.centre], sequence, targets, mask, config) > 0


def test_n81_reads_scores_if_asked(run, monkeypatch):
    path = run(2, "--scores")
    assert weights.load(str(path), UpliftUpsample).config.channels == 3
