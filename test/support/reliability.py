"""The tables in docs/RELIABILITY.md, from the JUnit report of a test run: fault, promise, measured recovery, by test.

`make reliability` runs it.
"""

import re
import sys
from pathlib import Path
from xml.etree import ElementTree

from support.places import ROOT

PAGE = ROOT / "docs" / "RELIABILITY.md"
HEAD = ("| fault | promise | measured |", "|---|---|---|")
BEGIN, END = "<!-- made by test/support/reliability.py -->", "<!-- end -->"


def tables(report: Path) -> list[str]:
    """Lines of a table for every test that measured recoveries, a row for each of its cases; a failed case says so."""
    found: dict[str, list[str]] = {}
    for case in ElementTree.parse(report).iter("testcase"):  # noqa: S314 (our own file)
        noted = {entry.get("name"): entry.get("value") for entry in case.iter("property")}
        if "fault" not in noted:
            continue
        file = f"{case.get('classname', '').replace('.', '/')}.py"
        test = str(case.get("name")).split("[")[0]
        measured = "failed" if case.find("failure") is not None else f"{noted['recovery_s']} s"
        rows = found.setdefault(f"[{test}](../{file}):", [])
        rows.append(f"| {noted['fault']} | {noted['promise_s']} s | {measured} |")
    return [line for test, rows in found.items() for line in (test, "", *HEAD, *rows, "")]


def missed(report: Path) -> list[str]:
    """A line for every promise that was not kept."""
    lines = []
    for case in ElementTree.parse(report).iter("testcase"):  # noqa: S314 (our own file)
        noted = {entry.get("name"): entry.get("value") for entry in case.iter("property")}
        if "fault" in noted and float(noted["recovery_s"]) > float(noted["promise_s"]):
            lines.append(
                f"{noted['fault']}: recovered after {noted['recovery_s']} s, promised are {noted['promise_s']} s"
            )
    return lines


def main(report: Path) -> int:
    text = "\n".join([BEGIN, "", *tables(report), END])
    PAGE.write_text(re.sub(f"{BEGIN}.*{END}", lambda _: text, PAGE.read_text(), flags=re.DOTALL))
    print("\n".join(missed(report)))
    return 1 if missed(report) else 0


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1])))
