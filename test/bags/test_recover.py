"""`uplift recover`: recordings that were cut off, at every possible place."""

import re
from pathlib import Path

import numpy as np
import pytest
import yaml
import zstandard
from mcap.reader import make_reader
from mcap.writer import CompressionType
from mcap.writer import Writer as McapWriter
from rosbags.highlevel import AnyReader
from support import recordings
from support.text_bags import STRING, cdr, text, texts

from uplift_ros import cli
from uplift_ros.bags.reader import BagError, BagReader
from uplift_ros.bags.recover import recover
from uplift_ros.bags.writer import BagWriter, unfinished

CHUNK = 15
"""Messages of each topic in a chunk of a recording."""


def record(path: Path, flushed: int, more: int = 0, storage: str = "mcap") -> Path:
    """Write messages that are flushed chunk by chunk, and `more` that are not, and never close; return the file."""
    writer = BagWriter(path, storage)
    writer.add_topic("/image", "sensor_msgs/msg/CompressedImage")
    for i in range(flushed + more):
        writer.write("/text", i, text(f"message {i}"))
        writer.write("/image", i, recordings.compressed_image(i, np.full((8, 8, 3), i % 256, np.uint8)))
        if i < flushed and (i % CHUNK == CHUNK - 1 or i == flushed - 1):
            writer.flush()
    (file,) = (each for each in unfinished(path).rglob("*") if each.suffix in (".mcap", ".db3"))
    return file


def texts_of(path: Path) -> list[str]:
    return [data for _, data in texts(path)]


def text_data(path: Path) -> list[bytes]:
    """Serialised messages that are readable in a file."""
    with BagReader(path, skip_damaged=True) as bag:
        return [data for _, _, data in bag.raw(["/text"])]


def numbered(count: int) -> list[str]:
    return [f"message {i}" for i in range(count)]


@pytest.mark.parametrize(("bag", "storage"), [("run.mcap", "mcap"), ("run", "mcap"), ("run", "sqlite3")])
def test_everything_that_was_flushed_comes_back(tmp_path, bag, storage):
    record(tmp_path / bag, 100, 20, storage)
    output = tmp_path / ("whole.mcap" if bag.endswith(".mcap") else "whole")
    assert recover(unfinished(tmp_path / bag), output).counts == {"/image": 100, "/text": 100}
    assert texts_of(output) == numbered(100)


def test_a_file_cut_anywhere_gives_the_whole_chunks_before_the_cut(tmp_path):
    file = record(tmp_path / "run.mcap", 60)
    whole, written = file.read_bytes(), text_data(file)
    torn = tmp_path / "torn.mcap"
    counts = []
    for size in range(len(whole), 8, -331):
        torn.write_bytes(whole[:size])
        data = text_data(torn)
        assert data == written[: len(data)]
        counts.append(len(data))
    assert counts == sorted(counts, reverse=True)
    assert set(counts) == set(range(0, 61, CHUNK))


