import os
import subprocess
import sys
import time

import pytest

from uplift_ros.nodes.graph import usage
from uplift_ros.nodes.graph.usage import Usage

pytestmark = pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="reads /proc")

BUSY = """
import time
print(flush=True)
end = time.process_time() + 60
while time.process_time() < end:
    pass
"""


def sample_for(seconds: float, processes: dict[str, int], monkeypatch) -> dict:
    monkeypatch.setattr(usage, "SAMPLE_PERIOD_S", 0.05)
    watched, end = Usage(), time.monotonic() + seconds
    while time.monotonic() < end:
        watched.sample(processes)
        time.sleep(0.01)
    return watched.figures()


@pytest.fixture
def busy():
    with subprocess.Popen([sys.executable, "-c", BUSY], stdout=subprocess.PIPE) as process:
        process.stdout.readline()  # before that, it may have no memory yet
        yield process
        process.kill()


def test_a_busy_process_takes_more_of_a_core_than_a_sleeping_one(busy, monkeypatch):
    asleep = "print(flush=True); __import__('time').sleep(60)"
    with subprocess.Popen([sys.executable, "-c", asleep], stdout=subprocess.PIPE) as sleeping:
        sleeping.stdout.readline()  # an interpreter uses CPU time to start
        figures = sample_for(1.0, {"busy": busy.pid, "sleeping": sleeping.pid}, monkeypatch)
        sleeping.kill()
    assert 0.0 <= figures["sleeping"]["cpu"] < figures["busy"]["cpu"] <= 1.1


def test_memory_is_reported_in_megabytes(busy, monkeypatch):
    memory = sample_for(0.3, {"busy": busy.pid}, monkeypatch)["busy"]["memory_mb"]
    assert 0.0 < memory["begin"] <= memory["most"] < 500.0
    assert memory["end"] <= memory["most"]


def test_a_process_that_is_gone_has_no_figures(monkeypatch):
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert sample_for(0.2, {"gone": process.pid}, monkeypatch) == {}


def test_it_samples_no_more_than_once_a_period(busy):
    watched = Usage()
    for _ in range(10):
        watched.sample({"busy": busy.pid})
    assert watched.figures() == {}, "one sample has no share"
