"""Report of a soak test: a table, JSON, and whether all promises were kept."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from soak.graph import Life
from soak.run import Soak

WARM = 40.0
"""Seconds of a process's life in which it loads and fills caches."""

LONG_ENOUGH = 40.0
"""Minimum seconds after that to detect growth."""

MAX_GROWTH = 24.0
"""Mebibytes between the first and the last third of the time after; a burst larger than any before takes some."""

MAX_NEW_FILES = 4
MAX_AGEING, AGE_SLACK = 1.5, 50.0
"""Factor between the median age in the first and the second half of the run, and milliseconds that do not count."""

MAX_RECOVERY = 15.0
"""Seconds."""


@dataclass(frozen=True)
class Finding:
    """One line of the report."""

    what: str
    figures: str
    kept: bool


def findings(soak: Soak) -> list[Finding]:
    """Check all promises."""
    found = [
        Finding(
            balance.what,
            f"{balance.came} of {balance.expected}, counted {balance.counted}, died {balance.died}, "
            f"unexplained {balance.unexplained}, strange {balance.strange}",
            balance.is_kept,
        )
        for balance in soak.ledger.balances()
    ]
    found += [_flat(life) for life in soak.graph.lives if _is_long(life)]
    found.append(_ageing(soak.ages))
    found += [
        Finding(f"after: {name}", f"{seconds:.2f} s", seconds < MAX_RECOVERY) for name, seconds in soak.recoveries
    ]
    tracebacks = sum("Traceback" in line for line in soak.graph.log)
    errors = sum(life.counters["errors"] for life in soak.graph.lives)
    found.append(Finding("exceptions in callbacks", f"{tracebacks + errors}", tracebacks + errors == 0))
    found.append(Finding("skeletons that are not finite", f"{soak.bad}", soak.bad == 0))
    return found


def as_json(soak: Soak, seed: int, found: Sequence[Finding]) -> dict:
    return {
        "seconds": soak.seconds,
        "seed": seed,
        "images": len(soak.ledger.images),
        "balances": [asdict(balance) | {"unexplained": balance.unexplained} for balance in soak.ledger.balances()],
        "counted": soak.ledger.counted,
        "age_ms": {f"p{share}": _percentile(soak.ages, share) for share in (50, 99)},
        "recoveries": [
            {"fault": name, "seconds": round(seconds, 2) if seconds < math.inf else None}
            for name, seconds in soak.recoveries
        ],
        "footprints": [
            {"node": life.node, "at": round(at, 1), **asdict(footprint)}
            for life in soak.graph.lives
            for at, footprint in life.footprints
        ],
        "findings": [asdict(finding) for finding in found],
    }


def _percentile(ages: Sequence[tuple[float, float]], share: int) -> float | None:
    return round(float(np.percentile([age for _, age in ages], share)), 1) if ages else None


def _warm(life: Life) -> list:
    return [footprint for at, footprint in life.footprints if at - life.footprints[0][0] > WARM]


def _is_long(life: Life) -> bool:
    return bool(life.footprints) and life.footprints[-1][0] - life.footprints[0][0] > WARM + LONG_ENOUGH


def _flat(life: Life) -> Finding:
    warm = _warm(life)
    third = max(1, len(warm) // 3)
    first, last = warm[:third], warm[-third:]
    growth = float(np.median([f.mebibytes for f in last]) - np.median([f.mebibytes for f in first]))
    files = max(f.files for f in last) - max(f.files for f in first)
    figures = f"{warm[-1].mebibytes:.0f} MiB, {growth:+.1f} MiB, {files:+d} files"
    return Finding(f"{life.node} holds", figures, growth < MAX_GROWTH and files <= MAX_NEW_FILES)


def _ageing(ages: Sequence[tuple[float, float]]) -> Finding:
    if len(ages) < 20:
        return Finding("age_ms", "too few", False)
    half = len(ages) // 2
    first, second = (float(np.median([age for _, age in part])) for part in (ages[:half], ages[half:]))
    figures = f"p50 {first:.0f}, then {second:.0f}; p99 {_percentile(ages, 99)}"
    return Finding("age_ms", figures, second < MAX_AGEING * first + AGE_SLACK)
