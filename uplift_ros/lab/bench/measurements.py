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
"""Functions from a row to the text of its cell, by the heading of the column."""

Side = TypeVar("Side")


@dataclass(frozen=True)
class Measurement:
    """One measurement.

    Attributes:
        name: of what was run.
        device, precision: of the network.
        batch: windows, people or frames in one call.
        ms_p50, ms_p99: milliseconds of one call.
        per_second: items (calls times batch) per second, at the median.
        flops: floating-point operations of one item; 0 if not counted.
        ratio_to: name of the row that it is compared with, empty if there is none.
        ratio: speed relative to that row.
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
    """Milliseconds of every call, for about `seconds`; a call must wait until its device has finished."""
    return interleaved({"call": call}, seconds)["call"]


def interleaved(calls: Mapping[Side, Callable[[], object]], seconds: float) -> dict[Side, np.ndarray]:
    """Milliseconds of several calls, which are made in turns so that a disturbance affects all of them.

    After a warm-up, each is called at least ten times and for about `seconds`.
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


def timed(
    name: str, times: np.ndarray, batch: int, device: str, flops: int = 0, precision: str = "float32"
) -> Measurement:
    """Summarise the milliseconds of calls as a row; other arguments are those of `Measurement`."""
    p50, p99 = np.percentile(times, (50, 99))
    return Measurement(name, device, batch, precision, float(p50), float(p99), float(batch * 1e3 / p50), flops)


def compared(row: Measurement, base: Measurement) -> Measurement:
    """A row with its speed relative to another one."""
    return replace(row, ratio_to=base.name, ratio=row.per_second / base.per_second)


def against_first(rows: Iterable[Measurement]) -> Iterator[Measurement]:
    """The first row unchanged, the others compared with it."""
    first = None
    for row in rows:
        yield compared(row, first) if first else row
        first = first or row


def report(rows: Iterable[Measurement], columns: Columns, path: Path | None) -> None:
    """Measure rows, print them as a table, and write them to the JSON file `path` if it is given."""
    measured = list(rows)
    table = Table(*columns)
    for row in measured:
        table.add_row(*(cell(row) for cell in columns.values()))
    Console().print(table)
    if path:
        write_json(path, [asdict(row) for row in measured])
