"""The table in docs/RELIABILITY.md, from the JUnit report of a test run: faults, promise and slowest recovery by test.

`make reliability` runs it.
"""

import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from support.places import ROOT

PAGE = ROOT / "docs" / "RELIABILITY.md"
HEAD = ("| test | faults | promise | slowest recovery |", "|---|---|---|---|")
BEGIN, END = "<!-- made by test/support/reliability.py -->", "<!-- end -->"


def recoveries(report: Path) -> Iterator[tuple[str, str, str, str]]:
    """(test, promise, fault, measured) of every case that measured a recovery; a failed case has inf."""
    for case in ElementTree.parse(report).iter("testcase"):  # noqa: S314 (our own file)
        noted = {str(entry.get("name")): str(entry.get("value")) for entry in case.iter("property")}
        if "fault" not in noted:
            continue
        file = f"{case.get('classname', '').replace('.', '/')}.py"
        measured = "inf" if case.find("failure") is not None else noted["recovery_s"]
        yield f"[{Path(file).stem}](../{file})", noted["promise_s"], noted["fault"], measured


def table(rows: Iterator[tuple[str, str, str, str]]) -> list[str]:
    """Lines of the table: a row for the cases of one test file with one promise."""
    found: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for test, promise, fault, measured in rows:
        found[test, promise][fault] = measured
    lines = list(HEAD)
    for (test, promise), cases in found.items():
        slowest = max(cases, key=lambda fault: float(cases[fault]))
        measured = f"{cases[slowest]} s".replace("inf s", "failed")
        lines.append(f"| {test} | {len(cases)} | {promise} s | {measured} ({slowest}) |")
    return lines


def missed(report: Path) -> list[str]:
    """A line for every promise that was not kept."""
    return [
        f"{fault}: recovered after {measured} s, promised are {promise} s"
        for _, promise, fault, measured in recoveries(report)
        if float(measured) > float(promise)
    ]


def main(report: Path) -> int:
    text = "\n".join([BEGIN, "", *table(recoveries(report)), "", END])
    PAGE.write_text(re.sub(f"{BEGIN}.*{END}", lambda _: text, PAGE.read_text(), flags=re.DOTALL))
    print("\n".join(missed(report)))
    return 1 if missed(report) else 0


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1])))
