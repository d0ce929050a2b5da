"""Installs the part that needs no ROS with pip; on a robot colcon builds the whole package from CMakeLists.txt.

Name, version and licence are read from package.xml, so that they are defined once.
"""

from pathlib import Path
from xml.etree import ElementTree

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
package = ElementTree.parse(ROOT / "package.xml").getroot()  # our own file  # noqa: S314  # nosec B314


def shared_files() -> list[tuple[str, list[str]]]:
    """Files below share/uplift_ros by folder, where `uplift_ros.paths` looks for them."""
    folders: dict[str, list[str]] = {}
    for top in ("config", "launch", "msg", "weights"):
        for path in sorted((ROOT / top).rglob("*")):
            if path.is_file():
                relative = path.relative_to(ROOT)
                folders.setdefault(f"share/uplift_ros/{relative.parent}", []).append(str(relative))
    return list(folders.items())


setup(
    name=package.findtext("name"),
    version=package.findtext("version"),
    license=package.findtext("license"),
    description=" ".join(package.findtext("description").split()),
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    packages=find_packages(include=["uplift_ros", "uplift_ros.*"]),
    data_files=shared_files(),
    entry_points={"console_scripts": ["uplift = uplift_ros.cli:main"]},
    python_requires=">=3.10",
    # Ranges; the versions that were tested together are pinned in requirements.txt.
    install_requires=[
        "ai-edge-litert>=1.2",
        "mcap>=1.6",
        "numpy>=1.21",
        "onnxruntime>=1.16",
        "opencv-python-headless>=4.5",
        "pyyaml>=6.0",
        "rich>=11.2",
        "rosbags>=0.11.6",
        "scipy>=1.8",
        "tqdm>=4.57",
        "zstandard>=0.17",
    ],
    extras_require={
        "lab": ["h5py>=3.8", "matplotlib>=3.5", "onnx>=1.15", "safetensors>=0.4", "torch>=2.9"]  # Muon: torch 2.9
    },
)
