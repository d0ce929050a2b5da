"""`uplift train uplift --recipe paper`: configurations, optimiser, and the three commands from AMASS to Human3.6M."""

import csv
from dataclasses import replace

import numpy as np
import pytest
import torch
from support import paper_data, tiny
from support.commands import rows_of

from uplift_ros import cli
from uplift_ros.lab.data import options as data_options
from uplift_ros.lab.training import paper_recipe, train_uplift
from uplift_ros.lab.training.paper_recipe import RECIPES, UpliftRecipe, paper_loss
from uplift_ros.lab.training.paper_windows import Videos
from uplift_ros.models import weights
from uplift_ros.models.configs import n81
from uplift_ros.models.uplift import UpliftUpsample


def small():
    return replace(tiny.uplift().config, stochastic_depth=0.1)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(train_uplift, "VARIANTS", {"n351": small, "n81": small, "compact": small})
    paper_data.write_amass_joints(tmp_path / "amass")
    return paper_data.write_h36m(tmp_path, frames=30, actions=("Walking 1",))


def run(folder, name, *options):
    common = ["--recipe", "paper", "--variant", "n351", "--steps", "3", "--batch", "4", "--threads", "1"]
    return cli.main(["train", "uplift", *common, "--out", str(folder / name), *options])


def test_pre_training_fine_tuning_and_evaluation_are_three_commands(folder, capsys):
    calibration = ["--calibration", str(folder / "metadata.xml")]
    assert run(folder, "pre", "--data", str(folder / "amass"), *calibration) == 0
    pre = str(folder / "pre" / "n351.safetensors")
    assert run(folder, "fine", *paper_data.h36m_options(folder), "--start", pre) == 0
    fine = str(folder / "fine" / "n351.safetensors")
    options = ["--model", fine, "--stride", "4", "--subjects", "S9"]
    (row,) = rows_of(folder, "evaluate", *paper_data.h36m_options(folder), "--flip", *options)
    assert "action_mean" in row["protocol"]["all_frames"]
    found = [weights.read_header(path)[2] for path in (pre, fine)]
    assert [(header["configuration"], header["rate"]) for header in found] == [("amass", 4e-5), ("fine-tuning", 2e-5)]
    assert weights.read_header(fine)[1]["normalisation"] == "screen"


def test_the_configurations_are_the_authors():
    assert RECIPES["n81", "h36m"] == UpliftRecipe(256, 4e-5, 120, twins=False, averaged=True)
    assert {(recipe.batch, recipe.twins, recipe.averaged) for key, recipe in RECIPES.items() if key[0] == "n351"} == {
        (512, True, False)
    }
    assert [RECIPES["n351", kind].epochs for kind in ("h36m", "amass", "fine-tuning")] == [120, 100, 3]
    assert n81().stochastic_depth == 0.1


