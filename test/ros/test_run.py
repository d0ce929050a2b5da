"""`uplift run` as a user calls it, with untrained networks and small images."""

import json
import re
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from support.running import running_nodes

from uplift_ros.bags.reader import BagReader
from uplift_ros.parameters import TABLES
from uplift_ros.paths import command_script

pytestmark = pytest.mark.usefixtures("blazepose_files")

UPLIFT = command_script()
NODES = TABLES.keys() - {"humans"}
TIMEOUT = 120


@pytest.fixture(scope="module")
def params(random_weights, tmp_path_factory) -> Path:
    parameters = {
        "/**/camera": {"width": 320, "height": 240},
        "/**/uplift": {"model": random_weights["uplift"], "stride_mode": "fixed", "stride": 10},
        "/**/refiner": {"model": random_weights["refiner"], "method": "synsp"},
    }
    path = tmp_path_factory.mktemp("params") / "params.yaml"
    path.write_text(json.dumps({node: {"ros__parameters": values} for node, values in parameters.items()}))
    return path


def run(*arguments) -> subprocess.CompletedProcess:
    command = [sys.executable, str(UPLIFT), "run", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)


@pytest.fixture(scope="module")
def recorded(params, tmp_path_factory):
    """A run of three seconds with all its results."""
    folder = tmp_path_factory.mktemp("out")
    return run("--params", params, "--seconds", 3, "--stride", 10, "--out", folder), folder


def test_a_run_ends_by_itself_with_exit_code_0_and_leaves_no_process(recorded):
    finished, _ = recorded
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert running_nodes() == {}


def test_a_run_records_every_image_and_every_skeleton(recorded):
    _, folder = recorded
    with BagReader(folder / "demo.mcap") as bag:
        counts = Counter(topic for topic, _, _ in bag.raw())
    assert counts["/image_raw/compressed"] == counts["/ground_truth"] == 150
    assert counts["/skeletons"] == counts["/skeletons/raw"] > 100


def test_a_run_leaves_its_summary_and_video(recorded):
    finished, folder = recorded
    summary = json.loads((folder / "summary.json").read_text())
    assert (summary["source"], summary["images"]) == ("synthetic", 150)
    assert (folder / "demo.mp4").stat().st_size > 10_000
    assert set(summary["stages_ms"]) == {"keyframe", "raw", "refined", "overhead"}
    assert {"camera", "pose_estimator", "uplift", "refiner", "visualizer", "recorder"} == set(summary["nodes"])
    assert "key-frames" in finished.stdout


def test_ctrl_c_ends_a_run_cleanly_before_anything_came_of_it(params, observer, tmp_path):
    command = [sys.executable, str(UPLIFT), "run", "--params", str(params), "--out", str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    observer.wait_for(lambda: running_nodes().keys() == NODES)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 0, output
    assert running_nodes() == {}
    assert not (tmp_path / "summary.json").exists()


def test_a_missing_source_is_reported_in_a_line(params):
    finished = run("--params", params, "--source", "no_such.mp4")
    assert finished.returncode == 1
    (line,) = finished.stderr.splitlines()
    assert re.search(r"source: .*'no_such\.mp4'", line)
    assert running_nodes() == {}


def test_a_node_that_dies_ends_the_run_with_its_last_words(params, tmp_path):
    broken = tmp_path / "broken.yaml"
    broken.write_text(params.read_text().replace("synsp.onnx", "no_such.onnx"))
    finished = run("--params", broken)
    assert finished.returncode == 1
    assert re.search("refiner .*exit code 1", finished.stderr)
    assert "no_such.onnx" in finished.stderr
    assert running_nodes() == {}


@pytest.mark.parametrize(
    ("arguments", "exit_code", "named"),
    [
        (["--stride", "0"], 2, "--stride: .*'0'$"),
        (["--seconds", "-1"], 2, "--seconds: .*-1$"),
        (["--seconds", "soon"], 2, "--seconds: .*soon$"),
        (["--params", "no_such.yaml"], 2, r"no_such\.yaml"),
    ],
)
def test_wrong_arguments_are_refused_with_the_reason(arguments, exit_code, named):
    finished = run(*arguments)
    assert finished.returncode == exit_code
    assert re.search(named, finished.stderr, re.MULTILINE)
