"""`uplift bench`: all rows in one table, and in a file."""

from dataclasses import asdict

import pytest
from support.commands import rows_of

from uplift_ros import cli
from uplift_ros.lab.bench import bench, networks, recordings, streams
from uplift_ros.lab.bench.measurements import Measurement

PLAIN = Measurement("n81 plain", "cpu", 64, "float32", 20.0, 25.0, 3200.0, 120_000_000)
FAST = Measurement("n81", "cpu", 64, "bfloat16", 8.0, 9.0, 8000.0, 0, "n81 plain", 2.5)
IMAGE = Measurement("image", "cpu", 1, "float32", 0.5, 0.6, 2000.0)


@pytest.fixture
def measured(monkeypatch):
    """Rows at once, without measuring; returns (seconds, device, threads) of each part."""
    asked = []

    def rows(*arguments):
        asked.append(arguments)
        return iter([PLAIN, FAST] if len(asked) == 1 else [])

    for module in (networks, streams, recordings):
        monkeypatch.setattr(module, "rows", rows)
    monkeypatch.setattr(bench, "image_rows", lambda seconds: iter([IMAGE]))
    return asked


def test_every_part_is_measured_for_the_time_that_was_asked_for(measured):
    assert cli.main(["bench", "--seconds", "0.5"]) == 0
    assert measured == [(0.5, "cpu", 1), (0.5,), (0.5,)]


def test_the_table_has_operations_and_ratios_only_if_they_are_known(measured, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert cli.main(["bench"]) == 0
    lines = [[cell.strip() for cell in line.strip("│┃").split("│")] for line in capsys.readouterr().out.splitlines()]
    assert ["n81 plain", "cpu", "float32", "64", "20.00", "25.00", "3200", "120", ""] in lines
    assert ["n81", "cpu", "bfloat16", "64", "8.00", "9.00", "8000", "", "2.50 x n81 plain"] in lines
    assert ["image", "cpu", "float32", "1", "0.50", "0.60", "2000", "", ""] in lines


def test_the_rows_are_written_if_a_file_is_named(measured, tmp_path):
    assert rows_of(tmp_path, "bench") == [asdict(row) for row in (PLAIN, FAST, IMAGE)]


def test_a_device_that_is_not_there_is_refused_before_anything_is_measured(measured, capsys):
    assert cli.main(["bench", "--device", "cuda:99"]) == 1
    assert "device" in capsys.readouterr().err
    assert measured == []
