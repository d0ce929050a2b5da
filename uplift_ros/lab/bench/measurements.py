"""Measurements of `uplift bench`, and their table."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from rich.console import Console
from rich.table import Table

from uplift_ros.files import write_json

Columns = Mapping[str, Callable[[Any], str]]
"""Of a table: the text of a row's cell, by heading."""

Side = TypeVar("Side")


@dataclass(frozen=True)
class Row:
    """One measurement.

    Attributes:
        name: what was run.
        batch: windows, people or frames in one call.
        ms_p50, ms_p99: milliseconds of one call.
        per_second: items (calls times batch) per second, at the median.
        flops: floating-point operations of one item; 0 if not counted.
        ratio_to: name of the row that it is compared with, empty for none.
        ratio: how many times as fast as that row.
    """

    name: str
    device: str
    batch: int
    precision: str
    ms_p50: float
    ms_p99: float
    per_second: float
    flops: int = 0
    ratio_to: str = ""
    ratio: float = 1.0


def measure(call: Callable[[], object], seconds: float) -> np.ndarray:
    """Milliseconds of every call. The call itself must wait until its device has finished."""
    return interleaved({"call": call}, seconds)["call"]


def interleaved(calls: Mapping[Side, Callable[[], object]], seconds: float) -> dict[Side, np.ndarray]:
    """Measure several calls in turns, so that a disturbance affects all of them; otherwise as `measure`.

    About `seconds` for each, at least ten times, after a warm-up.
    """
    times: dict[Side, list[float]] = {side: [] for side in calls}
    end = time.perf_counter() + seconds * len(calls)
    for _ in range(3):
        for call in calls.values():
            call()
    while time.perf_counter() < end or len(times[next(iter(times))]) < 10:
        for side, call in calls.items():
            start = time.perf_counter()
            call()
            times[side].append((time.perf_counter() - start) * 1e3)
    return {side: np.array(values) for side, values in times.items()}


def timed(name: str, times: np.ndarray, batch: int, device: str, flops: int = 0, precision: str = "float32") -> Row:
    p50, p99 = np.percentile(times, (50, 99))
    return Row(name, device, batch, precision, float(p50), float(p99), float(batch * 1e3 / p50), flops)


def compared(row: Row, base: Row) -> Row:
    return replace(row, ratio_to=base.name, ratio=row.per_second / base.per_second)


def against_first(rows: Iterable[Row]) -> Iterator[Row]:
    """The first row unchanged, the others compared with it."""
    first = None
    for row in rows:
        yield compared(row, first) if first else row
        first = first or row


def report(rows: Iterable[Row], columns: Columns, path: Path | None) -> None:
    """Measure rows, print them as a table, and write them to a JSON file if there is one."""
    measured = list(rows)
    table = Table(*columns)
    for row in measured:
        table.add_row(*(cell(row) for cell in columns.values()))
    Console().print(table)
    if path:
        write_json(path, [asdict(row) for row in measured])
