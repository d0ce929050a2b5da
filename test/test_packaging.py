"""Installation and metadata: one version, dependencies pinned and explained, the wheel, the Makefile."""

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml
from support.places import ROOT

RUN = ("requirements.txt", "requirements/no-deps.txt", "requirements/constraints.txt")
TEST = "requirements/test.txt"
PINNED = re.compile(r"^([A-Za-z0-9._-]+)(\[[a-z]+\])?==([^\s#\\;]+)", re.MULTILINE)


def pins(*files: str) -> dict[str, str]:
    """Name and version of everything that requirement files pin."""
    found = PINNED.findall("\n".join((ROOT / file).read_text() for file in files))
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, _, version in found}


def make(*arguments: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL")}
    if path is not None:
        environment["PATH"] = path
    return subprocess.run(["make", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_every_requirement_is_pinned_exactly_and_gives_its_reason():
    for file in ("requirements.txt", "requirements/no-deps.txt"):
        for line in (ROOT / file).read_text().splitlines():
            if line.strip() and not line.startswith(("#", "-c ")):
                assert re.match(r"^[A-Za-z0-9._\[\]-]+==\S+\s+# \S+", line), f"{file}: {line}"


def test_no_pin_is_said_twice():
    files = (*RUN, TEST)
    assert sum(len(pins(file)) for file in files) == len(pins(*files))


def test_the_locks_have_the_hashes_of_all_that_is_pinned_but_torch():
    assert pins("requirements/lock.txt") == pins(*RUN)
    pinned = pins(TEST)
    assert pins("requirements/lock-test.txt") == {name: pinned[name] for name in pinned if name != "torch"}
    assert pins("requirements/lock-build.txt") == {"setuptools": pins(*RUN)["setuptools"]}
    for file in ("requirements/lock.txt", "requirements/lock-test.txt", "requirements/lock-build.txt"):
        text = (ROOT / file).read_text().replace("\\\n", "")
        assert all(re.search(r"==\S+( ; [^-]+)? +--hash=sha256:[0-9a-f]{64}", line) for line in text.splitlines()), file


def test_the_demo_needs_no_pytorch():
    assert not {"torch", "safetensors", "onnx", "h5py", "pytest"} & set(pins(*RUN))
    assert "testable" not in make("--dry-run", "build", "VENV=/nowhere").stdout


def test_make_installs_nothing_unchecked_before_torch():
    installs = re.findall(r"pip install (.*)", (ROOT / "Makefile").read_text())
    assert [("--require-hashes" in line, line.split("-r ")[1].split()[0]) for line in installs] == [
        (True, "requirements/lock-build.txt"),
        (True, "requirements/lock.txt"),
        (True, "requirements/lock-test.txt"),
        (False, "requirements/test.txt"),
    ]


def test_what_is_installed_is_what_is_pinned():
    if sysconfig.get_path("purelib") != str(next((ROOT / ".venv" / "lib").glob("python3.*/site-packages"), "")):
        pytest.skip("not in the environment that make sets up")
    for name, version in pins("requirements.txt", "requirements/no-deps.txt", TEST).items():
        assert importlib.metadata.version(name).split("+")[0] == version, name


def test_the_lowest_versions_that_are_tested_are_those_that_setup_declares():
    declared = re.findall(r'"([a-z-]+)>=([\d.]+)"', (ROOT / "setup.py").read_text())
    lines = (ROOT / "requirements" / "lowest.txt").read_text().splitlines()
    tested = {
        name.lower(): version
        for name, _, version in PINNED.findall("\n".join(line for line in lines if '"3.12"' not in line))
    }
    assert {"numpy", "scipy", "opencv-python-headless"} < {name for name, _ in declared}
    for name, bound in declared:
        if name not in ("h5py", "onnx", "safetensors", "torch"):  # of the extra `lab`, which needs PyTorch
            assert f"{tested[name]}.".startswith(f"{bound}."), name


def test_nothing_brings_cuda_or_a_second_opencv():
    names = pins(*RUN, TEST)
    assert not [name for name in names if name.startswith(("nvidia", "cuda", "triton"))]
    assert [name for name in names if name.startswith("opencv")] == ["opencv-python-headless"]


def test_every_dependency_is_explained():
    explained = (ROOT / "docs" / "DEPENDENCIES.md").read_text().lower()
    for name in pins("requirements.txt", "requirements/no-deps.txt"):
        assert name in explained or re.sub(r"^(ros-ament-cmake|colcon)", "", name) in explained, name


def test_pip_and_citation_take_the_version_of_package_xml():
    version = ElementTree.parse(ROOT / "package.xml").getroot().findtext("version")  # noqa: S314 - our own file
    command = [sys.executable, "setup.py", "--version"]
    declared = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()[-1]
    assert declared == version
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == version


@pytest.mark.parametrize("version", ["3.9", "3.10", "3.15"])
def test_make_refuses_other_pythons_in_one_line(tmp_path, version):
    python = tmp_path / f"python{version}"
    python.write_text(f'#!/bin/sh\n[ "$1" = --version ] && echo "Python {version}.1" && exit\nexit 1\n')
    python.chmod(0o755)
    result = make("build", f"PYTHON={python}", f"VENV={tmp_path}/venv")
    assert result.returncode != 0
    assert re.search(rf"Python 3\.11 to 3\.14.*Python {version}\.1", result.stderr)
    assert not (tmp_path / "venv").exists()


def test_make_names_a_missing_compiler_in_one_line(tmp_path):
    for tool in ("sh", "cat", "cksum", "cut", "find", "sort", "test", "make"):
        found = next(path for folder in os.get_exec_path() if (path := Path(folder, tool)).exists())
        (tmp_path / tool).symlink_to(found)
    python = tmp_path / "python3"
    python.write_text("#!/bin/sh\nexit 0\n")
    python.chmod(0o755)
    result = make("build", f"PYTHON={python}", f"VENV={tmp_path}/venv", path=str(tmp_path))
    assert result.returncode != 0
    assert "gcc is missing: install it" in result.stderr


@pytest.mark.parametrize(("source", "limit"), [("synthetic", True), ("0", True), ("README.md", False)])
def test_the_demo_ends_after_20_s_unless_a_file_ends_by_itself(source, limit):
    commands = make("--dry-run", "demo", f"SOURCE={source}").stdout
    assert f'uplift run --source "{source}"' in commands
    assert ("--seconds 20" in commands) is limit


def test_help_lists_every_target():
    targets = re.search(r"^\.PHONY: (.*)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert targets is not None
    listed = make("help").stdout
    assert all(f"make {target} " in listed for target in targets[1].split())


def test_ci_runs_tests_and_lint_and_nothing_else():
    lines = (ROOT / ".ci" / "run").read_text().splitlines()
    assert [line for line in lines if line.startswith("make")] == ["make test", "make lint"]
    assert "set -euo pipefail" in lines
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_the_wheel_brings_code_command_and_shared_files(tmp_path):
    ignored = shutil.ignore_patterns(".*", "build", "out", "*.egg-info", "__pycache__")
    shutil.copytree(ROOT, tmp_path / "source", ignore=ignored)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "."]
    subprocess.run([*command, "--wheel-dir", str(tmp_path)], cwd=tmp_path / "source", check=True)
    with zipfile.ZipFile(next(tmp_path.glob("uplift_ros-*.whl"))) as wheel:
        names = wheel.namelist()
        entry_points = wheel.read(next(name for name in names if name.endswith("entry_points.txt"))).decode()
    assert "uplift = uplift_ros.cli:main" in entry_points
    for package in ("models", "streaming", "estimators", "messages", "offline", "bags", "sources", "lab/training"):
        assert f"uplift_ros/{package}/__init__.py" in names
    for file in ("config/uplift.yaml", "config/fastdds.xml", "launch/uplift.launch.py", "msg/Skeletons.msg"):
        assert any(name.endswith(f"/data/share/uplift_ros/{file}") for name in names), file
