"""The command `uplift` itself: missing packages and failures."""

import re
import sys

import pytest

from uplift_ros import cli


def test_a_subcommand_whose_package_is_missing_names_it_and_the_others_work(monkeypatch, tmp_path, capsys):
    monkeypatch.delitem(sys.modules, "uplift_ros.bags.record", raising=False)
    monkeypatch.setitem(sys.modules, "rclpy", None)
    with pytest.raises(SystemExit) as ended:
        cli.main(["record", "--out", str(tmp_path)])
    assert ended.value.code == 1
    assert capsys.readouterr().err.startswith("uplift: rclpy ")
    assert cli.main(["recover", str(tmp_path), "--out", str(tmp_path / "whole.mcap")]) == 1
    assert re.search(rf"{tmp_path} .*\.mcap.* 0 ", capsys.readouterr().err)


def test_an_unknown_subcommand_is_answered_with_those_there_are(capsys):
    with pytest.raises(SystemExit):
        cli.main(["proces"])
    assert "invalid choice: 'proces'" in (said := capsys.readouterr().err)
    assert all(repr(name) in said for name in cli.COMMANDS)


def test_ctrl_c_during_the_imports_of_a_subcommand_ends_it_in_one_line(monkeypatch, capsys):
    def interrupted(_name):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli.importlib, "import_module", interrupted)
    assert cli.main(["process", "clip.mp4", "-o", "clip.mcap"]) == 130
    assert capsys.readouterr().err == "uplift process: interrupted\n"
