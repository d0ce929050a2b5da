"""Report of `make soak`."""

import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
from soak import report
from soak.faults import starve
from soak.ledger import Ledger

from uplift_ros.files import write_json


def test_a_fault_after_which_nothing_came_is_written_as_one_and_breaks_the_promise(tmp_path):
    ages = [(second, 100.0) for second in np.linspace(0.0, 60.0, 30).tolist()]
    recoveries = [("uplift killed", 2.0), ("camera silent", math.inf)]
    graph = SimpleNamespace(lives=[], log=[])
    soak = SimpleNamespace(seconds=60.0, ledger=Ledger(), ages=ages, recoveries=recoveries, graph=graph, bad=0)
    found = report.findings(soak)
    assert [finding.what for finding in found if not finding.kept] == ["after: camera silent"]
    write_json(tmp_path / "soak.json", report.as_json(soak, 0, found))
    written = json.loads((tmp_path / "soak.json").read_text())["recoveries"]
    assert [recovery["seconds"] for recovery in written] == [2.0, None]


def test_loops_that_starve_the_processor_end_with_a_soak_that_is_interrupted(monkeypatch):
    loops = []

    class Loop:
        def __init__(self, _command) -> None:
            self.killed = False
            loops.append(self)

        def kill(self) -> None:
            self.killed = True

        def wait(self) -> None:
            pass

    monkeypatch.setattr("soak.faults.subprocess.Popen", Loop)
    with pytest.raises(KeyboardInterrupt), starve(None):
        raise KeyboardInterrupt
    assert loops
    assert all(loop.killed for loop in loops)
