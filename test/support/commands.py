"""Commands of `uplift` that write rows."""

import json
from pathlib import Path
from typing import Any

from uplift_ros import cli


def rows_of(folder: Path, *arguments: object) -> list[dict[str, Any]]:
    """Run a command; return the rows of its --json, rows.json in `folder`."""
    path = folder / "rows.json"
    assert cli.main([*map(str, arguments), "--json", str(path)]) == 0
    return json.loads(path.read_text())
