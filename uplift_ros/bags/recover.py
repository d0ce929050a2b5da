"""`uplift recover`: make a complete bag of what is readable in a truncated or damaged one.

Exit code: 0, also if the end of the recording is missing; 3 if parts before its end are missing; 1 if nothing is left.
"""

import argparse
import sqlite3
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from uplift_ros.bags.reader import INCOMPLETE, BagError, BagReader, Topic
from uplift_ros.bags.storage import CDR, Damage
from uplift_ros.bags.writer import BagWriter, set_aside, unfinished
from uplift_ros.files import bag_kind
from uplift_ros.settings import path


@dataclass(frozen=True)
class Recovered:
    """Content of the recovered bag.

    Attributes:
        counts: number of messages by topic.
        damage: what is missing.
    """

    counts: dict[str, int]
    damage: list[Damage]


def recover(source: Path, output: Path) -> Recovered:
    """Copy the readable messages of a recording to a new bag.

    Args:
        source: bag that `BagReader` reads, or the folder `*.partial` that `uplift record` left. The folder is renamed
            if it is in the place where the output is written; a database loses its unfinished transaction.
        output: new bag, a single .mcap file or a folder, of SQLite if the recording is; an existing one is not
            replaced.

    Raises:
        BagError: nothing can be recovered, or the output cannot be written.
    """
    if not source.exists():
        raise BagError(f"recording {source} does not exist")
    if output.exists():
        raise BagError(f"bag {output} exists already")
    place = _recording(_out_of_the_way(source, unfinished(output)))
    databases = [file for file in _files(place) if bag_kind(file) == "sqlite3" or file.suffix == ".db3"]
    for file in databases:
        _roll_back(file)
    with (
        BagReader(place, skip_damaged=True) as bag,
        BagWriter(output, "sqlite3" if databases and output.suffix != ".mcap" else "mcap") as writer,
    ):
        lost = [lost for topic in bag.topics.values() for lost in _add(topic, bag, writer)]
        for name, log_time, data in bag.raw(writer.counts):
            writer.write_raw(name, log_time, data)
        return Recovered(writer.counts, [*bag.damage, *lost])


def _add(topic: Topic, bag: BagReader, writer: BagWriter) -> list[Damage]:
    """Add a topic to the new bag; returns what cannot be copied of it."""
    reason, count = "", topic.count
    if topic.encoding != CDR:
        reason = f"encoded as {topic.encoding!r}"
    else:
        try:
            writer.add_topic(topic.name, topic.msgtype, topic.qos, bag.definitions(topic.msgtype))
        except BagError as error:
            reason = str(error)
        else:
            reason, count = f"not of the type {topic.msgtype}", topic.counts.total() - topic.count
    return [Damage(f"{topic.name}: {count} messages are not copied: {reason}")] if count else []


def _out_of_the_way(source: Path, workplace: Path) -> Path:
    """Rename a truncated recording in `workplace`, which the writer empties; returns the new path of the source."""
    if not workplace.exists():
        return source
    source, workplace = source.resolve(), workplace.resolve()
    aside = set_aside(workplace)
    return aside / source.relative_to(workplace) if source.is_relative_to(workplace) else source


def _recording(source: Path) -> Path:
    """Find the bag: the source, or the only folder inside with files of a bag."""
    folders = {file.parent for file in source.rglob("*") if file.is_file() and bag_kind(file)}
    if source.is_dir() and len(folders) != 1:
        raise BagError(f"{source} must be a bag (.mcap, .db3...) or a folder with one, got {len(folders)} of them")
    return folders.pop() if folders else source


def _files(place: Path) -> list[Path]:
    return [file for file in place.iterdir() if file.is_file()] if place.is_dir() else [place]


def _roll_back(path: Path) -> None:
    """Undo the unfinished transaction of a database, and complete those that are finished.

    Raises:
        BagError: the file is not a database, or cannot be written.
    """
    try:
        with closing(sqlite3.connect(path)) as database:
            database.execute("SELECT count(*) FROM messages")
    except sqlite3.Error as error:
        raise BagError(f"bag {path} cannot be saved: {error}") from error


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recording", type=path, help="folder *.partial, folder of a bag, or its file, also compressed")
    parser.add_argument("-o", "--out", type=path, required=True, help="new bag: an .mcap file or a folder")


def main(args: argparse.Namespace) -> int:
    """Recover one recording; print the messages by topic, and what is missing."""
    recovered = recover(args.recording, args.out)
    for topic, count in sorted(recovered.counts.items()):
        print(f"{count:8d}  {topic}")
    for damage in recovered.damage:
        print(f"{args.recording}: {damage.text}", file=sys.stderr)
    if not any(recovered.counts.values()):
        print(f"{args.recording}: no message could be recovered", file=sys.stderr)
        return 1
    return 0 if all(damage.is_end for damage in recovered.damage) else INCOMPLETE
