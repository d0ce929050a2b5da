"""Refinement of SmoothNet's release end to end: `train synsp --recipe paper`, then `evaluate --refine`."""

from dataclasses import replace

import numpy as np
import pytest
from support import paper_data, tiny
from support.commands import rows_of

from uplift_ros import cli
from uplift_ros.lab.data.formats.smoothnet_data import load_release
from uplift_ros.lab.data.refiners import Refiner, refine_sequence
from uplift_ros.lab.training import paper_refinement
from uplift_ros.lab.training.paper_refinement import ReleaseWindows, SynSPRecipe, batches, recipe_of
from uplift_ros.metrics import root_relative
from uplift_ros.models import weights
from uplift_ros.models.synsp import SynSP


def small(width: int = 0, ffn: int = 0, **changes):
    """Replacement of `SynSPConfig`, with widths of its own."""
    return replace(tiny.SMALL_SYNSP, **changes)


def evaluate(folder, *options):
    return rows_of(folder, "evaluate", "--data", folder, *options)


@pytest.mark.parametrize(
    ("name", "keys", "options"),
    [
        ("h36m_fcn_3D", {"mpjpe", "pa_mpjpe", "accel", "accel_padded", "mpjpe_worst", "accel_worst"}, []),
        ("h36m_fcn_3D", {"mpjpe", "pa_mpjpe"}, ["--views"]),
        ("aist_vibe_3D", {"mpjpe", "pa_mpjpe"}, []),
        ("h36m_hourglass_2D", {"mpjpe", "accel"}, []),
        ("jhmdb_simplepose_2D", {"pck_0.05", "pck_0.1", "pck_0.2"}, []),
        ("aist_spin_smpl", {"rotation_deg"}, []),
    ],
)
def test_what_is_trained_by_the_recipe_is_evaluated_by_the_protocol(tmp_path, monkeypatch, name, keys, options):
    monkeypatch.setattr(paper_refinement, "SynSPConfig", small)
    folder = paper_data.write_release(tmp_path, name, cameras=2)
    training = ["--recipe", "paper", "--epochs", "2", "--batch", "32", "--threads", "1", "--out", str(tmp_path)]
    assert cli.main(["train", "synsp", "--data", str(folder), *training, *options]) == 0
    network = ["--refiner-model", str(tmp_path / "synsp.safetensors"), "--refine", "none", "synsp"]
    rows = evaluate(folder, *network, "--branch", "position", "acceleration", "final", *options)
    assert [row["branch"] for row in rows] == [None, "position", "acceleration", "final"]
    assert all(keys <= set(row) for row in rows)
    assert len({row["frames"] for row in rows}) == 1
    assert len({round(row[min(keys)], 9) for row in rows if not min(keys).startswith("pck")}) in (0, 4)


def test_figures_are_those_of_the_definitions(tmp_path):
    folder = paper_data.write_release(tmp_path, "h36m_fcn_3D")
    (row,) = evaluate(folder, "--refine", "none")
    errors, second, padded = [], [], []
    for sequence in load_release(folder, "test").sequences:
        both = [values.reshape(-1, 17, 3) for values in (sequence.estimated, sequence.true)]
        difference = np.subtract(*(values - values[:, :1] for values in both))
        errors.append(np.linalg.norm(difference, axis=-1).mean(-1))
        second.append(np.linalg.norm(np.diff(difference, 2, axis=0), axis=-1).mean(-1))
        padded.append(np.pad(second[-1], 1))
    errors, second, padded = (1000 * np.concatenate(parts) for parts in (errors, second, padded))
    assert row["mpjpe"] == pytest.approx(errors.mean())
    assert (row["accel"], row["accel_padded"]) == pytest.approx((second.mean(), padded.mean()))
    assert row["mpjpe_worst"] == pytest.approx(errors.max())
    assert row["accel_worst"] == pytest.approx(padded[errors.argmax()])


def test_filters_smooth_and_the_packages_own_network_fits(tmp_path):
    folder = paper_data.write_release(tmp_path, "h36m_fcn_3D")
    weights.save(tiny.synsp(), tmp_path / "synsp.safetensors", {})
    options = ["--refine", "none", "one_euro", "savgol", "gaussian", "synsp"]
    none, one_euro, savgol, gaussian, synsp = evaluate(
        folder, *options, "--refiner-model", str(tmp_path / "synsp.safetensors")
    )
    assert all(row["accel"] < 0.5 * none["accel"] for row in (one_euro, savgol, gaussian))
    assert synsp["frames"] == none["frames"] == 34


