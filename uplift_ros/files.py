"""Atomic writing of files: an interrupted writer leaves the previous file unchanged."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a temporary path to write to, which is renamed to `path` at the end; after a failure it is deleted.

    Folders are created, symbolic links followed. The suffix is that of `path`, because some writers derive the format.
    """
    path = Path(os.path.realpath(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.stem}.partial{path.suffix}")
    try:
        yield beside
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write a value as standard JSON.

    Raises:
        ValueError: a number is not finite, which JSON cannot express.
    """
    text = json.dumps(value, indent=1, allow_nan=False) + "\n"
    with atomic_write(path) as beside:
        beside.write_text(text)


ZSTD = b"\x28\xb5\x2f\xfd"

BAG_MAGIC = {b"\x89MCAP0\r\n": "mcap", b"SQLite format 3\0": "sqlite3", b"#ROSBAG V": "ros1", ZSTD: "zstd"}
"""Format of a bag file by its first bytes."""


def bag_kind(path: Path) -> str | None:
    """Detect the format of a bag file by its first bytes: a value of BAG_MAGIC ('zstd' is compressed), or None."""
    with path.open("rb") as file:
        head = file.read(16)
    return next((kind for magic, kind in BAG_MAGIC.items() if head.startswith(magic)), None)
