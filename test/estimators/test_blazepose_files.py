import hashlib
import re
import subprocess
import zipfile

import pytest

from uplift_ros import cli
from uplift_ros.estimators import blazepose_files
from uplift_ros.estimators.blazepose_files import NetworkFile

CONTENTS = {
    "pose_detection.tflite": b"a detector",
    "pose_landmark_full.tflite": b"landmarks",
    "pose_landmark_heavy.tflite": b"better landmarks",
}


@pytest.fixture
def released(monkeypatch, tmp_path):
    """Replace the released files by tiny ones, with their wheel beside them and no MediaPipe installed."""
    files = {
        name: NetworkFile(hashlib.sha256(content).hexdigest(), f"in/{name}", True) for name, content in CONTENTS.items()
    }
    monkeypatch.setattr(blazepose_files, "FILES", files)
    monkeypatch.setattr(blazepose_files, "find_spec", lambda _: None)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    wheel = tmp_path / "mediapipe.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, content in CONTENTS.items():
            archive.writestr(f"in/{name}", content)
    monkeypatch.setattr(blazepose_files, "_download", lambda *_: wheel)
    return tmp_path / "share" / "uplift_ros" / "blazepose"


def test_files_that_are_not_there_are_asked_for_by_the_command_that_brings_them(released):
    with pytest.raises(ValueError, match=r"model_path: pose_detection\.tflite .*uplift models full"):
        blazepose_files.locate("full")


def test_the_command_downloads_once_and_the_files_are_found(released, capsys):
    assert cli.main(["models"]) == 0
    assert {path.name: path.read_bytes() for path in released.iterdir()} == CONTENTS
    assert {path.parent for path in blazepose_files.locate("full")} == {released}
    capsys.readouterr()
    assert cli.main(["models", "full"]) == 0
    assert "exists, skipping" in capsys.readouterr().out


def test_a_download_of_another_hash_is_refused_and_leaves_nothing(released, monkeypatch, capsys):
    monkeypatch.setitem(
        blazepose_files.FILES, "pose_detection.tflite", NetworkFile("0" * 64, "in/pose_detection.tflite", True)
    )
    assert cli.main(["models"]) == 1
    assert "pose_detection.tflite" in capsys.readouterr().err
    assert not released.exists()


def test_a_file_of_another_hash_is_not_loaded(released):
    cli.main(["models"])
    (released / "pose_landmark_full.tflite").write_bytes(b"something else")
    with pytest.raises(ValueError, match=r"model_path: .*pose_landmark_full.tflite"):
        blazepose_files.locate("full")


def test_a_folder_given_is_the_only_one_looked_in(released, tmp_path):
    cli.main(["models"])
    with pytest.raises(ValueError, match="model_path"):
        blazepose_files.locate("full", str(tmp_path))
    assert cli.main(["models", "--folder", str(tmp_path / "mine")]) == 0
    assert blazepose_files.locate("full", str(tmp_path / "mine")).detector.parent == tmp_path / "mine"


def test_an_unknown_model_is_refused_with_those_there_are(capsys):
    assert cli.main(["models", "huge"]) == 1
    assert re.search("model .*lite, full, heavy.*'huge'", capsys.readouterr().err)


@pytest.mark.parametrize(("model", "tool"), [("heavy", "npm"), ("full", "pip")])
def test_a_download_that_fails_is_one_line_with_the_tool(model, tool, tmp_path, monkeypatch, capsys):
    failed = subprocess.CompletedProcess([], 1, "", "resolving\nno network\n")
    monkeypatch.setattr(blazepose_files.subprocess, "run", lambda *_, **__: failed)
    monkeypatch.setattr(blazepose_files.shutil, "which", lambda name: name)
    (tmp_path / "pose_detection.tflite").touch()
    monkeypatch.setattr(
        blazepose_files, "_is_released", lambda path: model == "heavy" and path.name == "pose_detection.tflite"
    )
    assert cli.main(["models", model, "--folder", str(tmp_path)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert tool in line
    assert line.endswith("no network")


def test_npm_that_is_missing_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(blazepose_files.shutil, "which", lambda _: None)
    monkeypatch.setattr(blazepose_files, "_is_released", lambda path: path.name == "pose_detection.tflite")
    assert cli.main(["models", "heavy", "--folder", str(tmp_path)]) == 1
    assert "npm, which is not installed" in capsys.readouterr().err


def test_auto_is_heavy_if_its_file_is_there_and_full_otherwise_and_for_quick_estimates(released):
    cli.main(["models"])
    heavy, full = (blazepose_files.locate(model).landmarks for model in ("heavy", "full"))
    assert blazepose_files.locate("auto")[1:] == (heavy, full)
    (released / "pose_landmark_heavy.tflite").unlink()
    assert blazepose_files.locate("auto")[1:] == (full, full)


def test_auto_is_heavy_alone_without_the_file_of_full(released):
    cli.main(["models", "heavy"])
    assert blazepose_files.locate("auto") == blazepose_files.locate("heavy")


def test_without_npm_the_command_brings_full_alone_and_says_so(released, monkeypatch, capsys):
    def fetched(model, folder, fetch=blazepose_files.fetch):
        if model == "heavy":
            raise OSError("no npm")
        return fetch(model, folder)

    monkeypatch.setattr(blazepose_files, "fetch", fetched)
    assert cli.main(["models"]) == 0
    assert blazepose_files.locate("auto") == blazepose_files.locate("full")
    assert "heavy is left out: no npm" in capsys.readouterr().err
    assert cli.main(["models", "heavy"]) == 1
