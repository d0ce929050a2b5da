"""`make matrix`: a fresh installation on every Python that is installed, from the ranges of setup.py; needs uv.

Each version runs the tests that need neither ROS nor PyTorch, that of `uplift process` with the shipped networks among
them, and then, where ROS 2 Kilted has wheels, the graph of `make demo`. Versions for which requirements/lowest.txt has
pins run the tests a second time with those, and that of ROS 2 Jazzy also the graph, on its wheels. Copies of the
checkout, environments and logs stay in build/matrix.

Environment: MATRIX, another folder than build/matrix; TESTS, folders or files to test instead of all.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from support.places import ROOT

VERSIONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
FOLDER = Path(os.environ.get("MATRIX") or ROOT / "build" / "matrix").absolute()
LOWEST = ROOT / "requirements" / "lowest.txt"
JAZZY, JAZZY_PYTHON = "requirements/jazzy.txt", "3.12"
SECONDS = 10
"""Of the graph's run."""

TOOLS = ("pytest", "hypothesis", "zstandard", "matplotlib", "setuptools>=68,<80", "wheel")
"""What the tests import, or start, beside the package and its requirements."""


TESTS = os.environ.get("TESTS", "test").split()
"""Folders or files to test."""

LEFT_OUT = (
    "fuzz",
    "ros",
    "soak",
    "test_architecture.py",
    "test_docs.py",
    "test_no_foreign_code.py",
    "test_packaging.py",
)
"""Tests of the graph, tests that take long, and tests of the checkout that no version of a library changes."""


class StepError(Exception):
    """A step of the matrix failed."""


class Installation:
    """A copy of the checkout with an environment beside it.

    Attributes:
        folder: of both, and of the log of every step.
        source: copy of the checkout, without what was built there.
        venv: the environment.
    """

    def __init__(self, python: str, name: str) -> None:
        self.folder = FOLDER / name.replace(" ", "-")
        self.source = self.folder / "source"
        self.venv = self.folder / "venv"
        shutil.rmtree(self.folder, ignore_errors=True)
        ignored = shutil.ignore_patterns(
            ".git", ".venv", ".*_cache", ".hypothesis", "build", "out", "*.egg-info", "__pycache__"
        )
        shutil.copytree(ROOT, self.source, ignore=ignored)
        self.run("venv", "uv", "venv", "--seed", "--python", python, str(self.venv))

    def run(self, step: str, *command: str) -> str:
        """Run a command in the copy, and return what it prints.

        Raises:
            StepError: with the last line that it printed.
        """
        of_make = ("MAKEFLAGS", "MAKELEVEL", "AMENT_PREFIX_PATH")
        environment = {name: value for name, value in os.environ.items() if name not in of_make}
        environment |= {"OMP_NUM_THREADS": "1", "PYTHONPATH": "test"}
        log = self.folder / f"{step}.log"
        with log.open("w") as file:
            code = subprocess.run(
                command, cwd=self.source, env=environment, stdout=file, stderr=file, check=False
            ).returncode
        if code:
            raise StepError(f"{step} FAILED: {last_line(log.read_text())} ({log})")
        return log.read_text()

    def script(self, name: str) -> str:
        """Path of a script of the environment."""
        return str(self.venv / "bin" / name)

    def install(self, step: str, *arguments: str) -> None:
        self.run(step, "uv", "pip", "install", "--python", str(self.venv), *arguments)


def check(python: str, name: str, limits: list[str]) -> Iterator[str]:
    """Install and test; yields the result of every part in a few words."""
    fresh = Installation(python, name)
    fresh.install("install-tools", *limits, *TOOLS)
    needed = requirements(fresh)
    # The interpreter of LiteRT imports NumPy alone, and works with an older one than it declares.
    alone = [line for line in needed if distribution(line) == "ai-edge-litert"]
    fresh.install("install-requirements", *limits, *(line for line in needed if line not in alone))
    fresh.install("install-litert", *limits, "--no-deps", *alone)
    fresh.install("install-package", "--no-deps", "--no-build-isolation", ".")
    fresh.run("models", fresh.script("uplift"), "models")
    left_out = [f"--ignore=test/{folder}" for folder in LEFT_OUT]
    tested = fresh.run("tests", fresh.script("pytest"), "-p", "support.without_torch", *left_out, *TESTS)
    yield re.sub(r" in [\d.]+s.*|=", "", last_line(tested)).strip()
    installed = {distribution(line) for line in needed}
    if not limits:
        constraints = fresh.folder / "ros.txt"
        kilted = (line for line in pins("requirements/constraints.txt") if line.startswith("ros-"))
        constraints.write_text("\n".join(kilted))
        yield graph(fresh, installed, "kilted", "requirements.txt", ["-c", str(constraints)])
    elif name.startswith(JAZZY_PYTHON):
        yield graph(fresh, installed, "jazzy", JAZZY, limits)


