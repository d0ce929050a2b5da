"""pytest plugin: tests that import PyTorch, ONNX or ROS are skipped where it is missing, instead of failing.

`make matrix` loads it (`-p support.without_torch`); `make test` does not, since nothing may be missing there.
"""

import re
from collections.abc import Generator
from typing import TypeVar

import pytest

MISSING = re.compile(r"ModuleNotFoundError: No module named '(torch|onnx|safetensors|h5py|rclpy|uplift_ros\.msg)\b")
BLOCK_TORCH = """
import sys


class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "onnx", "matplotlib", "safetensors"):
            raise ImportError(f"{name} is blocked", name=name)


sys.meta_path.insert(0, Blocked())
"""
"""Program text after which these packages cannot be imported."""

Report = TypeVar("Report", pytest.CollectReport, pytest.TestReport)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    return skipped_if_missing((yield), collector)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    return skipped_if_missing((yield), item)


def skipped_if_missing(report: Report, node: pytest.Collector | pytest.Item) -> Report:
    missing = MISSING.search(str(report.longrepr)) if report.failed else None
    if missing:
        report.outcome = "skipped"
        report.longrepr = (str(node.path), 1, f"Skipped: {missing[1]} is not installed")
    return report
