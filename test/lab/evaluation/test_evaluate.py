"""The command `uplift evaluate`."""

import json

import numpy as np
import pytest
from support import tiny
from support.commands import rows_of
from support.paper_data import motion

from uplift_ros import cli
from uplift_ros.lab.smoothnet import SmoothNet, SmoothNetConfig
from uplift_ros.models import weights

KEYS = "model stride mode latency_frames noise refine mpjpe n_mpjpe p_mpjpe mpjpe_keyframes accel keyframe_hz frames"


@pytest.fixture
def folder(tmp_path):
    takes = {f"x/box/{start}": motion(start, 61).astype(np.float32) for start in (0, 300)}
    np.savez(tmp_path / "mocap.npz", fps=50.0, **takes)
    weights.save(tiny.uplift(), tmp_path / "uplift.safetensors", {})
    weights.save(tiny.synsp(), tmp_path / "synsp.safetensors", {})
    weights.save(SmoothNet(SmoothNetConfig(width=8, inner=4)), tmp_path / "smoothnet.safetensors", {})
    return tmp_path


def evaluate(folder, *options: str) -> list[dict]:
    arguments = ["evaluate", "--data", "mocap.npz", "--model", "uplift.safetensors", "--cameras", "1", *options]
    arguments += ["--refiner-model", "synsp.safetensors", "--smoothnet-model", "smoothnet.safetensors"]
    arguments = [str(folder / part) if part.endswith((".npz", ".safetensors")) else part for part in arguments]
    return rows_of(folder, *arguments)


@pytest.mark.parametrize("mode", [("--mode", "offline"), ("--mode", "online", "--latency", "6")])
def test_every_stride_and_refinement_has_a_row_with_the_documented_keys(folder, mode):
    rows = evaluate(folder, *mode, "--stride", "4", "20", "--refine", "none", "savgol", "--noise", "detector")
    assert [(row["stride"], row["refine"]) for row in rows] == [(s, r) for s in (4, 20) for r in ("none", "savgol")]
    assert all(set(KEYS.split()) <= set(row) for row in rows)
    assert {row["latency_frames"] for row in rows} == ({6} if "online" in mode else {None})
    assert {row["frames"] for row in rows} == {122}
    assert [rows[index]["keyframe_hz"] for index in (0, 2)] == pytest.approx([50 * 16 / 61, 50 * 4 / 61])


def test_several_files_are_measured_together(folder):
    np.savez(folder / "more.npz", fps=50.0, **{"x/walk/1": motion(0, 40)})
    both = [str(folder / name) for name in ("mocap.npz", "more.npz")]
    (row,) = evaluate(folder, "--stride", "20", "--data", *both, "--by", "class")
    assert row["frames"] == 122 + 40
    assert set(row["by_class"]) == {"box", "walk"}


def test_rows_of_splines_share_their_key_frames_with_the_network_s(folder):
    rows = evaluate(folder, "--stride", "20", "--upsample", "model", "linear", "cubic", "--flip")
    assert [row["upsample"] for row in rows] == ["model", "linear", "cubic"]
    assert len({round(row["mpjpe_keyframes"], 6) for row in rows}) == 1
    assert len({round(row["mpjpe"], 6) for row in rows}) == 3


def test_breakdowns_are_reported_on_demand(folder):
    (row,) = evaluate(folder, "--stride", "10", "--by", "class", "velocity")
    assert row["by_class"]["box"]["mpjpe"] == pytest.approx(row["mpjpe"])
    assert sum(interval["frames"] for interval in row["by_velocity"]) == row["frames"]
    (plain,) = evaluate(folder, "--stride", "10")
    assert not any(isinstance(value, dict | list) for value in plain.values())


