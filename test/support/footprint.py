"""Footprint of a process, to check that it does not grow."""

from dataclasses import dataclass
from pathlib import Path

GIVE_BACK = {"MALLOC_ARENA_MAX": "1", "MALLOC_TRIM_THRESHOLD_": "100000", "MALLOC_MMAP_THRESHOLD_": "65536"}
"""glibc keeps freed memory, a random 80 MiB with BlazePose; with this setting resident memory is the memory in use."""


@dataclass(frozen=True)
class Footprint:
    """Resident memory, threads and open files of a process."""

    mebibytes: float
    threads: int
    files: int

    @classmethod
    def of(cls, pid: int) -> "Footprint":
        status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        files = len(list(Path(f"/proc/{pid}/fd").iterdir()))
        return cls(int(status["VmRSS"].split()[0]) / 1024, int(status["Threads"]), files)