def test_a_damaged_file_gives_the_chunks_before_the_damage(tmp_path):
    file = record(tmp_path / "run.mcap", 60)
    whole, written = file.read_bytes(), text_data(file)
    assert len(written) == 60
    ends = [whole.index(f"message {i}\0".encode()) + 400 for i in range(CHUNK - 1, 60, CHUNK)]
    damaged = tmp_path / "damaged.mcap"
    random = np.random.default_rng(0)
    for at in range(9, len(whole), len(whole) // 60):
        noise = random.integers(0, 256, 40, np.uint8).tobytes()
        damaged.write_bytes(whole[:at] + noise + whole[at + 40 :])
        before = sum(at > end for end in ends) * CHUNK
        assert text_data(damaged)[:before] == written[:before]


@pytest.mark.parametrize("part", [1.0, 0.5])
def test_a_damaged_chunk_is_lost_alone_and_the_exit_code_reports_it(tmp_path, capsys, part):
    """A bag as rosbag2 writes it, with checksums, whole or cut off; two messages in each chunk, and a damaged one."""
    file = tmp_path / "run.mcap"
    with file.open("wb") as stream:
        writer = McapWriter(stream, chunk_size=90, compression=CompressionType.NONE)
        writer.start()
        channel = writer.register_channel("/text", "cdr", writer.register_schema(STRING, "ros2msg", b"string data"))
        for i in range(60):
            data = cdr(f"message {i}")
            writer.add_message(channel, i, data, i)
        writer.finish()
    size = int(part * file.stat().st_size)
    file.write_bytes(file.read_bytes()[:size].replace(b"message 20", b"message 99"))
    assert cli.main(["recover", str(file), "-o", str(tmp_path / "whole.mcap")]) == 3
    found = texts_of(tmp_path / "whole.mcap")
    lost = set(numbered(60)) - set(found)
    assert "message 20" in lost
    assert found == [each for each in numbered(60) if each not in lost]
    printed = capsys.readouterr()
    assert printed.out == f"{len(found):8d}  /text\n"
    damaged, *cut_off = printed.err.splitlines()
    assert re.search(r"run\.mcap: .* 0\.000 to 0\.000 s .*crc", damaged)
    assert len(lost) == 2 if part == 1 else "cut off at byte" in cut_off[0]


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_the_files_of_a_split_recording_become_one_bag(tmp_path, storage):
    folder = tmp_path / "split"
    folder.mkdir()
    for number in range(3):
        file = record(tmp_path / f"part{number}", 10, storage=storage)
        file.rename(folder / f"split_{number}{file.suffix}")
        if (journal := file.with_name(f"{file.name}-journal")).exists():
            journal.rename(folder / f"split_{number}{file.suffix}-journal")
    recovered = recover(folder, tmp_path / "whole")
    assert recovered.counts == {"/image": 30, "/text": 30}
    assert sorted(texts_of(tmp_path / "whole")) == sorted(numbered(10) * 3)


def test_a_file_of_a_split_that_is_missing_or_unreadable_is_lost_alone(tmp_path, capsys):
    with BagWriter(tmp_path / "run") as writer:
        writer.write("/text", 1, text("message 0"))
    metadata = tmp_path / "run" / "metadata.yaml"
    tree = yaml.safe_load(metadata.read_text())
    tree["rosbag2_bagfile_information"]["relative_file_paths"] += ["run_1.mcap", "run_2.mcap"]
    metadata.write_text(yaml.safe_dump(tree))
    (tmp_path / "run" / "run_2.mcap").write_bytes(b"")
    assert cli.main(["recover", str(tmp_path / "run"), "-o", str(tmp_path / "whole.mcap")]) == 3
    assert texts_of(tmp_path / "whole.mcap") == numbered(1)
    said = capsys.readouterr().err
    assert "run_1.mcap" in said
    assert "run_2.mcap is empty" in said


@pytest.mark.parametrize("part", [1.0, 0.6])
def test_a_compressed_recording_is_recovered_as_far_as_it_is_there(tmp_path, part):
    file = record(tmp_path / "run.mcap", 2000)
    compressed = zstandard.compress(file.read_bytes())
    (tmp_path / "run.mcap.zstd").write_bytes(compressed[: int(part * len(compressed))])
    recovered = recover(tmp_path / "run.mcap.zstd", tmp_path / "whole.mcap")
    found = texts_of(tmp_path / "whole.mcap")
    assert found == numbered(len(found))
    assert len(found) == 2000 if part == 1 else 0 < len(found) < 2000
    assert [damage.is_end for damage in recovered.damage] == [True]


def test_what_cannot_be_copied_is_named_by_its_topic(tmp_path):
    with (tmp_path / "run.mcap").open("wb") as file:
        writer = McapWriter(file)
        writer.start()
        channel = writer.register_channel("/log", "protobuf", writer.register_schema("Log", "protobuf", b"\0"))
        writer.add_message(channel, 1, b"\0", 1)
        channel = writer.register_channel("/odd", "cdr", writer.register_schema("a/msg/Odd", "ros2msg", b"int64[<=1 x"))
        writer.add_message(channel, 2, b"\0", 2)
        channel = writer.register_channel("/part", "cdr", writer.register_schema("a/msg/P", "ros2msg", b"other/B b"))
        writer.add_message(channel, 3, b"\0", 3)
        writer.finish()
    recovered = recover(tmp_path / "run.mcap", tmp_path / "whole.mcap")
    assert not recovered.counts
    topics = [damage.text.split(": ")[0] for damage in recovered.damage]
    assert topics == ["/log", "/odd", "/part"]


def test_a_database_goes_to_the_format_of_the_new_bag(tmp_path):
    record(tmp_path / "run", 10, storage="sqlite3")
    recover(unfinished(tmp_path / "run"), tmp_path / "whole.mcap")
    assert texts_of(tmp_path / "whole.mcap") == numbered(10)


def test_a_file_that_is_no_database_is_refused(tmp_path):
    (tmp_path / "run.db3").write_bytes(b"not a database, however long it may be" * 100)
    with pytest.raises(BagError, match=r"run\.db3"):
        recover(tmp_path / "run.db3", tmp_path / "whole")
    assert [path.name for path in tmp_path.iterdir()] == ["run.db3"]


def test_a_bag_that_lost_its_end_is_recovered_too(tmp_path):
    path = tmp_path / "run.mcap"
    with BagWriter(path) as writer:
        for i in range(300):
            writer.write("/text", i, text(f"message {i}"))
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])  # of the index: no message is missing
    assert texts_of(path) == numbered(300)
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BagError, match="uplift recover"):
        BagReader(path)
    path.write_bytes(whole[:-100])
    recovered = recover(path, tmp_path / "whole.mcap")
    assert texts_of(tmp_path / "whole.mcap") == numbered(300)
    assert not recovered.damage


def test_what_is_recovered_keeps_topics_types_and_qos(tmp_path):
    path = recordings.write_run(tmp_path / "run.mcap", frames=5)
    (tmp_path / "torn.mcap").write_bytes(path.read_bytes()[:-100])
    recover(tmp_path / "torn.mcap", tmp_path / "whole.mcap")
    with BagReader(path) as before, BagReader(tmp_path / "whole.mcap") as after:
        assert after.topics == before.topics
        assert list(after.raw()) == list(before.raw())


