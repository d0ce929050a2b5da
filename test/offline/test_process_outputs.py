"""Output files of `uplift process`, also after failures."""

import os
import re
import shutil
import signal
from pathlib import Path

import pytest
from support import clips, recordings
from support.bright_person import BrightPerson

from uplift_ros import settings
from uplift_ros.offline import process


def test_an_input_that_fails_is_named_and_the_rest_continues(uplift_process, clip, tmp_path, capsys):
    damaged = tmp_path / "damaged.mcap"
    damaged.write_bytes(clips.write_bag(tmp_path / "whole.mcap").read_bytes()[:5000])
    code = uplift_process(damaged, tmp_path / "nowhere.mp4", clip, "-o", tmp_path / "results")
    assert code == 1
    assert [path.name for path in (tmp_path / "results").iterdir()] == ["clip.mcap"]
    said = capsys.readouterr().err
    assert re.search(rf"{damaged}: .*images.*damaged\.mcap: .*byte \d", said)
    assert "nowhere.mp4: source: " in said


def test_an_input_none_of_whose_images_can_be_decoded_fails_and_leaves_nothing(uplift_process, tmp_path, capsys):
    def empty(stamp, image):
        message = recordings.compressed_image(stamp, image)
        message.data = message.data[:0]
        return message

    source = clips.write_bag(tmp_path / "in.mcap", empty)
    assert uplift_process(source, "-o", tmp_path / "out.mcap") == 1
    assert "'jpeg' (0 bytes)" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("out")] == []


def test_what_is_finished_is_not_done_again(uplift_process, clip, tmp_path, capsys, monkeypatch):
    other = clips.write_clip(tmp_path / "other.avi")
    assert uplift_process(clip, "-o", tmp_path / "results") == 0
    finished = (tmp_path / "results" / "clip.mcap").stat().st_mtime_ns
    assert uplift_process(clip, other, "-o", tmp_path / "results") == 0
    assert (tmp_path / "results" / "clip.mcap").stat().st_mtime_ns == finished
    assert (tmp_path / "results" / "other.mcap").exists()
    assert f"{clip}: {tmp_path / 'results' / 'clip.mcap'} exists, skipping" in capsys.readouterr().out
    monkeypatch.setattr(process.Networks, "load", lambda _: pytest.fail("nothing is left to do"))
    assert uplift_process(clip, other, "-o", tmp_path / "results") == 0


def test_a_named_output_file_is_written_again(uplift_process, clip, tmp_path):
    (tmp_path / "out.mcap").write_bytes(b"old")
    assert uplift_process(clip, "-o", tmp_path / "out.mcap") == 0
    assert "/skeletons" in clips.topics(tmp_path / "out.mcap")


def test_inputs_of_the_same_name_are_refused_before_any_work(uplift_process, clip, tmp_path, capsys):
    (tmp_path / "other").mkdir()
    twin = shutil.copy(clip, tmp_path / "other" / "clip.avi")
    assert uplift_process(clip, twin, "-o", tmp_path / "results") == 1
    assert "would both go to" in capsys.readouterr().err
    assert not (tmp_path / "results").exists()


def test_an_input_is_never_overwritten(uplift_process, tmp_path, capsys):
    source = clips.write_bag(tmp_path / "in.mcap")
    before = source.read_bytes()
    for out in (source, tmp_path):
        assert uplift_process(source, "-o", out) == 1
        assert "in.mcap would be overwritten" in capsys.readouterr().err
    assert source.read_bytes() == before


def test_an_output_that_cannot_be_read_is_written_again(uplift_process, clip, tmp_path):
    other = clips.write_clip(tmp_path / "other.avi")
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "other.mcap").touch()
    assert uplift_process(clip, other, "-o", tmp_path / "results") == 0
    for name in ("clip.mcap", "other.mcap"):
        assert "/skeletons" in clips.topics(tmp_path / "results" / name)


@pytest.mark.parametrize(("given", "name"), [(".", "walk"), ("..", "runs"), ("../take.2.mp4", "take.2")])
def test_an_output_has_the_name_of_its_input_also_if_that_is_the_current_folder(tmp_path, monkeypatch, given, name):
    (tmp_path / "runs" / "walk").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "runs" / "walk")
    assert process.outputs([Path(given)], Path("out")) == [Path("out", f"{name}.mcap")]


def test_the_time_to_name_outputs_grows_with_the_number_of_inputs_only(monkeypatch):
    resolved, realpath = [], os.path.realpath
    monkeypatch.setattr(os.path, "realpath", lambda path: resolved.append(path) or realpath(path))
    process.outputs([Path(f"{i}.mp4") for i in range(100)], Path("out"))
    assert len(resolved) == 200


def test_an_unexpected_failure_is_reported_with_its_type(uplift_process, clip, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(BrightPerson, "estimate", lambda *_, **__: [][0])
    assert uplift_process(clip, "-o", tmp_path / "out.mcap") == 1
    assert "clip.avi: IndexError: " in capsys.readouterr().err


class NoImages:
    """A recording without an image."""

    length = 0
    problems = ()

    def images(self):
        return iter(())

    def close(self):
        pass


def test_a_recording_without_an_image_is_refused_and_leaves_nothing(parameters, estimator, tmp_path):
    networks = process.Networks.load(settings.load(parameters, {}))
    with pytest.raises(ValueError, match="images"):
        process.process(NoImages(), networks.pipeline(), tmp_path / "out.mcap")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def interruptible():
    """Ctrl-C works as in a process of its own, whatever handler this process has installed."""
    taken = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, taken)


def test_an_interrupted_run_says_so_and_leaves_nothing_at_the_output(
    uplift_process, clip, tmp_path, capsys, monkeypatch, interruptible
):
    monkeypatch.setattr(BrightPerson, "estimate", lambda *_, **__: signal.raise_signal(signal.SIGINT) or [])
    assert uplift_process(clip, "-o", tmp_path / "results") == 130
    assert "uplift process: interrupted" in capsys.readouterr().err
    assert list((tmp_path / "results").iterdir()) == []
