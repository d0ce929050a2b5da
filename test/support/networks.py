"""Third-party networks; tests that need missing ones are skipped."""

import pytest


def require_blazepose() -> None:
    """Skip unless the default 2D estimator can run."""
    pytest.importorskip("ai_edge_litert", reason="BlazePose needs ai-edge-litert")
    from uplift_ros.estimators import blazepose_files

    try:
        blazepose_files.locate("full")
    except ValueError as error:
        pytest.skip(str(error))
