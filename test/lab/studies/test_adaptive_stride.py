"""Gain of an adaptive stride: onsets, switching, the curve."""

import numpy as np
import pytest
from support import tiny
from support.commands import rows_of
from support.paper_data import motion

from uplift_ros import cli
from uplift_ros.lab.studies import adaptive_stride
from uplift_ros.lab.studies.adaptive_stride import onsets
from uplift_ros.models import weights
from uplift_ros.models.configs import compact, n351
from uplift_ros.sources.synthetic.motion import pose

SLOW, FAST = 0.1, 0.9


def test_an_onset_is_fast_motion_after_four_tenths_of_a_second_of_slow_motion():
    velocity = np.array(20 * [SLOW] + 5 * [FAST] + 19 * [SLOW] + [FAST] + 20 * [SLOW] + [FAST])
    assert onsets(velocity, 50.0) == [20, 65]


def test_a_sequence_that_begins_fast_has_no_onset_there():
    assert onsets(np.full(100, FAST), 50.0) == []


@pytest.mark.parametrize(("onset", "found"), [(5, 20), (25, 4), (30, 4), (44, 4), (45, 20), (90, np.inf)])
def test_an_onset_has_the_spacing_of_the_key_frames_around_it(onset, found):
    assert adaptive_stride.spacing(np.array([0, 20, 40, 44, 64]), onset, within=15) == found


def test_the_fixed_curve_has_the_strides_that_the_network_knows():
    assert [control.stride for _, control in adaptive_stride.fixed_rules(compact())] == [4, 6, 8, 10, 12, 16, 20]
    assert [control.stride for _, control in adaptive_stride.fixed_rules(n351())] == [5, 10, 15, 20]


def test_rows_are_compared_with_fixed_strides_of_the_same_rate():
    fixed = [
        {"rule": "fixed", "keyframe_hz": 12.0, "mpjpe": 40.0, "mpjpe_fast": 50.0},
        {"rule": "fixed", "keyframe_hz": 2.0, "mpjpe": 60.0, "mpjpe_fast": 90.0},
    ]
    ours = {"rule": "paper", "keyframe_hz": 7.0, "mpjpe": 45.0, "mpjpe_fast": 60.0}
    adaptive_stride.compare([*fixed, ours])
    assert ours["keyframes_of_fast"] == pytest.approx(7 / 12)
    assert ours["recovered"] == pytest.approx(0.75)
    assert (ours["mpjpe_over_fixed"], ours["mpjpe_fast_over_fixed"]) == (-5.0, -10.0)


def test_one_command_writes_the_curve(small_compact, tmp_path, capsys):
    weights.save(small_compact, tmp_path / "tiny.safetensors", {})
    np.savez(tmp_path / "data.npz", fps=50.0, boxing=motion(100, 131).astype(np.float32))
    arguments = ["--data", tmp_path / "data.npz", "--model", tmp_path / "tiny.safetensors"]
    rows = rows_of(tmp_path, "study", "adaptive", *arguments, "--threshold", 0.5, "--hold", 20)
    assert [row["rule"] for row in rows] == 7 * ["fixed"] + ["look back", "paper", "medium", "look back"]
    assert [row["stride"] for row in rows] == [4, 6, 8, 10, 12, 16, 20, 20] + 3 * ["adaptive"]
    assert all(row["onsets"] == 1 and 0 <= row["onset_rate_fast"] <= row["onset_rate"] <= 1 for row in rows[7:])
    assert (rows[0]["recovered"], rows[6]["recovered"]) == (1.0, 0.0)
    assert len(capsys.readouterr().out.splitlines()) == len(rows)


def test_without_fast_motion_only_the_overall_error_is_compared():
    fixed = [
        {"rule": "fixed", "keyframe_hz": 12.0, "mpjpe": 40.0, "mpjpe_fast": None},
        {"rule": "fixed", "keyframe_hz": 2.0, "mpjpe": 60.0, "mpjpe_fast": None},
    ]
    ours = {"rule": "paper", "keyframe_hz": 7.0, "mpjpe": 45.0, "mpjpe_fast": None}
    adaptive_stride.compare([*fixed, ours])
    assert (ours["recovered"], ours["mpjpe_fast_over_fixed"], ours["mpjpe_over_fixed"]) == (None, None, -5.0)


def test_with_one_fixed_stride_there_is_no_added_error_to_recover():
    only = {"rule": "fixed", "keyframe_hz": 2.5, "mpjpe": 60.0, "mpjpe_fast": 90.0}
    adaptive_stride.compare([only])
    assert (only["recovered"], only["mpjpe_fast_over_fixed"]) == (None, 0.0)


def test_lines_of_a_person_who_stands_still_have_no_values_of_fast_motion(tmp_path, capsys):
    weights.save(tiny.uplift(), tmp_path / "tiny.safetensors", {})
    still = np.repeat(pose(0.0)[None], 41, axis=0).astype(np.float32)
    np.savez(tmp_path / "data.npz", fps=50.0, standing=still)
    arguments = ["--data", str(tmp_path / "data.npz"), "--model", str(tmp_path / "tiny.safetensors")]
    assert cli.main(["study", "adaptive", *arguments, "--threshold", "--hold"]) == 0
    lines = capsys.readouterr().out.splitlines()
    fixed = [["rule fixed", f"stride {s}"] for s in (4, 6, 8, 10, 12, 16, 20)]
    assert [line.split("  ")[:2] for line in lines] == [*fixed, ["rule look back", "stride 20"]]
    assert not any("mpjpe_fast" in line or "onset" in line for line in lines)


def test_a_study_without_a_camera_is_refused(tmp_path, capsys):
    weights.save(tiny.uplift(), tmp_path / "tiny.safetensors", {})
    np.savez(tmp_path / "data.npz", fps=50.0, standing=pose(0.0)[None].astype(np.float32))
    arguments = ["--data", str(tmp_path / "data.npz"), "--model", str(tmp_path / "tiny.safetensors")]
    with pytest.raises(SystemExit):
        cli.main(["study", "adaptive", *arguments, "--cameras", "0"])
    assert "--cameras" in capsys.readouterr().err


def test_if_one_row_has_no_fast_frames_only_the_overall_error_is_compared():
    rows = [
        {"rule": "fixed", "keyframe_hz": rate, "mpjpe": 60 - rate, "mpjpe_fast": fast}
        for rate, fast in ((5.0, 80.0), (10.0, None))
    ]
    adaptive_stride.compare(rows)
    assert [(row["mpjpe_over_fixed"], row["mpjpe_fast_over_fixed"], row["recovered"]) for row in rows] == 2 * [
        (0, None, None)
    ]
