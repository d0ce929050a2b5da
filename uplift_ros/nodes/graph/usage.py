"""CPU time and memory of processes while the graph runs, from /proc."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

PERIOD = 1.0
"""Seconds between samples."""

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Sample:
    """Of one process: seconds on the monotonic clock, CPU seconds since its start, bytes in memory."""

    time: float
    cpu: float
    memory: int


class Usage:
    """Samples processes by name, once a period however often it is asked to."""

    def __init__(self) -> None:
        self._samples: dict[str, list[Sample]] = {}
        self._next = 0.0

    def sample(self, processes: Mapping[str, int]) -> None:
        """Note how the processes do, if it is time.

        Args:
            processes: process ids by name; those that are gone are left out.
        """
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + PERIOD
        for name, pid in processes.items():
            if (sample := _read(pid, now)) is not None:
                self._samples.setdefault(name, []).append(sample)

    def figures(self) -> dict[str, dict[str, Any]]:
        """Of each process: `cpu`, its mean share of one core, and `memory_mb` at `begin`, at `end` and at `most`."""
        return {name: _figures(samples) for name, samples in self._samples.items() if len(samples) > 1}


def _figures(samples: list[Sample]) -> dict[str, Any]:
    # Less than before is of a process that was started anew.
    cpu = sum(max(0.0, after.cpu - before.cpu) for before, after in pairwise(samples))
    megabytes = [round(sample.memory / 2**20, 1) for sample in samples]
    return {
        "cpu": round(cpu / (samples[-1].time - samples[0].time), 4),
        "memory_mb": {"begin": megabytes[0], "end": megabytes[-1], "most": max(megabytes)},
    }


def _read(pid: int, now: float) -> Sample | None:
    process = Path("/proc") / str(pid)
    try:
        times = (process / "stat").read_text().rpartition(")")[2].split()
        pages = int((process / "statm").read_text().split()[1])
    except OSError:
        return None
    return Sample(now, (int(times[11]) + int(times[12])) / TICKS, pages * PAGE)
