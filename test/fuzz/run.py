"""Fuzz every interface that reads external data: `make fuzz`, or `python -m fuzz.run` in the folder test/.

Every case follows from the seed, the target's name and the case's number, so that `--only TARGET --case NUMBER`
reproduces a finding. Targets run in processes of their own, with limited memory and time.
"""

import argparse
import faulthandler
import multiprocessing
import os
import re
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random

import torch
from fuzz import (
    damaged_bags,
    images,
    messages,
    motion_capture,
    networks,
    onnx_files,
    parameter_files,
    recordings_on_disk,
    streams,
)
from fuzz.target import PromiseError, Target, chosen

from uplift_ros.files import write_json

MEMORY = 1 << 30
"""Limit of memory in bytes beyond that of the process at its start."""

SECONDS = 10
"""Limit of processor time for one case."""

PATIENCE = 60
"""Seconds without a heartbeat after which a process counts as hanging where no signal reaches Python."""

BATCH = 100
"""Cases between two heartbeats."""

KEPT = 20
"""Maximum number of findings of a target that are reported."""


@dataclass
class Result:
    """Result of one target.

    Attributes:
        findings: first case, count and description, by kind.
    """

    target: str
    cases: int = 0
    valid: int = 0
    seconds: float = 0.0
    findings: dict[str, tuple[int, int, str]] = field(default_factory=dict)

    def found(self, what: str, case: int) -> None:
        kind = re.sub(r"[0-9]+|'[^']*'", "", what)[:60] + what[-40:]
        first, count, text = self.findings.get(kind, (case, 0, what))
        self.findings[kind] = first, count + 1, text


def all_targets(folder: Path) -> list[Target]:
    """Every target; they write their files into `folder`."""
    modules = (
        *(messages, images, streams, parameter_files, networks, onnx_files, motion_capture, recordings_on_disk),
        damaged_bags,
    )
    return [target for module in modules for target in module.targets(folder)]


def case_of(target: Target, seed: int, number: int) -> object:
    return target.case(Random(f"{seed} {target.name} {number}"))


def fuzz(target: Target, seed: int, cases: int) -> Result:
    """Run all cases of one target, in processes that may crash."""
    result, begin = Result(target.name), time.monotonic()
    context = multiprocessing.get_context("fork")
    while result.cases < cases:
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=_work, args=(target, seed, range(result.cases, cases), theirs))
        process.start()
        theirs.close()
        for number, valid, findings in _received(ours):
            result.cases, result.valid = number, result.valid + valid
            for what, case in findings:
                result.found(what, case)
        if result.cases < cases:  # it died or hangs within the next batch: each of its cases in a process of its own
            process.kill()
            process.join()
            for number in range(result.cases, min(result.cases + BATCH, cases)):
                if what := _alone(context, target, seed, number):
                    result.found(what, number)
                result.cases = number + 1
        process.join()
    result.seconds = time.monotonic() - begin
    return result


def _received(connection: Connection) -> Iterator[tuple[int, int, list[tuple[str, int]]]]:
    with suppress(EOFError):
        while connection.poll(PATIENCE):
            yield connection.recv()


def _alone(context: multiprocessing.context.ForkContext, target: Target, seed: int, number: int) -> str:
    """Finding of one case, a crash or a hanging process included; empty if there is none."""
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(target, seed, range(number, number + 1), theirs))
    process.start()
    theirs.close()
    received = list(_received(ours))
    process.join(SECONDS)
    if process.exitcode is None:
        process.kill()
        process.join()
        return "hangs"
    if process.exitcode or not received:
        return f"process ended with {process.exitcode}"
    return "".join(what for _, _, findings in received for what, _ in findings)


def _work(target: Target, seed: int, numbers: range, connection: Connection) -> None:
    _confine()
    valid, findings = 0, []
    for number in numbers:
        case = case_of(target, seed, number)
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        try:
            valid += target.try_case(case)
        except PromiseError as finding:
            findings.append((f"{finding} {_place(finding)}"[:300], number))
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        if number + 1 == numbers.stop or (number + 1 - numbers.start) % BATCH == 0:
            connection.send((number + 1, valid, findings))
            valid, findings = 0, []
    connection.close()


def _confine() -> None:
    """Limit memory, time and threads, and silence the output of libraries."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY,) * 2)
    signal.signal(signal.SIGPROF, _too_long)
    warnings.simplefilter("ignore")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    faulthandler.disable()


def _too_long(*_: object) -> None:
    raise PromiseError(f"takes more than {SECONDS} s")


def _place(finding: PromiseError) -> str:
    """Place at which the error was raised."""
    frames = traceback.extract_tb((finding.__cause__ or finding).__traceback__)
    return f"({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""


def report(results: list[Result]) -> str:
    lines = [f"{'target':14}{'cases':>10}{'valid':>10}{'refused':>10}{'findings':>10}{'ms a case':>11}"]
    for result in results:
        wrong = sum(count for _, count, _ in result.findings.values())
        each = 1e3 * result.seconds / max(result.cases, 1)
        refused = result.cases - result.valid - wrong
        lines.append(f"{result.target:14}{result.cases:10}{result.valid:10}{refused:10}{wrong:10}{each:11.3f}")
    total = Counter()
    for result in results:
        total.update(cases=result.cases, wrong=sum(count for _, count, _ in result.findings.values()))
    lines.append(f"{'all':14}{total['cases']:10}{'':20}{total['wrong']:10}")
    for result in results:
        for case, count, what in list(result.findings.values())[:KEPT]:
            lines.append(f"{result.target}, case {case} and {count - 1} more: {what}")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=1_000_000, help="of all targets together, default %(default)s")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", default=[], metavar="TARGET")
    parser.add_argument("--case", type=int, help="only this one of the one target, with its traceback")
    parser.add_argument("--json", type=Path, help="file for the report")
    args = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:  # noqa: S108
        targets = chosen(all_targets(Path(folder)), args.only)
        if args.case is not None:
            case = case_of(targets[0], args.seed, args.case)
            print(repr(case)[:3000])
            print("valid" if targets[0].try_case(case) else "refused")
            return 0
        weights = sum(target.weight for target in targets)
        results = []
        for target in targets:
            results.append(fuzz(target, args.seed, round(args.cases * target.weight / weights)))
            print(report(results[-1:]).splitlines()[1], flush=True)
    print(report(results))
    if args.json:
        rows = [vars(result) | {"findings": list(result.findings.values())} for result in results]
        write_json(args.json, rows)
    return 1 if any(result.findings for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
