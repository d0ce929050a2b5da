"""No library that runs on a robot reports to its maker."""

import os
import subprocess
import sys

from uplift_ros.paths import shipped_weights

LOAD = "from uplift_ros.models.runtime import load_uplift; load_uplift({name!r})"
SUPPRESSING = ("CI", "ORT_DISABLE_TELEMETRY", "ORT_RUNNING_UNIT_TESTS")
"""Variables that ONNX Runtime takes as a request for no reports."""


def test_onnx_runtime_keeps_no_identifier_of_the_machine_and_no_reports(tmp_path):
    """Its wheels from 1.29 on make both in the user's cache before they send anything."""
    environment = {name: value for name, value in os.environ.items() if name not in SUPPRESSING}
    environment |= {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    code = LOAD.format(name=shipped_weights(".onnx")[0])
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    assert list(tmp_path.rglob("*")) == []
