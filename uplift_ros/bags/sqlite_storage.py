"""Reads SQLite (.db3) files."""

import sqlite3
from collections.abc import Collection, Iterator
from functools import partial
from pathlib import Path
from urllib.parse import quote

from uplift_ros.bags.storage import Channel, Damage, Raw, Report, StorageError, parse_offered_qos

JOURNALS = ("-wal", "-journal")
"""Suffixes of the files in which SQLite keeps transactions that it has not finished."""


class SqliteStorage:
    """SQLite (.db3) file of any version of rosbag2."""

    def __init__(self, path: Path, report: Report) -> None:
        for suffix in JOURNALS:
            journal = path.with_name(path.name + suffix)
            if journal.exists() and journal.stat().st_size:
                report(Damage(f"the recording was interrupted: messages in {journal.name} are not read", is_end=True))
        # Opened by the main thread and read by the threads of stages, one at a time.
        address = f"file:{quote(str(path.absolute()))}?immutable=1"
        self._database = sqlite3.connect(address, uri=True, check_same_thread=False)
        self._database.text_factory = partial(str, encoding="utf-8", errors="replace")  # damaged text raises no error
        self._report = report
        try:
            self._open()
        except Exception:
            self.close()
            raise

    def _open(self) -> None:
        execute = self._database.execute
        columns = {row[1] for row in execute("PRAGMA table_info(topics)")}
        if not columns:
            raise StorageError("a database without the tables of rosbag2")
        definitions = {}
        if list(execute("PRAGMA table_info(message_definitions)")):
            rows = execute(
                "SELECT topic_type, encoded_message_definition, encoding FROM message_definitions "
                "WHERE encoding IN ('ros2msg', 'ros2idl')"
            )
            definitions = {name: (text, encoding) for name, text, encoding in rows}
        counts = dict(execute("SELECT topic_id, count(*) FROM messages GROUP BY topic_id"))
        offered = "offered_qos_profiles" if "offered_qos_profiles" in columns else "''"
        self.channels = []
        for id_, topic, msgtype, encoding, qos in execute(
            f"SELECT id, name, type, serialization_format, {offered} FROM topics ORDER BY id"  # one of two  # noqa: S608
        ):
            definition, text_format = definitions.get(msgtype, ("", ""))
            offers, count = parse_offered_qos(qos), counts.get(id_, 0)
            self.channels.append(Channel(id_, topic, msgtype, definition, text_format, encoding, count, offers))
        self.start, self.end = execute(
            "SELECT coalesce(min(timestamp), 0), coalesce(max(timestamp), 0) FROM messages "
            "WHERE typeof(timestamp) = 'integer' AND timestamp >= 0"
        ).fetchone()

    def messages(self, channels: Collection[Channel], start: int | None) -> Iterator[Raw]:
        wanted = {channel.id: channel for channel in channels}
        marks = ",".join("?" * len(wanted))
        query = (
            f"SELECT id, topic_id, timestamp, data FROM messages WHERE topic_id IN ({marks}) "  # noqa: S608
            "AND timestamp >= ? ORDER BY timestamp, id"
        )
        since = -(2**63) if start is None else start
        for row, id_, log_time, data in self._database.execute(query, [*wanted, since]):
            # SQLite stores a value of any type in any column.
            if isinstance(log_time, int) and log_time >= 0 and isinstance(data, bytes):
                yield wanted[id_], log_time, data
            else:
                self._report(Damage(f"row {row} of the messages is damaged"))

    def close(self) -> None:
        self._database.close()
