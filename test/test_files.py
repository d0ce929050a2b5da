import json
from pathlib import Path

import pytest

from uplift_ros.files import atomic_write, write_json


def test_a_file_appears_when_it_is_whole(tmp_path: Path):
    path = tmp_path / "out" / "result.txt"
    with atomic_write(path) as beside:
        beside.write_text("all of it")
        assert not path.exists()
        assert (beside.parent, beside.suffix) == (path.parent, path.suffix)
    assert path.read_text() == "all of it"
    assert list(path.parent.iterdir()) == [path]


def test_a_failure_leaves_the_older_file_and_nothing_else(tmp_path: Path):
    path = tmp_path / "result.txt"
    path.write_text("older")

    def fail_halfway() -> None:
        with atomic_write(path) as beside:
            beside.write_text("hal")
            raise RuntimeError("halfway")

    with pytest.raises(RuntimeError, match="halfway"):
        fail_halfway()
    assert path.read_text() == "older"
    assert list(tmp_path.iterdir()) == [path]


def test_a_symbolic_link_stays_one(tmp_path: Path):
    target, link = tmp_path / "target.txt", tmp_path / "link.txt"
    link.symlink_to(target)
    with atomic_write(link) as beside:
        beside.write_text("new")
    assert link.is_symlink()
    assert target.read_text() == "new"


def test_what_is_no_number_in_json_is_refused_and_the_older_file_stays(tmp_path: Path):
    write_json(tmp_path / "rows.json", 1.5)
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "rows.json", float("nan"))
    assert json.loads((tmp_path / "rows.json").read_text()) == 1.5


def test_json_is_indented_and_ends_its_last_line(tmp_path: Path):
    write_json(tmp_path / "rows.json", [{"mpjpe": 1.5}])
    text = (tmp_path / "rows.json").read_text()
    assert json.loads(text) == [{"mpjpe": 1.5}]
    assert text.endswith("]\n")
    assert "\n " in text