def test_windows_are_counted_and_scaled_as_the_authors_do(tmp_path):
    human = load_release(paper_data.write_release(tmp_path, "h36m_fcn_3D"), "train")
    other = load_release(paper_data.write_release(tmp_path, "pw3d_spin_3D"), "train")
    together = load_release(
        paper_data.write_release(tmp_path / "b", "h36m_fcn_3D", cameras=4), "train", several_views=True
    )
    windows = [ReleaseWindows(data, 8) for data in (human, other, together)]
    assert [len(each.first) for each in windows] == [13 + 7, 12 + 6, 13 + 7]
    assert [each.scaled for each in windows] == [True, False, False]
    (estimated, true), *_ = windows[0].epoch(np.random.default_rng(0), 20)
    thighs = true.unflatten(-1, (17, 3))[:, 0]
    factors = (thighs[:, 2] - thighs[:, 1]).norm(dim=-1).numpy()
    factors /= np.linalg.norm(np.diff(human.sequences[0].true[0, 0].reshape(17, 3)[1:3], axis=0))
    assert estimated.shape == true.shape == (20, 8, 51)
    assert 0.9 <= factors.min() < 0.97 < 1.03 < factors.max() <= 1.1
    assert next(iter(windows[2].epoch(np.random.default_rng(0), 5)))[0].shape == (5, 4, 8, 51)


@pytest.mark.parametrize("epoch", [1, 3, 4, 5, 9])
def test_several_data_sets_have_as_many_batches_each_and_after_a_third_of_the_epochs_the_first_alone(tmp_path, epoch):
    names = ("aist_vibe_3D", "pw3d_spin_3D")
    sets = [load_release(paper_data.write_release(tmp_path, name), "train") for name in names]
    longer = load_release(paper_data.write_release(tmp_path / "b", names[1], frames=(60,)), "train")
    windows = [ReleaseWindows(data, 8) for data in (longer, *sets)]
    assert [len(part.first) for part in windows] == [52, 18, 18]
    for number, part in enumerate(windows):
        part.frames[:] = number
    recipe = SynSPRecipe(batch=5, epochs=9, decay=0.95, acceleration_weight=0.1)
    found = [true for _, true in batches(windows, epoch, recipe, np.random.default_rng(epoch))]
    sources = [true.unique().tolist() for true in found]
    assert sorted(sources) == ([[0]] * 4 + [[1]] * 4 + [[2]] * 4 if epoch <= 4 else [[0]] * 4)
    assert epoch > 4 or sources != sorted(sources)
    assert {len(true) for true in found} == ({5, 3} if epoch <= 4 else {5})