def test_refined_online_poses_keep_bone_lengths_unless_switched_off(folder):
    options = ("--mode", "online", "--stride", "10", "--refine", "none", "savgol")
    rigid, loose = evaluate(folder, *options), evaluate(folder, *options, "--no-rigid")
    assert [row["rigid"] for row in (*rigid, *loose)] == [False, True, False, False]
    assert rigid[0]["mpjpe"] == loose[0]["mpjpe"]
    assert rigid[1]["mpjpe"] != loose[1]["mpjpe"]


def test_noise_on_the_truth_is_refined_by_every_method_and_branch(folder):
    methods = ("none", "one_euro", "savgol", "gaussian", "smoothnet", "synsp")
    rows = evaluate(folder, "--truth-noise", "0.1", "--refine", *methods, "--branch", "position", "final")
    assert [row["refine"] for row in rows] == [*methods, "synsp"]
    assert [row["branch"] for row in rows[-2:]] == ["position", "final"]
    none, gaussian = rows[0], rows[3]
    assert none["mpjpe"] == pytest.approx(
        1000 * 0.1 / np.sqrt(12) * np.sqrt(2) * np.sqrt(8 / np.pi) * 16 / 17, rel=0.02
    )
    assert gaussian["accel"] < 0.05 * none["accel"]
    assert all(-1 <= row["tension_r"] <= 1 for row in rows[-2:])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "stride"),
        (("--stride", "adaptive"), "stride adaptive"),
        (("--stride", "4", "--mode", "online", "--flip"), "flip"),
        (("--stride", "4", "--delay", "-1"), "delay"),
        (("--truth-noise", "0"), "truth-noise"),
        (("--truth-noise", "inf"), "truth-noise"),
        (("--truth-noise", "0.1", "--stride", "4"), "truth-noise"),
    ],
)
def test_options_that_do_not_fit_together_are_refused(folder, options, message, capsys):
    data = ["--data", str(folder / "mocap.npz"), "--model", str(folder / "uplift.safetensors")]
    assert cli.main(["evaluate", *data, *options, *(() if "--delay" not in options else ("--refine", "savgol"))]) == 1
    assert message in capsys.readouterr().err


def test_the_adaptive_stride_takes_key_frames_between_those_of_its_shortest_and_longest(folder):
    short, adaptive, long = evaluate(folder, "--mode", "online", "--stride", "4", "adaptive", "20")
    assert adaptive["stride"] == "adaptive"
    assert long["keyframe_hz"] < adaptive["keyframe_hz"] < short["keyframe_hz"]


def test_without_a_file_for_the_rows_they_are_printed_and_nothing_is_written(folder, capsys):
    before = sorted(folder.iterdir())
    data = ["--data", str(folder / "mocap.npz"), "--model", str(folder / "uplift.safetensors")]
    assert cli.main(["evaluate", *data, "--stride", "20", "--cameras", "1"]) == 0
    assert "stride 20  mode offline" in capsys.readouterr().out
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize("stride", ["0", "-4", "2.5", "fast"])
def test_a_stride_that_is_no_number_of_frames_is_refused(folder, stride, capsys):
    with pytest.raises(SystemExit):
        cli.main(["evaluate", "--data", str(folder / "mocap.npz"), f"--stride={stride}"])
    assert repr(stride) in capsys.readouterr().err


def test_the_gate_fails_with_the_rows_that_are_behind_their_splines(folder, capsys):
    arguments = ["evaluate", "--data", str(folder / "mocap.npz"), "--model", str(folder / "uplift.safetensors")]
    code = cli.main([*arguments, "--cameras", "1", "--stride", "10", "--gate", "--json", str(folder / "rows.json")])
    rows = json.loads((folder / "rows.json").read_text())
    assert [row["upsample"] for row in rows] == ["model", "linear", "cubic"]
    behind = [line for line in capsys.readouterr().out.splitlines() if line.startswith("behind")]
    assert len(behind) == sum(rows[0]["mpjpe"] > row["mpjpe"] + 0.05 for row in rows[1:])
    assert code == bool(behind)
