"""Files that are there whole or not at all: whoever is killed while writing leaves the older one as it was."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Where to write a file: beside its path, which it takes in the end. After a failure there is nothing of it.

    Folders are made, symbolic links followed. The suffix is that of the path, which tells some writers the format.
    """
    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.stem}.partial{path.suffix}")
    try:
        yield beside
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """A file that any reader of JSON takes.

    Raises:
        ValueError: a number is not finite; there is no such number in JSON.
    """
    text = json.dumps(value, indent=1, allow_nan=False) + "\n"
    with atomic_write(path) as beside:
        beside.write_text(text)


ZSTD = b"\x28\xb5\x2f\xfd"

BAG_MAGIC = {b"\x89MCAP0\r\n": "mcap", b"SQLite format 3\0": "sqlite3", b"#ROSBAG V": "ros1", ZSTD: "zstd"}
"""First bytes of the files that bags are made of."""


def bag_kind(path: Path) -> str | None:
    """What file of a bag a file is by its first bytes: a value of BAG_MAGIC ('zstd' is a compressed one), or None."""
    with path.open("rb") as file:
        head = file.read(16)
    return next((kind for magic, kind in BAG_MAGIC.items() if head.startswith(magic)), None)
