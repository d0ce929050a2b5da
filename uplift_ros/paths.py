"""Paths of the files that are not Python modules: in the checkout, or in the installation."""

import os
import sys
from pathlib import Path

PACKAGE = Path(__file__).absolute().parent


def share_folder() -> Path:
    """Folder that holds config/, launch/, msg/ and weights/: the checkout, or share/uplift_ros.

    Raises:
        FileNotFoundError: the package was installed without them.
    """
    if (PACKAGE.parent / "package.xml").exists():
        return PACKAGE.parent
    for prefix in PACKAGE.parents:
        if (prefix / "share" / "uplift_ros" / "config").is_dir():
            return prefix / "share" / "uplift_ros"
    raise FileNotFoundError(f"no share/uplift_ros above {PACKAGE}: is uplift_ros installed?")


def shipped_weights(suffix: str) -> list[str]:
    """Names of the shipped networks that have a file with this suffix."""
    files = (share_folder() / "weights").glob(f"*{suffix}")
    return sorted({path.name.partition(".")[0] for path in files})


def find_weights(name: str, *suffixes: str) -> Path:
    """Path of a shipped network's file by name, or of the user's own file, with one of the suffixes.

    Raises:
        FileNotFoundError: neither; lists the shipped ones.
    """
    shipped = [share_folder() / "weights" / f"{name}{suffix}" for suffix in suffixes]
    for path in (*shipped, Path(name)):
        if path.suffix in suffixes and path.is_file():
            return path
    there = shipped_weights(suffixes[0])
    raise FileNotFoundError(f"model: no weights {name!r}; shipped are {there}, or give a {' or '.join(suffixes)} file")


def node_script(node: str) -> Path:
    """Path of the script that starts a node.

    Raises:
        FileNotFoundError: the package was not built.
    """
    return _installed(Path("lib") / "uplift_ros" / node)


def command_script() -> Path:
    """Path of the script of the command `uplift`, not of the node of this name.

    Raises:
        FileNotFoundError: the package was not built.
    """
    return _installed(Path("bin") / "uplift")


def _installed(script: Path) -> Path:
    sourced = [Path(prefix) for prefix in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if prefix]
    for prefix in (*PACKAGE.parents, *sourced, Path(sys.prefix)):
        if (prefix / script).is_file():
            return prefix / script
    raise FileNotFoundError(f"{script} is missing: build the package first (make build, or colcon build)")