def graph(fresh: Installation, installed: set[str], ros_distribution: str, file: str, limits: list[str]) -> str:
    """Run `make demo` on the ROS wheels that a file pins, with everything else as it is installed."""
    ros, colcon = (
        [line for line in pins(pinned) if distribution(line) not in installed]
        for pinned in (file, "requirements/no-deps.txt")
    )
    try:
        fresh.install("install-ros", *limits, *ros)
    except StepError as error:
        if "ros-" in str(error) and "no wheels" in str(error):
            return "no graph: ROS 2 has no wheels for it"
        raise
    fresh.install("install-colcon", "--no-deps", *colcon)
    fresh.run("uninstall", "uv", "pip", "uninstall", "--python", str(fresh.venv), "uplift_ros")  # make builds it
    made = (f"VENV={fresh.venv}", f"INSTALLED={fresh.venv / 'pyvenv.cfg'}")
    fresh.run("graph", "env", f"ROS_DISTRO={ros_distribution}", "make", "demo", f"DURATION={SECONDS}", *made)
    summary = json.loads((fresh.source / "out" / "summary.json").read_text())
    if not summary["keyframes"] or not summary["refined"]:
        raise StepError(f"graph FAILED: {summary['keyframes']} key-frames, {summary['refined']} refined skeletons")
    return (
        f"graph on ROS 2 {ros_distribution}: {summary['keyframes']} key-frames, {summary['refined']} skeletons, "
        f"P-MPJPE {summary['p_mpjpe_mm']['refined']:.0f} mm"
    )


def requirements(fresh: Installation) -> list[str]:
    """Requirements of the package, as setup.py declares them."""
    code = "import setuptools, runpy; setuptools.setup = lambda **how: print(*how['install_requires'], sep='\\n');"
    return fresh.run("requirements", fresh.script("python"), "-c", f"{code} runpy.run_path('setup.py')").split()


def pins(file: str) -> list[str]:
    """Requirements that a file lists."""
    return re.findall(r"^[A-Za-z]\S+", (ROOT / file).read_text(), re.MULTILINE)


def distribution(requirement: str) -> str:
    """Normalised name of what a line requires."""
    return re.split(r"[^a-z0-9._-]", requirement.lower())[0]


def last_line(text: str) -> str:
    *_, last = [line for line in text.splitlines() if line.strip()] or ["nothing was printed"]
    return last


def interpreter(version: str) -> str | None:
    """Path of an installed Python, in the search path or of pyenv."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates = [*sorted(pyenv.glob(f"{version}.*/bin/python")), shutil.which(f"python{version}")]
    for candidate in filter(None, candidates):
        asked = [str(candidate), "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
        answer = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
        if answer == version:
            return str(candidate)
    return None


def main() -> int:
    results = [passed for version in sys.argv[1:] or VERSIONS for passed in check_version(version)]
    return int(not all(results))


def check_version(version: str) -> Iterator[bool]:
    """Check one version of Python, with the newest requirements and the lowest; yields what passed."""
    python = interpreter(version)
    if python is None:
        print(f"Python {version}: skipped, it is not installed", flush=True)
        return
    yield report(python, version, [])
    if f'python_version == "{version}"' in LOWEST.read_text():
        yield report(python, f"{version} lowest", ["-c", str(LOWEST)])


def report(python: str, name: str, limits: list[str]) -> bool:
    """Print the result of every part; returns whether all passed."""
    try:
        for result in check(python, name, limits):
            print(f"Python {name}: {result}", flush=True)
    except StepError as error:
        print(f"Python {name}: {error}", flush=True)
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