def test_one_step_is_adamw_with_decay_on_every_parameter_and_the_rate_falls_in_stairs(folder, monkeypatch):
    steps: list[torch.optim.Optimizer] = []
    plain = torch.optim.AdamW.step
    monkeypatch.setattr(torch.optim.AdamW, "step", lambda self, *a: (steps.append(self), plain(self, *a))[1])
    monkeypatch.setattr(paper_recipe, "STEPS_PER_EPOCH", 2)
    assert run(folder, "out", *paper_data.h36m_options(folder), "--steps", "5", "--report-every", "1") == 0
    with (folder / "out" / "n351.csv").open() as file:
        rates = [float(row["rate"]) for row in csv.DictReader(file)]
    assert rates == pytest.approx([4e-5 * 0.99 ** (step // 2) for step in range(1, 6)])
    (group,) = steps[0].param_groups
    assert (group["weight_decay"], group["betas"], group["eps"], group["amsgrad"]) == (0.1, (0.9, 0.999), 1e-8, False)
    assert len(group["params"]) == len(list(UpliftUpsample(small()).parameters()))


def test_tokens_count_alike():
    config = small()
    targets = torch.zeros(2, config.tokens, 17, 3)
    sequence = torch.zeros_like(targets)
    sequence[:, -1, :, 0] = config.tokens  # a metre for each token, all on the newest
    assert paper_loss(targets[:, 0], sequence, targets, config).item() == pytest.approx(0.5)
    central = torch.zeros(2, 17, 3)
    central[..., 1] = 3.0
    assert paper_loss(central, targets, targets, config).item() == pytest.approx(1.5)


def test_without_the_temporal_stage_the_central_head_counts_alone():
    config = replace(small(), temporal=False)
    targets = torch.zeros(2, config.tokens, 17, 3)
    central = torch.zeros(2, 17, 3)
    central[..., 1] = 3.0
    assert paper_loss(central, targets[:, :0], targets, config).item() == pytest.approx(3.0)


def test_every_ablation_is_trained_and_evaluated(folder):
    for stage in ("deferred", "spatial", "temporal", "strided"):
        assert run(folder, stage, *paper_data.h36m_options(folder), "--ablate", stage) == 0
        weights_file = str(folder / stage / "n351.safetensors")
        assert weights.read_header(weights_file)[1][stage] is False
        rows = ["--model", weights_file, "--stride", "4", "--subjects", "S9", "--flip"]
        assert cli.main(["evaluate", *paper_data.h36m_options(folder), *rows]) == 0


def test_a_stream_refuses_a_network_without_its_temporal_stage(folder, capsys):
    assert run(folder, "out", *paper_data.h36m_options(folder), "--ablate", "temporal") == 0
    options = ["--model", str(folder / "out" / "n351.safetensors"), "--stride", "4", "--mode", "online"]
    assert cli.main(["evaluate", *paper_data.h36m_options(folder), *options]) == 1
    assert "temporal stage" in capsys.readouterr().err


def test_twins_of_the_recipe_can_be_left_out(folder):
    for options, twins in (([], True), (["--no-twins"], False)):
        name = f"twins_{twins}"
        assert run(folder, name, *paper_data.h36m_options(folder), *options) == 0
        assert weights.read_header(str(folder / name / "n351.safetensors"))[2]["twins"] is twins


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--variant", "compact"], "recipe paper is for --variant"),
        (["--minutes", "1", "--scores"], "minutes, scores"),
        ([], "--keypoints"),
    ],
)
def test_what_the_recipe_cannot_use_is_refused(folder, options, message, capsys):
    assert run(folder, "out", "--data", str(folder / "amass"), *options) == 1
    assert message in capsys.readouterr().err


def test_human36m_without_its_2d_poses_is_refused(folder, capsys):
    data = paper_data.h36m_options(folder)[:2]
    for options, missing in (([], "--keypoints"), (["--calibration", str(folder / "metadata.xml")], "keypoints")):
        assert run(folder, "out", *data, *options) == 1
        errors = capsys.readouterr().err
        assert missing in errors
        assert errors.count("\n") == 1


def test_the_validation_sets_of_amass_are_left_out(folder, monkeypatch):
    seen = []
    monkeypatch.setattr(paper_recipe.Videos, "of_motion", lambda parts: seen.extend(parts) or Videos._joined(
        [part.joints for part in parts], None))  # fmt: skip
    run(folder, "out", "--data", str(folder / "amass"), "--calibration", str(folder / "metadata.xml"))
    assert [part.name.split("/")[0] for part in seen] == ["CMU"]
    assert np.isfinite(seen[0].joints).all()


def test_motion_capture_beside_recordings_is_refused(folder, monkeypatch, capsys):
    """MPI-INF-3DHP has cameras of its own; motion capture beside it would not be trained on."""
    mpi = folder / "mpi_inf_3dhp"
    monkeypatch.setattr(data_options, "_takes", lambda path, args, test: [path] if path == mpi else None)
    for data in ([mpi, folder / "amass"], [folder / "amass", mpi]):
        assert run(folder, "out", "--data", *map(str, data)) == 1
        assert f"data: {folder / 'amass'}" in capsys.readouterr().err
