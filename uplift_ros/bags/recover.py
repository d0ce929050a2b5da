"""`uplift recover`: make a complete bag from a truncated recording, up to its last second."""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

from uplift_ros.bags.reader import SUFFIXES, BagError, BagReader
from uplift_ros.bags.salvage import ChannelRecord, CorruptionError, roll_back, salvage
from uplift_ros.bags.writer import BagWriter, set_aside, unfinished


@dataclass(frozen=True)
class Recovered:
    """Content of the recovered bag.

    Attributes:
        counts: number of messages by topic.
        damage: why nothing after these messages could be read; empty if the recording was only truncated.
    """

    counts: dict[str, int]
    damage: str = ""


def recover(source: Path, output: Path) -> Recovered:
    """Copy the readable messages of a recording to a new bag.

    Args:
        source: .mcap or .db3 file, or the folder `*.partial` that `uplift record` left. Its content is not changed; the
            folder is renamed if it is in the place where the output is written.
        output: new bag of the same storage, a folder or a single .mcap file; an existing one is not replaced.

    Raises:
        BagError: nothing can be recovered, or the output cannot be written.
    """
    if not source.exists():
        raise BagError(f"recording {source} does not exist")
    if output.exists():
        raise BagError(f"bag {output} exists already")
    file = _recording(_out_of_the_way(source, unfinished(output)))
    if file.suffix == ".db3":
        return _copy_database(file, output)
    with BagWriter(output) as writer:
        try:
            for record in salvage(file):
                if not isinstance(record, ChannelRecord):
                    writer.write_raw(record.topic, record.log_time, record.data)
                elif record.topic not in writer.counts:  # other recorders write one channel per publisher
                    writer.add_topic(record.topic, record.msgtype, record.qos, record.definitions)
        except CorruptionError as error:
            return Recovered(writer.counts, str(error))
        return Recovered(writer.counts)


def _out_of_the_way(source: Path, workplace: Path) -> Path:
    """Rename a truncated recording in `workplace`, which the writer empties; returns the new path of the source."""
    if not workplace.exists():
        return source
    source, workplace = source.resolve(), workplace.resolve()
    aside = set_aside(workplace)
    return aside / source.relative_to(workplace) if source.is_relative_to(workplace) else source


def _copy_database(file: Path, output: Path) -> Recovered:
    roll_back(file)
    with BagReader(file) as bag, BagWriter(output, "sqlite3") as writer:
        for topic in bag.topics.values():
            writer.add_topic(topic.name, topic.msgtype, topic.qos, bag.definitions(topic.msgtype))
        for name, log_time, data in bag.raw():
            writer.write_raw(name, log_time, data)
        return Recovered(writer.counts)


def _recording(source: Path) -> Path:
    """Find the file with the messages."""
    inside = source.rglob("*") if source.is_dir() else [source]
    files = [path for path in inside if path.suffix in SUFFIXES and path.is_file()]
    if len(files) != 1:
        raise BagError(f"{source} must be an .mcap, a .db3, or a folder with one of them, got {len(files)}")
    return files[0]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recording", type=Path, help="folder *.partial, or the .mcap or .db3 file in it")
    parser.add_argument("-o", "--out", type=Path, required=True, help="new bag: an .mcap file or a folder")


def main(args: argparse.Namespace) -> int:
    """Recover one recording and print the messages by topic."""
    recovered = recover(args.recording, args.out)
    for topic, count in sorted(recovered.counts.items()):
        print(f"{count:8d}  {topic}")
    if recovered.damage:
        print(f"{args.recording}: damaged, nothing after these could be read: {recovered.damage}", file=sys.stderr)
    if not any(recovered.counts.values()):
        print(f"{args.recording}: no message was whole", file=sys.stderr)
        return 1
    return 0
