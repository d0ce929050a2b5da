import re
from pathlib import Path

import pytest
from support.places import ROOT

from uplift_ros import cli, doctor, fastdds

VGA = 640 * 480 * 3


def test_one_page_names_what_is_missing_and_for_what(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "_is_installed", lambda module: module not in ("launch_ros", "onnxruntime"))
    assert cli.main(["doctor"]) == 0
    page = capsys.readouterr().out
    assert re.search("launch_ros: missing.*launch files", page)
    assert "numpy: " in page
    assert "numpy: missing" not in page
    assert len(page.splitlines()) < 50


def test_networks_are_loaded_and_one_that_does_not_load_is_named(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))  # where no model of BlazePose lies
    assert cli.main(["doctor"]) == 0
    page = capsys.readouterr().out
    assert "compact on cpu: loads" in page
    assert "synsp on cpu: loads" in page
    assert re.search(r"lite: model_path: pose_\w+\.tflite .*`uplift models lite`", page)


def test_the_size_of_the_images_may_be_given(capsys):
    assert cli.main(["doctor", "--size", "1920", "1080"]) == 0
    assert f"images of {1920 * 1080 * 3} bytes" in capsys.readouterr().out


def test_without_a_profile_images_larger_than_the_default_segment_are_reported_as_lost():
    (verdict,) = [line for line in doctor.transport(VGA, {}) if "bytes" in line]
    assert "will get lost" in verdict
    assert "fastdds.xml" in verdict
    (verdict,) = [line for line in doctor.transport(320 * 240 * 3, {}) if "bytes" in line]
    assert "fit" in verdict


@pytest.mark.parametrize("variable", fastdds.PROFILE_VARIABLES)
def test_the_profile_in_force_is_read(variable):
    profile = str(ROOT / "config" / "fastdds.xml")
    lines = list(doctor.transport(VGA, {variable: profile}))
    assert f"{variable}: {profile}" in lines
    assert re.search(r"\bfit\b.*16777216", lines[-1])


def test_a_profile_that_cannot_be_read_is_reported(tmp_path: Path):
    broken = tmp_path / "profile.xml"
    broken.write_text("<dds>")
    *_, verdict = doctor.transport(VGA, {"FASTDDS_DEFAULT_PROFILES_FILE": str(broken)})
    assert "cannot be read" in verdict


def test_another_middleware_is_not_checked_against_fast_dds():
    lines = list(doctor.transport(VGA, {"RMW_IMPLEMENTATION": "rmw_cyclonedds_cpp"}))
    assert not any("shared memory" in line for line in lines)
    assert any("rmem_max" in line for line in lines)


@pytest.mark.parametrize("size", [("0", "480"), ("640", "99999999")])
def test_a_size_that_no_image_has_is_refused(size, capsys):
    with pytest.raises(SystemExit):
        cli.main(["doctor", "--size", *size])
    assert "--size" in capsys.readouterr().err