def test_rosbags_and_the_mcap_library_read_what_is_recovered(tmp_path):
    record(tmp_path / "run.mcap", 50)
    recover(unfinished(tmp_path / "run.mcap"), tmp_path / "whole.mcap")
    with AnyReader([tmp_path / "whole.mcap"]) as reader:
        assert reader.message_count == 100
        assert len(list(reader.messages())) == 100
    with (tmp_path / "whole.mcap").open("rb") as file:
        assert len(list(make_reader(file).iter_messages(["/text"]))) == 50


def test_the_recording_can_be_recovered_to_where_it_was_to_go(tmp_path):
    record(tmp_path / "run.mcap", 10)
    recover(unfinished(tmp_path / "run.mcap"), tmp_path / "run.mcap")
    assert texts_of(tmp_path / "run.mcap") == numbered(10)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run.mcap", "run.mcap.partial-1"]


def test_neither_is_the_file_in_it_lost_when_it_is_named_itself(tmp_path):
    file = record(tmp_path / "run.mcap", 10)
    recover(file, tmp_path / "run.mcap")
    assert texts_of(tmp_path / "run.mcap") == numbered(10)
    assert (tmp_path / "run.mcap.partial-1" / "run" / file.name).exists()


def test_another_recording_in_the_place_of_the_new_bag_is_not_lost(tmp_path):
    first = record(tmp_path / "first.mcap", 10)
    second = record(tmp_path / "run.mcap", 20).read_bytes()
    recover(first, tmp_path / "run.mcap")
    assert texts_of(tmp_path / "run.mcap") == numbered(10)
    assert (tmp_path / "run.mcap.partial-1" / "run" / "run.mcap").read_bytes() == second


def test_a_topic_of_several_channels_becomes_one(tmp_path):
    """A recording as other recorders write it, with a channel for every publisher."""
    with (tmp_path / "run.mcap").open("wb") as file:
        writer = McapWriter(file, compression=CompressionType.NONE)
        writer.start()
        schema = writer.register_schema(STRING, "ros2msg", b"string data")
        channels = [writer.register_channel("/text", "cdr", schema) for _ in range(2)]
        for i in range(10):
            data = cdr(f"message {i}")
            writer.add_message(channels[i % 2], i, data, i)
        writer.finish()
    assert recover(tmp_path / "run.mcap", tmp_path / "whole.mcap").counts == {"/text": 10}
    assert texts_of(tmp_path / "whole.mcap") == numbered(10)


def test_the_command_reports_what_was_saved(tmp_path, capsys):
    record(tmp_path / "run.mcap", 10)
    assert cli.main(["recover", str(tmp_path / "run.mcap.partial"), "-o", str(tmp_path / "whole.mcap")]) == 0
    assert capsys.readouterr().out == "      10  /image\n      10  /text\n"


def test_the_command_reports_damage(tmp_path, capsys):
    file = record(tmp_path / "run.mcap", 10)
    content = file.read_bytes()
    assert content.count(b"std_msgs/msg/String") >= 1
    file.write_bytes(content.replace(b"std_msgs/msg/String", b"std_msgs/msg/Str\xffng"))
    assert cli.main(["recover", str(file), "-o", str(tmp_path / "whole.mcap")]) == 1
    assert "damaged" in capsys.readouterr().err


def test_a_recording_without_a_whole_message_is_reported_as_empty(tmp_path, capsys):
    torn = tmp_path / "torn.mcap"
    torn.write_bytes(record(tmp_path / "run.mcap", 10).read_bytes()[:60])
    assert cli.main(["recover", str(torn), "-o", str(tmp_path / "whole.mcap")]) == 1
    assert "recovered" in capsys.readouterr().err


def test_a_bag_that_is_there_is_not_replaced(tmp_path):
    record(tmp_path / "run.mcap", 10)
    (tmp_path / "whole.mcap").write_bytes(b"precious")
    with pytest.raises(BagError, match=r"whole\.mcap"):
        recover(unfinished(tmp_path / "run.mcap"), tmp_path / "whole.mcap")
    assert (tmp_path / "whole.mcap").read_bytes() == b"precious"


@pytest.mark.parametrize("content", [b"", b"not a bag", b"\x89MCAP0\r"])
def test_what_is_no_bag_is_refused(tmp_path, content):
    (tmp_path / "other.mcap").write_bytes(content)
    with pytest.raises(BagError, match=r"other\.mcap"):
        recover(tmp_path / "other.mcap", tmp_path / "whole.mcap")
    assert [path.name for path in tmp_path.iterdir()] == ["other.mcap"]


def test_a_folder_without_a_recording_is_refused(tmp_path):
    with pytest.raises(BagError, match=r"\.mcap"):
        recover(tmp_path, tmp_path / "whole.mcap")


def test_a_recording_that_is_not_there_is_named(tmp_path):
    with pytest.raises(BagError, match="nowhere"):
        recover(tmp_path / "nowhere", tmp_path / "whole.mcap")
