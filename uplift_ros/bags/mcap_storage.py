"""Reads MCAP files: by their index, or from the beginning to the end if it is missing or damaged."""

import heapq
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import suppress
from os import SEEK_END
from pathlib import Path
from struct import Struct
from typing import NamedTuple
from zlib import crc32

from mcap.reader import SeekingReader
from mcap.records import Channel as McapChannel
from mcap.records import Chunk, DataEnd, McapRecord, Message, Schema
from mcap.stream_reader import StreamReader, breakup_chunk
from mcap.summary import Summary

from uplift_ros.bags.storage import Channel, Damage, Raw, Report, parse_offered_qos
from uplift_ros.parameters import error_text
from uplift_ros.poses import NANOSECONDS

MCAP_MAGIC = b"\x89MCAP0\r\n"
"""First and last bytes of an MCAP file."""

FOOTER, CHECKSUM_BYTES = Struct("<QQI"), 4
"""Offsets of the summary and of its own index, and the checksum of all up to there; MCAP_MAGIC follows."""

BLOCK_BYTES = 1 << 22
"""Bytes of an MCAP file without an index that are read at once."""


class Block(NamedTuple):
    """Part of an MCAP file: a chunk, or successive records.

    Attributes:
        start, end: first and last log time, nanoseconds.
        first, last: file offsets of its first and last record.
        channels: ids of channels of which it may have messages; empty if unknown.
    """

    start: int
    end: int
    first: int
    last: int
    channels: Collection[int] = ()


