"""Training of the refinement networks."""

import csv
from argparse import ArgumentParser
from dataclasses import replace
from itertools import count
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from support import tiny
from support.paper_data import motion
from support.wandering import SEQUENCES

from uplift_ros.lab.data.pose_noise import PoseNoise
from uplift_ros.lab.data.refinement_data import noise_pairs
from uplift_ros.lab.smoothnet import SmoothNet, SmoothNetConfig
from uplift_ros.lab.training import train_command as command
from uplift_ros.lab.training import train_refiner
from uplift_ros.lab.training.refinement_loss import Objective, averages, windows
from uplift_ros.lab.training.train_refiner import RATE_AT_END, network, smoothnet_loss, train, validate
from uplift_ros.lab.whole_sequence import average_windows
from uplift_ros.metrics import accel, mpjpe
from uplift_ros.models import weights
from uplift_ros.models.configs import SynSPConfig
from uplift_ros.models.synsp import SynSP, synsp_loss

SMALL = SynSPConfig(width=16, ffn=16, layers=1, heads=2, head_width=8, inverse_dct=True)


HELD_OUT = {"noise": noise_pairs(SEQUENCES[:1], PoseNoise())}


@pytest.fixture
def small() -> SynSP:
    torch.manual_seed(0)
    return SynSP(SMALL)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "synsp.safetensors"


@pytest.fixture
def clock(monkeypatch):
    """The clock advances by a second at every read, two or three times a step."""
    seconds = count()
    steady = SimpleNamespace(monotonic=lambda: float(next(seconds)))
    monkeypatch.setattr("uplift_ros.lab.training.loop.time", steady)


def log_of(folder) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / "synsp.csv").open()))


def test_validation_reports_errors_before_and_after_the_network(small):
    ((estimated, true),) = HELD_OUT["noise"]
    row = validate(small.eval(), HELD_OUT)
    assert row["noise_mpjpe_in"] == pytest.approx(mpjpe(estimated, true))
    assert row["noise_accel_in"] == pytest.approx(accel(estimated, true))
    assert row["noise_mpjpe_out"] > 0
    assert validate(small, {}) == {}


@pytest.mark.parametrize("delay", [0, 3, 7])
def test_averages_in_training_are_those_of_the_refiner(delay):
    windows = torch.randn(2 * 15, 8, 51)
    averaged = averages(windows, clips=2, delay=delay)
    assert averaged.shape == (2, 15 - delay, 51)
    for clip, of_clip in zip(averaged.numpy(), windows.numpy().reshape(2, 15, 8, 51), strict=True):
        last_slots = average_windows(of_clip[:, 7 - delay :])
        np.testing.assert_allclose(clip, last_slots[delay:15], atol=1e-6)


def test_averages_of_the_network_s_output_keep_its_names(small):
    output = small(torch.randn(2 * 9, 8, 51))
    torch.testing.assert_close(averages(output, 2, 7).final, averages(output.final, 2, 7))


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("averaged", [0.0, 0.8])
def test_training_leaves_weights_that_load_a_log_and_a_checkpoint_to_resume_from(
    small, averaged, tmp_path, path, monkeypatch
):
    objective = Objective(synsp_loss, averaged=averaged)
    monkeypatch.setattr(train_refiner, "REPORT_EVERY", 5)
    arguments = {"validation": HELD_OUT, "batch": 30}
    train(small, objective, SEQUENCES, path, minutes=0.5, **arguments)
    loaded = weights.load(str(path), SynSP)
    last = log_of(tmp_path)[-1]
    assert validate(loaded, HELD_OUT)["noise_mpjpe_out"] == pytest.approx(float(last["noise_mpjpe_out"]), rel=1e-4)

    train(small, objective, SEQUENCES, path, minutes=0.5, **arguments)  # one step to see the time is up
    rows = log_of(tmp_path)
    assert int(rows[-1]["step"]) == int(last["step"]) + 1
    assert float(rows[-1]["rate"]) == pytest.approx(1e-3 * RATE_AT_END)


@pytest.mark.usefixtures("clock")
def test_training_reduces_the_loss(small, tmp_path, path, monkeypatch):
    monkeypatch.setattr(train_refiner, "REPORT_EVERY", 20)
    train(small, Objective(synsp_loss), SEQUENCES, path, minutes=4, batch=16)
    losses = [float(row["loss"]) for row in log_of(tmp_path)]
    assert len(losses) > 4
    assert losses[-2] < 0.9 * losses[0]


@pytest.mark.usefixtures("clock")
def test_an_uplifter_s_output_is_learned_with_a_weight_of_its_own_and_for_every_delay(small, path):
    """Synthetic noise is averaged over all 8 windows of a frame, an uplifter's output over the 1 to 8 of a stream."""
    weighed: set[tuple[float, int]] = set()

    def loss_of(output, true, weight):
        weighed.add((weight, true.shape[1]))
        return synsp_loss(output, true, weight)

    objective = Objective(loss_of, acceleration_weight=8.0, paired_weight=2.0, averaged=0.9)
    train(small, objective, SEQUENCES, path, minutes=2, batch=30, pairs=HELD_OUT["noise"])
    assert {frames for weight, frames in weighed if weight == 8} == {8}
    assert {frames for weight, frames in weighed if weight == 2} == set(range(8, 16))


def test_an_objective_weighs_clips_of_both_kinds_and_windows_against_their_averages():
    """Two clips with synthetic errors of 1, one of an uplifter with an error of 3."""

    def loss_of(output, true, weight):
        return weight * (output - true).abs().mean() + (10 if true.shape[0] % 15 else 0)  # averages cost 10 more

    objective = Objective(loss_of, acceleration_weight=8.0, paired_weight=2.0, averaged=0.75)
    true = torch.zeros(3, 22, 51)
    seen = true + torch.tensor([1.0, 1.0, 3.0])[:, None, None]
    loss = objective(windows(seen, 8), true, 8, 1, np.random.default_rng(0))
    assert loss.item() == pytest.approx((2 * 8 * 1 + 2 * 3) / 3 + 0.75 * 10)


