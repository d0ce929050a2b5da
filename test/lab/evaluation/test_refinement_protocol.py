"""Refinement of SmoothNet's release end to end: `train synsp --recipe paper`, then `evaluate --refine`."""

import json

import numpy as np
import pytest
from support import paper_data, tiny

from uplift_ros import cli
from uplift_ros.lab.data.formats.smoothnet_data import load_release
from uplift_ros.lab.training import paper_refinement
from uplift_ros.lab.training.paper_refinement import Recipe, Windows, recipe_of
from uplift_ros.models import weights
from uplift_ros.models.configs import SynSPConfig


def small(**changes):
    return SynSPConfig(**{"width": 16, "ffn": 16, "layers": 1, "heads": 1, "head_width": 16} | {
        name: value for name, value in changes.items() if name not in ("width", "ffn")
    })  # fmt: skip


def evaluate(folder, *options):
    path = folder / "rows.json"
    assert cli.main(["evaluate", "--data", str(folder), *options, "--json", str(path)]) == 0
    return json.loads(path.read_text())


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
    windows = [Windows(data, 8) for data in (human, other, together)]
    assert [len(each.first) for each in windows] == [13 + 7, 12 + 6, 13 + 7]
    assert [each.scaled for each in windows] == [True, False, False]
    (estimated, true), *_ = windows[0].epoch(np.random.default_rng(0), 20)
    thighs = true.unflatten(-1, (17, 3))[:, 0]
    factors = (thighs[:, 2] - thighs[:, 1]).norm(dim=-1).numpy()
    factors /= np.linalg.norm(np.diff(human.sequences[0].true[0, 0].reshape(17, 3)[1:3], axis=0))
    assert estimated.shape == true.shape == (20, 8, 51)
    assert 0.9 <= factors.min() < 0.97 < 1.03 < factors.max() <= 1.1
    assert next(iter(windows[2].epoch(np.random.default_rng(0), 5)))[0].shape == (5, 4, 8, 51)


def test_the_configurations_are_the_authors(tmp_path):
    found = {
        name: recipe_of(load_release(paper_data.write_release(tmp_path, name), "train"), several_views=False)
        for name in ("h36m_fcn_3D", "aist_vibe_3D", "aist_spin_smpl", "h36m_hourglass_2D")
    }
    assert list(found.values()) == [
        Recipe(64, 10, 0.8, 1.0),
        Recipe(8000, 70, 0.95, 0.1),
        Recipe(8000, 70, 0.95, 1.0),
        Recipe(2000, 70, 0.96, 0.1),
    ]
    human = load_release(tmp_path / "h36m_fcn_3D", "train")
    assert recipe_of(human, several_views=True) == Recipe(2000, 70, 0.95, 1.0)


def test_what_does_not_fit_is_refused_in_a_line(tmp_path, capsys):
    folder = paper_data.write_release(tmp_path, "pw3d_spin_3D")
    weights.save(tiny.synsp(), tmp_path / "synsp.safetensors", {})
    np.savez(tmp_path / "motion.npz", fps=50.0, walk=paper_data.motion(0, 20))
    ours = str(tmp_path / "synsp.safetensors")
    for command, said in (
        (["evaluate", "--data", str(folder), "--refine", "synsp", "--refiner-model", ours],
         "is for 17 joints of 3 values, the data have 14 of 3; train one"),
        (["evaluate", "--data", str(folder), "--refine", "smoothnet"], "smoothnet is not measured on pw3d_3D"),
        (["train", "synsp", "--recipe", "paper", "--data", str(tmp_path / "motion.npz")], "give a folder of"),
        (["train", "synsp", "--recipe", "paper", "--data", str(folder), "--window", "32"], "choose a smaller --window"),
    ):  # fmt: skip
        assert cli.main(command) == 1
        errors = capsys.readouterr().err
        assert said in errors
        assert errors.count("\n") == 1
