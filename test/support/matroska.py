"""Matroska files of JPEG tracks, for tests."""

import struct
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np


def element(id_: int, *content: bytes | int | float | str) -> bytes:
    """An element of RFC 8794, whose values are bytes (also of other elements), unsigned integers, floats or texts."""
    data = b"".join(map(_serialised, content))
    return id_.to_bytes((id_.bit_length() + 7) // 8, "big") + (len(data) | 1 << 56).to_bytes(8, "big") + data


def _serialised(value: bytes | int | float | str) -> bytes:
    if isinstance(value, float):
        return struct.pack(">d", value)
    if isinstance(value, int):
        return value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big")
    return value.encode() if isinstance(value, str) else value


def write_matroska(
    path: Path, *tracks: Sequence[np.ndarray], period_ms: int = 40, rolls: Sequence[float] = (), tags: bool = True
) -> Path:
    """Write tracks of pictures (H, W, 3); the file states the duration of each in its tags."""
    entries, blocks, durations = [], [], []
    for number, pictures in enumerate(tracks, 1):
        height, width = pictures[0].shape[:2]
        roll = element(0x7670, element(0x7675, rolls[number - 1])) if rolls else b""
        video = element(0xE0, element(0xB0, width), element(0xBA, height), roll)
        entries.append(
            element(
                0xAE, element(0xD7, number), element(0x73C5, number), element(0x83, 1), element(0x86, "V_MJPEG"), video,
                element(0x23E383, period_ms * 10**6),
            )
        )  # fmt: skip
        for index, picture in enumerate(pictures):
            _, data = cv2.imencode(".jpg", picture)
            block = bytes([0x80 | number]) + struct.pack(">hB", index * period_ms, 0x80) + data.tobytes()
            blocks.append((index, element(0xA3, block)))
        text = f"00:00:{len(pictures) * period_ms / 1000:012.9f}"
        simple = element(0x67C8, element(0x45A3, "DURATION"), element(0x4487, text))
        durations.append(element(0x7373, element(0x63C0, element(0x63C5, number)), simple))
    longest = float(period_ms * max(map(len, tracks)))
    head = element(0x1A45DFA3, element(0x4282, "matroska"), element(0x4287, 4), element(0x4285, 2))
    info = element(0x1549A966, element(0x2AD7B1, 1_000_000), element(0x4489, longest))
    cluster = element(0x1F43B675, element(0xE7, 0), *(block for _, block in sorted(blocks)))
    notes = element(0x1254C367, *durations) if tags else b""
    path.write_bytes(head + element(0x18538067, info, element(0x1654AE6B, *entries), cluster, notes))
    return path
