"""MCAP files without an index, cut off and damaged."""

import re
import tracemalloc
from pathlib import Path

import pytest
from mcap.reader import make_reader
from mcap.writer import CompressionType, IndexType
from mcap.writer import Writer as McapWriter
from support.text_bags import STRING, cdr, texts

from uplift_ros.bags import mcap_storage
from uplift_ros.bags.reader import BagError, BagReader


def write_unindexed(path: Path, times, chunks=False) -> Path:
    with path.open("wb") as stream:
        writer = McapWriter(
            stream,
            compression=CompressionType.NONE,
            index_types=IndexType.NONE,
            use_chunking=chunks,
            use_statistics=False,
        )
        writer.start("ros2")
        channel = writer.register_channel("/text", "cdr", writer.register_schema(STRING, "ros2msg", b"string data\n"))
        for time in times:
            writer.add_message(channel, time, cdr(str(time)), time)
        writer.finish()
    return path


@pytest.mark.parametrize("chunks", [True, False])
def test_messages_slightly_out_of_order_without_an_index_are_sorted(tmp_path, chunks):
    path = write_unindexed(tmp_path / "run.mcap", [10, 30, 20, 40, 15], chunks)
    assert texts(path) == [(time, str(time)) for time in (10, 15, 20, 30, 40)]
    with BagReader(path) as bag:
        assert (bag.topics["/text"].count, bag.start, bag.end) == (5, 10, 40)
        assert [time for _, time, _ in bag.raw(start=20)] == [20, 30, 40]


@pytest.mark.parametrize("chunks", [True, False])
def test_messages_far_out_of_order_are_sorted(tmp_path, chunks, monkeypatch):
    monkeypatch.setattr(mcap_storage, "BLOCK_BYTES", 100)
    times = [10, 10**10, 2 * 10**10, 20, 5]
    path = write_unindexed(tmp_path / "run.mcap", times, chunks)
    assert texts(path) == [(time, str(time)) for time in sorted(times)]


def write_chunks(path: Path, compression: CompressionType = CompressionType.NONE, **options) -> Path:
    """Ten texts, two in each chunk but the first; each text begins with its time."""
    with path.open("wb") as stream:
        writer = McapWriter(stream, chunk_size=150, compression=compression, **options)
        writer.start("ros2")
        channel = writer.register_channel("/text", "cdr", writer.register_schema(STRING, "ros2msg", b"string data\n"))
        for time in range(10):
            writer.add_message(channel, time * 10**9, cdr(f"{time}{'.' * 80}"), 0)
        writer.finish()
    return path


def flip(path: Path, what: bytes) -> Path:
    data = bytearray(path.read_bytes())
    data[data.index(what)] ^= 1
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("options", [{}, {"index_types": IndexType.NONE, "use_statistics": False}])
def test_a_chunk_whose_checksum_is_wrong_is_refused_or_skipped_and_named(tmp_path, options):
    path = flip(write_chunks(tmp_path / "run.mcap", **options), b"5...")
    with pytest.raises(BagError, match=r"run\.mcap.* 5\.000 to 6\.000 s .*crc.*uplift recover"):
        texts(path)
    with BagReader(path, skip_damaged=True) as bag:
        for _ in range(2):
            assert [message.data[0] for _, _, message in bag.messages()] == list("01234789")
            (damage,) = bag.damage
        assert re.match(r"run\.mcap: .* 5\.000 to 6\.000 s .*crc", damage.text)
        assert not damage.is_end


@pytest.mark.parametrize("compression", CompressionType)
@pytest.mark.parametrize("use_chunking", [True, False], ids=["chunks", "no chunks"])
def test_a_file_that_was_cut_off_is_read_up_to_there(tmp_path, compression, use_chunking):
    path = write_chunks(tmp_path / "run.mcap", compression, use_chunking=use_chunking)
    path.write_bytes(path.read_bytes()[: -path.stat().st_size // 2])
    with BagReader(path, skip_damaged=True) as bag:
        found = [message.data[0] for _, _, message in bag.messages()]
        assert found == list("0123456789"[: len(found)])
        assert 0 < len(found) < 10
        assert bag.topics["/text"].count == len(found)
        (damage,) = bag.damage
        assert damage.is_end


def test_an_index_whose_checksum_is_wrong_is_not_used(tmp_path):
    path = write_chunks(tmp_path / "run.mcap")
    before, topic, after = path.read_bytes().rpartition(b"/text")
    path.write_bytes(before + topic.replace(b"x", b"n") + after)
    assert [message[0] for _, message in texts(path)] == list("0123456789")


def test_messages_whose_channel_was_in_a_damaged_chunk_are_counted(tmp_path):
    path = write_chunks(tmp_path / "run.mcap", index_types=IndexType.NONE, use_statistics=False, repeat_channels=False)
    with BagReader(flip(path, b"0..."), skip_damaged=True) as bag:
        assert not list(bag.messages())
        _, unknown = bag.damage
        assert re.match(r"run\.mcap: 9 messages .*channel", unknown.text)


@pytest.mark.parametrize("opcode", [2, 0x86], ids=["a footer", "unknown"])
def test_a_chunk_that_has_become_another_record_is_refused_or_skipped_and_named(tmp_path, opcode):
    path = write_chunks(tmp_path / "run.mcap")
    with path.open("rb") as file:
        chunk = make_reader(file).get_summary().chunk_indexes[2]
    data = bytearray(path.read_bytes())
    data[chunk.chunk_start_offset] = opcode
    path.write_bytes(data)
    with pytest.raises(BagError, match=f"damaged .* at byte {chunk.chunk_start_offset} of"):
        texts(path)
    with BagReader(path, skip_damaged=True) as bag:
        lost = range(chunk.message_start_time, chunk.message_end_time + 1, 10**9)
        assert [time for _, time, _ in bag.raw()] == [time for time in range(0, 10**10, 10**9) if time not in lost]
        (damage,) = bag.damage
        assert not damage.is_end


def test_an_index_without_the_types_is_not_used(tmp_path):
    path = write_chunks(tmp_path / "run.mcap", repeat_schemas=False)
    with BagReader(path) as bag:
        assert bag.topics["/text"].msgtype == STRING
    assert [message[0] for _, message in texts(path)] == list("0123456789")


@pytest.mark.parametrize(("begin", "end"), [(0, mcap_storage.MCAP_MAGIC), (9, bytes(8))], ids=["no index", "cut off"])
def test_a_file_without_an_index_is_not_read_into_memory(tmp_path, begin, end):
    path = write_unindexed(tmp_path / "run.mcap", range(20_000))
    path.write_bytes(path.read_bytes()[: -mcap_storage.FOOTER.size - 8] + mcap_storage.FOOTER.pack(begin, 0, 1) + end)
    tracemalloc.start()
    BagReader(path, skip_damaged=True).close()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < path.stat().st_size / 4
