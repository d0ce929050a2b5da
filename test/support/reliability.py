"""The table in docs/RELIABILITY.md, from the JUnit report of a test run: fault, promise, measured recovery, test.

python test/support/reliability.py out/tests.xml
"""

import re
import sys
from pathlib import Path
from xml.etree import ElementTree

from support.places import ROOT

PAGE = ROOT / "docs" / "RELIABILITY.md"
BEGIN, END = "<!-- made by test/support/reliability.py -->", "<!-- end -->"


def rows(report: Path) -> list[str]:
    """A row for every test that measured a recovery; a test that failed says so."""
    found = []
    for case in ElementTree.parse(report).iter("testcase"):  # noqa: S314 (our own file)
        noted = {entry.get("name"): entry.get("value") for entry in case.iter("property")}
        if "fault" not in noted:
            continue
        file = f"{case.get('classname', '').replace('.', '/')}.py"
        test = str(case.get("name")).split("[")[0]
        measured = "failed" if case.find("failure") is not None else f"{noted['recovery_s']} s"
        found.append(f"| {noted['fault']} | {noted['promise_s']} s | {measured} | [{test}](../{file}) |")
    return found


def main(reports: list[Path]) -> None:
    measured = [row for report in reports for row in rows(report)]
    table = ["| fault | promise | measured | test |", "|---|---|---|---|", *measured]
    text = "\n".join([BEGIN, "", *table, "", END])
    PAGE.write_text(re.sub(f"{BEGIN}.*{END}", lambda _: text, PAGE.read_text(), flags=re.DOTALL))


if __name__ == "__main__":
    main([Path(report) for report in sys.argv[1:]])
