"""Network files of BlazePose: search paths, and the download of `uplift models`, with verified hashes.

The package does not contain them. They are part of two released packages (both Apache-2.0), which are downloaded once,
unpacked and not installed: MediaPipe's wheel 0.10.14, the last one with networks inside, and npm's @mediapipe/pose.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from uplift_ros.files import atomic_write

WHEEL = "mediapipe==0.10.14"
NPM_PACKAGE = "@mediapipe/pose@0.5.1675469404"
MODELS = ("lite", "full", "heavy")
AUTO = "auto"
"""The heavy network if its file exists, and the full one for quick estimates. `heavy` takes twice as long; on a real
person, stride 20 with it is as accurate as stride 10 with `full`, and stride 10 more accurate than stride 4."""


class NetworkFile(NamedTuple):
    """Attributes: sha256; member, its path in the package; from_wheel, in WHEEL instead of NPM_PACKAGE."""

    sha256: str
    member: str
    from_wheel: bool


FILES = {
    "pose_detection.tflite": NetworkFile(
        "9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c",
        "mediapipe/modules/pose_detection/pose_detection.tflite",
        from_wheel=True,
    ),
    "pose_landmark_lite.tflite": NetworkFile(
        "f17bfbecadb61c3be1baa8b8d851cc6619c870a87167b32848ad20db306b9d61",
        "package/pose_landmark_lite.tflite",
        from_wheel=False,
    ),
    "pose_landmark_full.tflite": NetworkFile(
        "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
        "mediapipe/modules/pose_landmark/pose_landmark_full.tflite",
        from_wheel=True,
    ),
    "pose_landmark_heavy.tflite": NetworkFile(
        "59e42d71bcd44cbdbabc419f0ff76686595fd265419566bd4009ef703ea8e1fe",
        "package/pose_landmark_heavy.tflite",
        from_wheel=False,
    ),
}


class Located(NamedTuple):
    """Paths of the detector, the landmark network, and the landmark network for quick estimates."""

    detector: Path
    landmarks: Path
    quick: Path


def names_of(model: str) -> tuple[str, str]:
    """File names of the detector and the landmark network."""
    return "pose_detection.tflite", f"pose_landmark_{model}.tflite"


def user_folder() -> Path:
    """Folder of the files of `uplift models` (XDG base directory specification)."""
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "uplift_ros" / "blazepose"


def locate(model: str, model_path: str = "") -> Located:
    """Find the network files.

    Args:
        model: one of MODELS, or AUTO.
        model_path: folder that holds them; empty looks in `user_folder` and in an installed MediaPipe wheel.

    Raises:
        ValueError: a file is missing, or is not the released one; names the parameter.
    """
    models = [model]
    if model == AUTO:
        models = [name for name in ("heavy", "full") if _is_there(names_of(name)[1], model_path)] or ["full"]
    detector = _find(names_of(models[0])[0], models[0], model_path)
    landmarks = [_find(names_of(name)[1], name, model_path) for name in models]
    return Located(detector, landmarks[0], landmarks[-1])


def _is_there(name: str, model_path: str) -> bool:
    return any(place.is_file() for place in _places(name, model_path))


def _places(name: str, model_path: str) -> list[Path]:
    """Paths at which a file may be, in order of preference."""
    if model_path:
        return [Path(model_path) / name]
    mediapipe = find_spec("mediapipe")
    wheel = (mediapipe.submodule_search_locations or []) if mediapipe else []
    return [user_folder() / name, *(Path(folder).parent / FILES[name].member for folder in wheel)]


def _find(name: str, model: str, model_path: str) -> Path:
    places = _places(name, model_path)
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        raise ValueError(
            f"model_path: {name} is not in {places[0].parent}: run `uplift models {model}`, or name the folder with it"
        )
    if _sha256(path.read_bytes()) != FILES[name].sha256:
        raise ValueError(f"model_path: {path} is not the released {name} (another SHA-256)")
    return path


def fetch(model: str, folder: Path) -> list[Path]:
    """Download the missing files of a model; returns those that were written.

    Raises:
        OSError: pip or npm is missing or fails, or a file has another hash than the released one.
    """
    missing = [name for name in names_of(model) if not _is_released(folder / name)]
    written = []
    for from_wheel in (True, False):
        names = [name for name in missing if FILES[name].from_wheel == from_wheel]
        if not names:
            continue
        with tempfile.TemporaryDirectory() as downloads:
            contents = _members(_download(Path(downloads), from_wheel), [FILES[name].member for name in names])
        for name, content in zip(names, contents, strict=True):
            if _sha256(content) != FILES[name].sha256:
                raise OSError(f"{name} is not the released file (another SHA-256), nothing written")
            with atomic_write(folder / name) as partial:
                partial.write_bytes(content)
            written.append(folder / name)
    return written


def _download(folder: Path, from_wheel: bool) -> Path:
    """Download the package file of one platform: the networks in it are the same for all."""
    package = WHEEL if from_wheel else NPM_PACKAGE
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    pip += ["--only-binary=:all:", "--python-version", "3.11", "--platform", "manylinux2014_x86_64"]
    npm = ["npm", "pack", "--silent", "--pack-destination"]
    command = [*pip, "--dest", str(folder), package] if from_wheel else [*npm, str(folder), package]
    tool = "pip" if from_wheel else "npm"
    if shutil.which(command[0]) is None:
        raise OSError(f"{package} is downloaded by {tool}, which is not installed")
    finished = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if finished.returncode:
        last = (finished.stderr.strip().splitlines() or ["no message"])[-1]
        raise OSError(f"{tool} cannot download {package}: {last}")
    return next(folder.iterdir())


def _members(archive: Path, names: list[str]) -> list[bytes]:
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            return [wheel.read(name) for name in names]
    with tarfile.open(archive) as package:
        return [member.read() for name in names if (member := package.extractfile(name))]


def _is_released(path: Path) -> bool:
    return path.is_file() and _sha256(path.read_bytes()) == FILES[path.name].sha256


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "model", nargs="*", metavar="{lite,full,heavy}", help="default: full, and heavy if npm can download it"
    )
    parser.add_argument("--folder", type=Path, default=user_folder(), help="where to write them (default: %(default)s)")


def main(arguments: argparse.Namespace) -> int:
    for model in arguments.model or ["full", "heavy"]:
        if model not in MODELS:
            raise ValueError(f"model must be one of {', '.join(MODELS)}, got {model!r}")
        try:
            written = fetch(model, arguments.folder)
        except OSError as error:
            if arguments.model or model != "heavy":
                raise
            print(f"heavy is left out: {error}", file=sys.stderr)
            continue
        for path in written:
            print(f"wrote {path}")
        if not written:
            print(f"exists, skipping: {model} in {arguments.folder}")
    return 0
