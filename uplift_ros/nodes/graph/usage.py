"""CPU time and memory of processes while the graph runs, from /proc."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

SAMPLE_PERIOD_S = 1.0
"""Seconds between samples."""

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Sample:
    """Sample of one process: monotonic time in seconds, CPU seconds since its start, resident bytes."""

    time: float
    cpu: float
    memory: int


class Usage:
    """CPU time and memory of processes by name, sampled at most once per SAMPLE_PERIOD_S."""

    def __init__(self) -> None:
        self._samples: dict[str, list[Sample]] = {}
        self._next = 0.0

    def sample(self, processes: Mapping[str, int]) -> None:
        """Sample the processes, if a period has passed.

        Args:
            processes: process ids by name; processes that have ended are left out.
        """
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + SAMPLE_PERIOD_S
        for name, pid in processes.items():
            if (sample := _read(pid, now)) is not None:
                self._samples.setdefault(name, []).append(sample)

    def figures(self) -> dict[str, dict[str, Any]]:
        """Summary per process: `cpu`, mean share of one core, and `memory_mb` at `begin`, `end` and `most` (peak)."""
        return {name: _figures(samples) for name, samples in self._samples.items() if len(samples) > 1}


def _figures(samples: list[Sample]) -> dict[str, Any]:
    # CPU time that decreases means that the process was restarted.
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