def test_values_that_no_training_can_use_are_refused(small, path):
    with pytest.raises(ValueError, match="averaged"):
        Objective(synsp_loss, averaged=9)
    with pytest.raises(ValueError, match="minutes"):
        train(small, Objective(synsp_loss), SEQUENCES, path, minutes=0)
    pairs = HELD_OUT["noise"]
    with pytest.raises(ValueError, match="batch"):
        train(small, Objective(synsp_loss, averaged=0.9), SEQUENCES, path, minutes=1, batch=29, pairs=pairs)


@pytest.mark.usefixtures("clock")
def test_the_checkpoint_of_another_training_is_refused(small, tmp_path, path):
    arguments = {"minutes": 0.1, "batch": 4}
    train(small, Objective(synsp_loss), SEQUENCES, path, **arguments)
    with pytest.raises(ValueError, match=r"synsp\.pt.*seed"):
        train(small, Objective(synsp_loss), SEQUENCES, path, seed=5, **arguments)
    other = SynSP(replace(SMALL, inverse_dct=False))
    with pytest.raises(ValueError, match="inverse_dct"):
        train(other, Objective(synsp_loss), SEQUENCES, path, **arguments)
    (tmp_path / "synsp.pt").write_bytes(b"no checkpoint")
    with pytest.raises(ValueError, match=r"synsp\.pt"):
        train(small, Objective(synsp_loss), SEQUENCES, path, **arguments)


@pytest.mark.usefixtures("clock")
def test_windows_shorter_than_the_longest_delay_can_be_trained(tmp_path, path):
    network = SynSP(replace(SMALL, window=4))
    train(network, Objective(synsp_loss), SEQUENCES, path, minutes=0.1, batch=4, validation=HELD_OUT)
    assert float(log_of(tmp_path)[-1]["noise_mpjpe_out"]) > 0


def test_training_starts_from_weights_with_another_dropout(small, tmp_path):
    weights.save(small, tmp_path / "start.safetensors", {})
    started = network(SynSP, SynSPConfig(), str(tmp_path / "start.safetensors"), dropout=0.0)
    assert started.config.dropout == 0
    assert started.config.inverse_dct
    torch.testing.assert_close(started.state_dict(), small.state_dict())
    with pytest.raises(ValueError, match="window"):
        network(SynSP, SynSPConfig(window=16), str(tmp_path / "start.safetensors"))


def test_the_loss_of_smoothnet_adds_positions_and_accelerations():
    time = torch.arange(8.0)[None, :, None]
    assert smoothnet_loss(time + 3, time, 1.0).item() == pytest.approx(3.0)
    assert smoothnet_loss(time**2, torch.zeros_like(time), 0.5).item() == pytest.approx(17.5 + 0.5 * 2)


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(("name", "kind"), [("synsp", SynSP), ("smoothnet", SmoothNet)])
def test_the_command_trains_the_network_that_it_names(name, kind, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("uplift_ros.lab.training.train_refiner.SynSPConfig", lambda **changes: SMALL)
    monkeypatch.setattr(
        "uplift_ros.lab.training.train_refiner.SmoothNetConfig", lambda window: SmoothNetConfig(window, 8, 4)
    )
    walk = motion(0, 120).astype(np.float32)
    np.savez(tmp_path / "mocap.npz", fps=50.0, **{"cmu/walk/1": walk})
    np.savez(tmp_path / "more.npz", fps=50.0, **{"cmu/walk/2": walk})
    parser = ArgumentParser()
    command.add_arguments(parser)
    options = ["--minutes", "0.1", "--threads", "1", "--batch", "4", "--dropout", "0.1", "--acceleration-weight", "2"]
    data = [str(tmp_path / "mocap.npz"), str(tmp_path / "more.npz")]
    args = parser.parse_args([name, "--data", *data, "--validation", data[0], "--out", str(tmp_path), *options])
    assert command.main(args) == 0
    path = tmp_path / f"{name}.safetensors"
    assert str(path) in capsys.readouterr().out
    assert weights.load(str(path), kind).config.dropout == 0.1
    header = weights.read_header(str(path))[2]
    assert (header["acceleration_weight"], header["data"]) == (2, "mocap.npz more.npz")


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("held_out", [True, False])
def test_the_command_trains_on_the_uplifter_s_own_output_too(held_out, tmp_path, monkeypatch):
    monkeypatch.setattr("uplift_ros.lab.training.train_refiner.SynSPConfig", lambda **changes: SMALL)
    weights.save(tiny.uplift(), tmp_path / "uplift.safetensors", {})
    data = str(tmp_path / "mocap.npz")
    np.savez(data, fps=50.0, **{"x/walk/1": motion(0, 61)})
    parser = ArgumentParser()
    command.add_arguments(parser)
    uplifter = str(tmp_path / "uplift.safetensors")
    options = ["--minutes", "0.1", "--threads", "1", "--batch", "4", "--uplifter", uplifter, "--bfloat16"]
    options += ["--paired-weight", "3"]
    options += ["--validation", data] if held_out else []
    assert command.main(parser.parse_args(["synsp", "--data", data, "--out", str(tmp_path), *options])) == 0
    header = weights.read_header(str(tmp_path / "synsp.safetensors"))[2]
    assert (header["uplifter"], header["paired_weight"], header["acceleration_weight"]) == (uplifter, 3, 1)
    assert ("uplifter_mpjpe_in" in log_of(tmp_path)[-1]) == held_out
