"""Training of the uplifter: it resumes where it stopped, and its weights record their provenance."""

import csv
import json
from dataclasses import asdict

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from support import tiny
from support.paper_data import motion

from uplift_ros import cli
from uplift_ros.lab.training import train_uplift
from uplift_ros.models import weights
from uplift_ros.models.uplift import UpliftUpsample


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Train a tiny network for so many steps in all; returns the path of its weights."""
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
    assert {stage for stage in train_uplift.STAGES if not getattr(config, stage)} == set(stages)
    assert config.input_strides == (20,)


def test_an_ablation_of_all_that_relates_tokens_is_refused(run, capsys):
    with pytest.raises(AssertionError):
        run(1, "--ablate", "temporal", "strided")
    assert "temporal, strided" in capsys.readouterr().err


def test_weights_from_before_the_choice_of_a_normalisation_are_canonical(run):
    path = run(5)
    network = weights.load(str(path), UpliftUpsample)
    older = asdict(network.config)
    del older["normalisation"]
    header = {"architecture": "uplift", "config": json.dumps(older), "provenance": "{}"}
    save_file(network.state_dict(), path, header)
    assert weights.load(str(path), UpliftUpsample).config.normalisation == "canonical"


def test_minutes_end_a_training_whatever_its_steps(run, tmp_path):
    run(10**6, "--minutes", "0.02")
    with (tmp_path / "compact.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert 0 < int(rows[-1]["step"]) < 10**5
    assert float(rows[-1]["rate"]) < 0.1 * 1e-3


def test_windows_drawn_by_another_process_serve_as_well(run):
    assert weights.read_header(str(run(2, "--workers", "1")))[2]["steps"] == 2


def test_a_large_batch_in_pieces_has_the_gradient_of_the_whole(run, monkeypatch):
    whole = weights.load(str(run(1)), UpliftUpsample).state_dict()
    whole = {name: value.clone() for name, value in whole.items()}
    monkeypatch.setattr(train_uplift, "PIECE", 1)
    (run(1).parent / "compact.pt").unlink()
    pieces = weights.load(str(run(1)), UpliftUpsample).state_dict()
    for name, value in pieces.items():
        torch.testing.assert_close(value, whole[name], rtol=0, atol=1e-4)


def test_n81_reads_scores_if_asked(run, monkeypatch):
    path = run(2, "--scores")
    assert weights.load(str(path), UpliftUpsample).config.channels == 3
