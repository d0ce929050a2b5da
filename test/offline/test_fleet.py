"""docs/fleet.sbatch as Slurm runs it: a number for each task, and `uplift` on the path."""

import os
import subprocess

import pytest
from support.places import ROOT

SCRIPT = ROOT / "docs" / "fleet.sbatch"


@pytest.fixture
def task(tmp_path):
    """Run a task of an array over two bags of one name; return its output. `uplift` only prints its arguments."""
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin" / "uplift"
    command.write_text('#!/bin/sh\nprintf "%s|" "$@"\n')
    command.chmod(0o755)
    (tmp_path / "bags.txt").write_text("/data/robot 1/run.mcap\nrobot2/run.mcap\n")

    def run(number: int) -> subprocess.CompletedProcess:
        environment = {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "SLURM_ARRAY_TASK_ID": str(number)}
        return subprocess.run(
            [SCRIPT, "--stride", "20"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )

    return run


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (1, "process|/data/robot 1/run.mcap|-o|results/data/robot 1|--stride|20|"),
        (2, "process|robot2/run.mcap|-o|results/robot2|--stride|20|"),
    ],
)
def test_a_task_takes_its_line_to_a_folder_of_its_own(task, number, words):
    assert task(number).stdout == words


def test_a_task_without_a_line_fails(task):
    result = task(3)
    assert result.returncode == 1
    assert result.stderr == "bags.txt has no line 3\n"
