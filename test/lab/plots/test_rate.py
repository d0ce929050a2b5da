"""`uplift plot rate`: rows of `uplift study adaptive` as a curve of fixed strides, and points of the rules."""

import json

import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from uplift_ros import cli
from uplift_ros.lab.plots import rate

COMMON = {"model": "compact", "latency_frames": 4, "noise": "none"}


def row(rule: str, stride: int | str, keyframe_hz: float, error: float) -> dict[str, object]:
    return COMMON | {
        "rule": rule,
        "stride": stride,
        "keyframe_hz": keyframe_hz,
        "mpjpe": error,
        "mpjpe_fast": 2 * error,
    }


ROWS = [row("fixed", 4, 12.5, 40.0), row("fixed", 20, 2.5, 60.0), row("look back", "adaptive", 4.0, 41.0)]


def panels(figure: Figure) -> list[Axes]:
    return [axes for axes in figure.axes if axes.get_title()]


def test_fixed_strides_are_a_line_and_rules_are_points_at_their_rates():
    for axes, factor in zip(panels(rate.draw(ROWS)), (1, 2), strict=True):
        lines = {line.get_label(): line.get_xydata().tolist() for line in axes.lines}
        assert lines["fixed stride"] == [[2.5, factor * 60.0], [12.5, factor * 40.0]]
        assert lines[rate.RULE_LABELS["look back", "adaptive"]] == [[4.0, factor * 41.0]]
        assert lines[rate.RULE_LABELS["paper", "adaptive"]] == []


def test_without_fast_motion_the_panel_of_fast_frames_is_empty():
    every, fast = panels(rate.draw([each | {"mpjpe_fast": None} for each in ROWS]))
    assert [line.get_xydata().size for line in fast.lines] == [0] * len(fast.lines)
    assert every.lines[0].get_xydata().size > 0


def test_one_command_draws_the_rows_of_a_study(tmp_path):
    (tmp_path / "rows.json").write_text(json.dumps(ROWS))
    assert cli.main(["plot", "rate", "--rows", str(tmp_path / "rows.json"), "--out", str(tmp_path / "rate.png")]) == 0
    assert (tmp_path / "rate.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("content", ["[]", json.dumps([ROWS[2]]), '[{"stride": 4}]', "{}", "[3]"])
def test_rows_without_a_fixed_stride_are_refused(tmp_path, content, capsys):
    (tmp_path / "rows.json").write_text(content)
    assert cli.main(["plot", "rate", "--rows", str(tmp_path / "rows.json"), "--out", str(tmp_path / "rate.png")]) == 1
    assert "rows" in capsys.readouterr().err
