"""Databases of rosbag2."""

import shutil
import sqlite3

import pytest
from support.text_bags import texts, write_texts

from uplift_ros.bags.reader import BagError, BagReader
from uplift_ros.bags.recover import recover


def test_a_database_that_was_not_closed_is_not_read_without_its_last_messages(tmp_path):
    path = write_texts(tmp_path / "run", storage="sqlite3") / "run.db3"
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("UPDATE messages SET timestamp = 7 WHERE timestamp = 4")
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in path.parent.glob("run.db3*"):  # as it is after a kill
        shutil.copy(file, copy / file.name)
    database.close()
    with pytest.raises(BagError, match=r"run\.db3-wal.*uplift recover"):
        BagReader(copy)
    recover(copy, tmp_path / "whole.mcap")
    assert [time for time, _ in texts(tmp_path / "whole.mcap")] == [0, 1, 2, 3, 7]


@pytest.mark.parametrize(
    "change", ["data = 'text'", "data = CAST(x'41ff' AS TEXT)", "data = 7", "timestamp = 'soon'", "timestamp = -5"]
)
def test_a_damaged_row_is_refused_or_skipped_and_named(tmp_path, change):
    path = write_texts(tmp_path / "run", storage="sqlite3") / "run.db3"
    with sqlite3.connect(path) as database:
        database.execute(f"UPDATE messages SET {change} WHERE timestamp = 2")  # one of the above  # noqa: S608
    database.close()
    with pytest.raises(BagError, match=r"run\.db3.* row 3 .*uplift recover"):
        texts(path)
    recovered = recover(path, tmp_path / "whole.mcap")
    (damage,) = recovered.damage
    assert damage.text.startswith("run.db3: row 3 ")
    assert [time for time, _ in texts(tmp_path / "whole.mcap")] == [0, 1, 3, 4]