class McapStorage:
    """MCAP file, in any order of log times. A file without an index, or with a damaged one, is scanned."""

    def __init__(self, path: Path, report: Report) -> None:
        self._report, self._size = report, path.stat().st_size
        self._file = path.open("rb")
        try:
            self._open()
        except Exception:
            self.close()
            raise

    def _open(self) -> None:
        summary = None
        with suppress(Exception):  # damaged data makes the parsers fail in many ways
            summary = self._summary()
        if (
            summary is None
            or summary.statistics is None
            or not summary.channels
            or not summary.chunk_indexes
            or any(channel.schema_id not in {0, *summary.schemas} for channel in summary.channels.values())
        ):
            schemas, channels, counts, self._blocks = self._scanned()
            self.start = min((block.start for block in self._blocks), default=0)
            self.end = max((block.end for block in self._blocks), default=0)
        else:
            schemas, channels, statistics = summary.schemas, summary.channels, summary.statistics
            counts = Counter(statistics.channel_message_counts)
            self.start, self.end = statistics.message_start_time, statistics.message_end_time
            self._blocks = [
                Block(
                    chunk.message_start_time,
                    chunk.message_end_time,
                    chunk.chunk_start_offset,
                    chunk.chunk_start_offset,
                    chunk.message_index_offsets,
                )
                for chunk in summary.chunk_indexes
            ]
        self.channels = []
        for channel in channels.values():
            schema = schemas.get(channel.schema_id) or Schema(0, b"", "", "")
            known = schema.encoding in ("ros2msg", "ros2idl")
            self.channels.append(
                Channel(
                    channel.id,
                    channel.topic,
                    schema.name,
                    schema.data.decode(errors="replace") if known else "",
                    schema.encoding if known else "",
                    channel.message_encoding,
                    counts[channel.id],
                    parse_offered_qos(channel.metadata.get("offered_qos_profiles", "")),
                )
            )

    def messages(self, channels: Collection[Channel], start: int | None) -> Iterator[Raw]:
        wanted = {channel.id: channel for channel in channels}
        since = start or 0
        waiting: list[tuple[int, int, int, Message]] = []
        for block in sorted(self._blocks, key=lambda block: (block.start, block.first)):
            if block.end < since or (block.channels and wanted.keys().isdisjoint(block.channels)):
                continue
            while waiting and waiting[0][0] < block.start:
                message = heapq.heappop(waiting)[-1]
                yield wanted[message.channel_id], message.log_time, message.data
            records = (record for _, content in self._walk(block.first, block.last) for record in content)
            for order, record in enumerate(records):
                if isinstance(record, Message) and record.channel_id in wanted and record.log_time >= since:
                    heapq.heappush(waiting, (record.log_time, block.first, order, record))
        while waiting:
            message = heapq.heappop(waiting)[-1]
            yield wanted[message.channel_id], message.log_time, message.data

    def close(self) -> None:
        self._file.close()

    def _summary(self) -> Summary | None:
        """The index at the end of the file; None if there is none, or its checksum is wrong."""
        self._file.seek(self._size - FOOTER.size - len(MCAP_MAGIC))
        begin, _, checksum = FOOTER.unpack(self._file.read(FOOTER.size))
        if not begin or self._file.read() != MCAP_MAGIC:  # the rest of such a file may be too large for memory
            return None
        self._file.seek(begin)
        content = self._file.read(self._size - begin - CHECKSUM_BYTES - len(MCAP_MAGIC))
        if checksum and crc32(content) != checksum:
            return None
        self._file.seek(0)
        return SeekingReader(self._file, record_size_limit=self._size).get_summary()

    def _scanned(self) -> tuple[dict[int, Schema], dict[int, McapChannel], Counter[int], list[Block]]:
        schemas, channels, counts = {}, {}, Counter[int]()
        blocks: list[Block] = []
        for offset, content in self._walk(0, self._size):
            for record in content:
                if isinstance(record, Schema):
                    schemas[record.id] = record
                elif isinstance(record, McapChannel):
                    channels[record.id] = record
            messages = [record for record in content if isinstance(record, Message)]
            if not messages:
                continue
            counts.update(message.channel_id for message in messages)
            times = [message.log_time for message in messages]
            block = Block(min(times), max(times), offset, offset)
            if blocks and offset - blocks[-1].first < BLOCK_BYTES:
                before = blocks.pop()
                block = Block(min(before.start, block.start), max(before.end, block.end), before.first, offset)
            blocks.append(block)
        if orphans := sum(counts[id_] for id_ in counts.keys() - channels.keys()):
            self._report(Damage(f"{orphans} messages belong to no known channel"))
        return schemas, channels, counts, blocks

    def _walk(self, first: int, last: int) -> Iterator[tuple[int, list[McapRecord]]]:
        """Yield offset and content of the records from one offset to another; what is damaged is reported and skipped.

        A chunk counts as one record; its content is the records inside it.
        """
        self._file.seek(first)
        records = StreamReader(
            self._file, skip_magic=first > 0, emit_chunks=True, validate_crcs=True, record_size_limit=self._size
        ).records
        offset = first
        while offset <= last:
            try:
                record = next(records)
            except Exception as error:  # see above
                self._report(self._damage(offset, error))
                return
            if offset == first > 0 and not isinstance(record, Chunk | Message):  # the parser skips unknown records
                self._report(self._damage(offset, ValueError("neither a chunk nor a message, as its index says")))
                return
            if isinstance(record, DataEnd):
                return
            yield offset, self._content(offset, record)
            offset = self._file.tell()

    def _content(self, offset: int, record: McapRecord) -> list[McapRecord]:
        if not isinstance(record, Chunk):
            return [record]
        try:
            return breakup_chunk(record, validate_crc=True)
        except Exception as error:  # see above
            begin, end = (f"{time / NANOSECONDS:.3f}" for time in (record.message_start_time, record.message_end_time))
            self._report(Damage(f"the chunk of log times {begin} to {end} s is damaged ({error_text(error)})"))
            return []

    def _damage(self, offset: int, error: Exception) -> Damage:
        self._file.seek(-len(MCAP_MAGIC), SEEK_END)
        is_cut_off = self._file.read() != MCAP_MAGIC
        state = "cut off" if is_cut_off else f"damaged ({error_text(error)})"
        return Damage(f"{state} at byte {offset} of {self._size}", is_cut_off)