def test_several_data_sets_train_one_network_and_are_evaluated_each(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(paper_refinement, "SynSPConfig", small)
    names = ("aist_vibe_3D", "pw3d_spin_3D", "h36m_fcn_3D")
    vibe, spin, human = (str(paper_data.write_release(tmp_path, name)) for name in names)
    training = ["train", "synsp", "--recipe", "paper", "--epochs", "4", "--threads", "1", "--out", str(tmp_path)]
    assert cli.main([*training, "--batch", "8", "--data", vibe, spin]) == 0
    network = str(tmp_path / "synsp.safetensors")
    assert weights.read_header(network)[2]["data"] == "aist_vibe_3D pw3d_spin_3D"
    options = ["--refine", "none", "synsp", "--refiner-model", network]
    rows = rows_of(tmp_path, "evaluate", "--data", vibe, spin, *options)
    assert [(row["data"], row["refine"]) for row in rows] == [(n, r) for n in names[:2] for r in ("none", "synsp")]
    np.savez(tmp_path / "motion.npz", fps=50.0, walk=paper_data.motion(0, 20))
    motion = str(tmp_path / "motion.npz")
    capsys.readouterr()
    for command, message in (
        ([*training, "--data", vibe, human], f"data: {human}"),
        ([*training, "--data", vibe, motion], motion),
        (["evaluate", "--data", vibe, motion, "--refine", "none"], f"data: {motion}"),
        (["train", "synsp", "--data", motion, "--device", "cuda"], "device"),
    ):
        assert cli.main(command) == 1
        assert message in capsys.readouterr().err.splitlines()[0]


@pytest.mark.parametrize("window", [8, 16, 32])
def test_windows_of_table_3_are_trained_evaluated_and_streamed(tmp_path, monkeypatch, window):
    monkeypatch.setattr(paper_refinement, "SynSPConfig", small)
    folder = paper_data.write_release(tmp_path, "h36m_fcn_3D", frames=(50, 40))
    options = ["--window", str(window), "--epochs", "2", "--threads", "1", "--out", str(tmp_path)]
    assert cli.main(["train", "synsp", "--recipe", "paper", "--data", str(folder), *options]) == 0
    path = str(tmp_path / "synsp.safetensors")
    none, synsp = evaluate(folder, "--refine", "none", "synsp", "--refiner-model", path)
    assert synsp["frames"] == none["frames"] == 90
    assert synsp["mpjpe"] != none["mpjpe"]
    # A stream that waits for a whole window averages as the paper does offline, but for its first frames.
    network = weights.load(path, SynSP)
    poses = root_relative(load_release(folder, "test").sequences[0].estimated[0].reshape(-1, 17, 3))
    streamed, _ = Refiner("synsp", network, delay=window - 1).refine(poses)
    whole = refine_sequence(network, poses.reshape(1, -1, 51)).reshape(-1, 17, 3)
    np.testing.assert_allclose(streamed[window:], root_relative(whole)[window:], atol=1e-5)
    # Frame by frame through the stages, too, on motion capture with the largest delay of the node.
    np.savez(tmp_path / "motion.npz", fps=50.0, walk=paper_data.motion(0, 61))
    weights.save(tiny.uplift(), tmp_path / "uplift.safetensors", {})
    online = ["--model", str(tmp_path / "uplift.safetensors"), "--mode", "online", "--stride", "20", "--cameras", "1"]
    motion = ["--data", tmp_path / "motion.npz", "--refine", "none", "synsp", "--refiner-model", path]
    raw, refined = rows_of(tmp_path, "evaluate", *motion, *online)
    assert (refined["frames"], refined["delay"]) == (raw["frames"], 7)
    assert refined["accel"] != raw["accel"]


def test_the_configurations_are_the_authors(tmp_path):
    found = {
        name: recipe_of(load_release(paper_data.write_release(tmp_path, name), "train"), several_views=False)
        for name in ("h36m_fcn_3D", "aist_vibe_3D", "aist_spin_smpl", "h36m_hourglass_2D")
    }
    assert list(found.values()) == [
        SynSPRecipe(64, 10, 0.8, 1.0),
        SynSPRecipe(8000, 70, 0.95, 0.1),
        SynSPRecipe(8000, 70, 0.95, 1.0),
        SynSPRecipe(2000, 70, 0.96, 0.1),
    ]
    human = load_release(tmp_path / "h36m_fcn_3D", "train")
    assert recipe_of(human, several_views=True) == SynSPRecipe(2000, 70, 0.95, 1.0)


def test_what_does_not_fit_is_refused_in_a_line(tmp_path, capsys):
    folder = paper_data.write_release(tmp_path, "pw3d_spin_3D")
    weights.save(tiny.synsp(), tmp_path / "synsp.safetensors", {})
    np.savez(tmp_path / "motion.npz", fps=50.0, walk=paper_data.motion(0, 20))
    ours = str(tmp_path / "synsp.safetensors")
    for command, message in (
        (["evaluate", "--data", str(folder), "--refine", "synsp", "--refiner-model", ours],
         "refiner-model"),
        (["evaluate", "--data", str(folder), "--refine", "smoothnet"], "refine: smoothnet"),
        (["train", "synsp", "--recipe", "paper", "--data", str(tmp_path / "motion.npz")], "motion.npz"),
        (["train", "synsp", "--recipe", "paper", "--data", str(folder), "--window", "32"], "--window"),
    ):  # fmt: skip
        assert cli.main(command) == 1
        errors = capsys.readouterr().err
        assert message in errors
        assert errors.count("\n") == 1
