"""`uplift process` killed in the middle of its work, and started again."""

import signal
import subprocess
import sys

import pytest
from support import clips
from support.places import ROOT

HANGS = """
import sys, time
sys.path.insert(0, {helpers!r})
from support.bright_person import BrightPerson
from uplift_ros import cli, estimators

class Hanging(BrightPerson):
    def estimate(self, image, *, quick=False):
        if self.images == {images}:
            print("hangs", flush=True)
            time.sleep(1000)
        return super().estimate(image)

estimators.create = lambda *_, **__: Hanging()
cli.main(sys.argv[1:])
"""
"""The command, with an estimator that hangs."""


@pytest.fixture
def killed_process(parameters):
    """Run the command as a process of its own, and kill it at the given key-frame, counted over all inputs."""

    def run(images: int, *arguments: object) -> None:
        program = HANGS.format(helpers=str(ROOT / "test"), images=images)
        command = [sys.executable, "-c", program, "process", *map(str, arguments), "--params", str(parameters)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert any(line == "hangs\n" for line in process.stdout)
            finally:
                process.send_signal(signal.SIGKILL)

    return run


def test_a_second_run_does_what_a_kill_left_undone(killed_process, uplift_process, clip, tmp_path, capsys):
    other = clips.write_clip(tmp_path / "other.avi")
    results = tmp_path / "results"
    killed_process(9, clip, other, "-o", results, "--stride", 10)  # six key-frames each
    assert [path.name for path in sorted(results.iterdir())] == ["clip.mcap", "other.mcap.partial"]
    finished = (results / "clip.mcap").stat().st_mtime_ns

    assert uplift_process(clip, other, "-o", results, "--stride", 10) == 0
    assert "clip.mcap exists, skipping" in capsys.readouterr().out
    assert (results / "clip.mcap").stat().st_mtime_ns == finished
    assert [path.name for path in sorted(results.iterdir())] == ["clip.mcap", "other.mcap"]


def test_a_run_after_a_kill_gives_the_bytes_of_one_that_was_left_alone(killed_process, uplift_process, clip, tmp_path):
    killed_process(3, clip, "-o", tmp_path / "killed", "--stride", 10)
    for folder in ("killed", "alone"):
        assert uplift_process(clip, "-o", tmp_path / folder, "--stride", 10) == 0
    assert (tmp_path / "killed" / "clip.mcap").read_bytes() == (tmp_path / "alone" / "clip.mcap").read_bytes()
