"""Data files are found in the checkout and in the installation."""

import pytest

from uplift_ros import paths


def test_the_checkout_holds_its_own_share(monkeypatch, tmp_path):
    (tmp_path / "package.xml").touch()
    monkeypatch.setattr(paths, "PACKAGE", tmp_path / "uplift_ros")
    assert paths.share_folder() == tmp_path


def test_the_installation_is_found_above_the_package(monkeypatch, tmp_path):
    (tmp_path / "share" / "uplift_ros" / "config").mkdir(parents=True)
    monkeypatch.setattr(paths, "PACKAGE", tmp_path / "lib" / "python3.11" / "site-packages" / "uplift_ros")
    assert paths.share_folder() == tmp_path / "share" / "uplift_ros"


def test_a_package_without_its_share_is_reported(monkeypatch, tmp_path):
    monkeypatch.setattr(paths, "PACKAGE", tmp_path / "uplift_ros")
    with pytest.raises(FileNotFoundError, match="share/uplift_ros"):
        paths.share_folder()


def test_the_node_and_the_command_of_one_name_are_found_in_a_sourced_workspace(monkeypatch, tmp_path):
    node, command = tmp_path / "lib" / "uplift_ros" / "uplift", tmp_path / "bin" / "uplift"
    for script in (node, command):
        script.parent.mkdir(parents=True)
        script.touch()
    monkeypatch.setattr(paths, "PACKAGE", tmp_path / "elsewhere" / "uplift_ros")
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(tmp_path))
    assert (paths.node_script("uplift"), paths.command_script()) == (node, command)


def test_a_package_that_was_not_built_says_how_to_build_it(monkeypatch, tmp_path):
    monkeypatch.setattr(paths, "PACKAGE", tmp_path / "uplift_ros")
    monkeypatch.setattr(paths.sys, "prefix", str(tmp_path))
    monkeypatch.delenv("AMENT_PREFIX_PATH", raising=False)
    with pytest.raises(FileNotFoundError, match="build the package first"):
        paths.node_script("camera")
