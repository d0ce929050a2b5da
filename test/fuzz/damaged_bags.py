"""MCAP files of all layouts that are damaged or cut off, and read as far as they are whole."""

import io
from collections import Counter
from contextlib import suppress
from pathlib import Path
from random import Random

from fuzz.mutation import damaged
from fuzz.target import Target, naming, promise
from mcap.writer import CompressionType, IndexType
from mcap.writer import Writer as McapWriter
from support.text_bags import STRING, cdr

from uplift_ros.bags.reader import BagError, BagReader, read
from uplift_ros.bags.recover import recover

TOPICS = ("/text", "/other", "/foreign")
TIMES = (0, 1, 2, 10, 2 * 10**9, 10**12, 2**62)

Written = Counter[tuple[str, int, bytes]]
"""Topic, log time and bytes of every message that can be read."""


def targets(folder: Path) -> list[Target]:
    return [Target("damage", lambda random: written(random), readable(folder / "damaged.mcap"), 2)]


def written(random: Random) -> tuple[bytes, Written, bool]:
    """A file, what was written, and whether it has checksums of all messages."""
    stream, messages, has_checksums = io.BytesIO(), Counter[tuple[str, int, bytes]](), random.random() < 0.7
    options = {
        "chunk_size": random.choice((1, 200, 1000, 10**6)),
        "compression": random.choice(list(CompressionType)),
        "index_types": random.choice((IndexType.ALL, IndexType.NONE, IndexType.CHUNK, IndexType.MESSAGE)),
        "use_chunking": has_checksums or random.random() < 0.5,
        "use_statistics": random.random() < 0.7,
        "repeat_channels": random.random() < 0.7,
        "repeat_schemas": random.random() < 0.7,
        "enable_crcs": has_checksums,
    }
    writer = McapWriter(stream, **options)
    writer.start("ros2")
    schema = writer.register_schema(STRING, "ros2msg", b"string data")
    channels = [writer.register_channel(topic, "cdr" if topic != "/foreign" else "json", schema) for topic in TOPICS]
    for number in range(random.choice((0, 1, 20))):
        place, time = random.randrange(3), random.choice(TIMES) + random.randrange(5)
        data = cdr(f"{number}" * random.choice((1, 50)))
        writer.add_message(channels[place], time, data, time)
        messages[TOPICS[place], time, data] += TOPICS[place] != "/foreign"
    writer.finish()
    whole = stream.getvalue()
    if random.random() < 0.1:
        return whole, messages, has_checksums
    return damaged(random, whole), messages, has_checksums


def readable(path: Path):
    """What is not damaged is read in order of log time; it is what was written, and what `recover` copies."""

    def take(case: tuple[bytes, Written, bool]) -> None:
        content, messages, has_checksums = case
        path.write_bytes(content)
        with naming(path.name), BagReader(path, skip_damaged=True) as bag:
            found = list(bag.raw())
        if has_checksums:
            times = [time for _, time, _ in found]
            promise(times == sorted(times), "messages out of order")
            promise(not Counter(found) - messages, "a message that was not written")
            promise(bag.damage or Counter(found) == messages, "a message that is missing silently")
        copy = path.with_name("recovered.mcap")
        copy.unlink(missing_ok=True)
        with suppress(BagError):
            recovered = recover(path, copy)
            promise(sum(recovered.counts.values()) == sum(1 for _ in read(copy)), "another number of messages")

    return take
