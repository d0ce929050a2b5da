"""Where the parts lie that are no Python modules: in the checkout, or in the installation."""

import os
import sys
from pathlib import Path

PACKAGE = Path(__file__).absolute().parent


def share_folder() -> Path:
    """The folder that holds config/, launch/, msg/ and weights/: the checkout, or share/uplift_ros.

    Raises:
        FileNotFoundError: the package was installed without them.
    """
    if (PACKAGE.parent / "package.xml").exists():
        return PACKAGE.parent
    for prefix in PACKAGE.parents:
        if (prefix / "share" / "uplift_ros" / "config").is_dir():
            return prefix / "share" / "uplift_ros"
    raise FileNotFoundError(f"no share/uplift_ros above {PACKAGE}: is uplift_ros installed?")


def executable(name: str) -> Path:
    """The script of a node, or the command `uplift`, in the ROS installation of this package.

    Raises:
        FileNotFoundError: the package was not built.
    """
    sourced = [Path(prefix) for prefix in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if prefix]
    folder = Path("bin") if name == "uplift" else Path("lib") / "uplift_ros"
    for prefix in (*PACKAGE.parents, *sourced, Path(sys.prefix)):
        if (prefix / folder / name).is_file():
            return prefix / folder / name
    raise FileNotFoundError(f"{folder / name} is missing: build the package first (make build, or colcon build)")
