"""`make matrix`: the part without ROS on every Python that is installed, tested without PyTorch.

Python 3.10 is tested a second time, with the lowest versions (requirements/lowest.txt). Environments stay in
build/matrix.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from support.places import ROOT

VERSIONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
LOWEST = "3.10"
TESTS = ROOT / "test"
FOLDER = ROOT / "build" / "matrix"
TOOLS = ("pytest", "hypothesis", "zstandard", "matplotlib")
"""Beside the package itself: what its tests import, and what `uplift plot` needs."""

IGNORED = ("ros", "fuzz", "soak", "lab", "nodes")
"""Folders of tests that need ROS or PyTorch."""

NEEDS_TORCH = re.compile(
    r"\b(torch|onnx|safetensors|tiny)\b|support import .*keyframes|uplift_ros\.lab|models import .*weights"
    r"|models\.(uplift|synsp|weights)"
)
"""In the imports of a test."""


def interpreter(version: str) -> str | None:
    """Path of an installed Python, in the search path or of pyenv."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates = [shutil.which(f"python{version}"), *sorted(pyenv.glob(f"{version}.*/bin/python"))]
    for candidate in filter(None, candidates):
        asked = [str(candidate), "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
        answer = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
        if answer == version:
            return str(candidate)
    return None


def check(python: str, name: str, constraints: Path | None) -> str:
    """Install and test in an environment of its own; returns the result in a few words."""
    place = FOLDER / name
    subprocess.run([python, "-m", "venv", str(place)], check=True)
    pip = [str(place / "bin/pip"), "install", "--quiet", "--prefer-binary"]
    limits = ["-c", str(constraints)] if constraints else []
    # Without its dependencies, which it does not import: the oldest LiteRT would ask for a newer NumPy.
    requirements = [line for line in needed(place) if not line.startswith("ai-edge-litert")]
    for arguments in (
        [*limits, *requirements, *TOOLS],
        ["--no-deps", "ai-edge-litert"],
        ["--no-deps", "--force-reinstall", str(ROOT)],
    ):
        if subprocess.run([*pip, *arguments], check=False).returncode:
            return "cannot be installed"
    ignored = [f"--ignore={path}" for path in [*(TESTS / folder for folder in IGNORED), *tests_with_torch()]]
    command = [str(place / "bin/pytest"), "-p", "no:cacheprovider", *ignored, str(TESTS)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    tested = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    (FOLDER / f"{name}.log").write_text(tested.stdout + tested.stderr)
    *_, last = [line for line in tested.stdout.splitlines() if line.strip()] or ["nothing"]
    return re.sub(r" in [\d.]+s.*|=", "", last).strip()


def tests_with_torch() -> list[Path]:
    """Test files that cannot be imported without PyTorch."""
    imports = {path: path.read_text() for path in TESTS.rglob("test_*.py")}
    return [
        path
        for path, text in imports.items()
        if any(NEEDS_TORCH.search(line) for line in text.splitlines() if line.startswith(("import ", "from ")))
    ]


def needed(place: Path) -> list[str]:
    """Requirements of the package, as setup.py declares them."""
    code = "import setuptools, runpy; setuptools.setup = lambda **how: print(*how['install_requires'], sep='\\n');"
    command = [str(place / "bin/python"), "-c", f"{code} runpy.run_path('setup.py')"]
    subprocess.run([str(place / "bin/pip"), "install", "--quiet", "setuptools>=68,<80"], check=True)
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()


def main() -> int:
    results = {}
    for version in sys.argv[1:] or VERSIONS:
        python = interpreter(version)
        if python is None:
            results[version] = "skipped: not installed"
            continue
        results[version] = check(python, version, None)
        if version == LOWEST:
            results[f"{version}, lowest versions"] = check(python, "lowest", ROOT / "requirements" / "lowest.txt")
    for name, result in results.items():
        print(f"Python {name:22} {result}")
    return int(any("failed" in result or "error" in result or "cannot" in result for result in results.values()))


if __name__ == "__main__":
    sys.exit(main())
