"""Ten rounds through the lifecycle of every node need no more memory than three."""

import pytest
from support.footprint import GIVE_BACK, Footprint

ROUND = ("configure", "activate", "deactivate", "cleanup")
ROUNDS, WARM = 10, 3
"""The first rounds load libraries and fill caches."""

MAX_GROWTH = dict.fromkeys(("camera", "uplift", "refiner", "visualizer", "humans"), 8.0) | {"pose_estimator": 40.0}
"""Mebibytes of resident memory over the seven rounds after the warm ones. Measured: below 1, and 12 to 26 with
BlazePose, whose growth ends after about twenty rounds; a network left behind in each would be 60 to 70."""

PARAMETERS = {
    "camera": {"source": "synthetic", "width": 160, "height": 120},
    "pose_estimator": {"backend": "blazepose"},
    "uplift": {},
    "refiner": {"method": "synsp"},
    "visualizer": {},
    "humans": {"publish_tf": False},
}


@pytest.fixture(params=PARAMETERS)
def node(request, start_script, random_weights, monkeypatch):
    """(name, process) of an unconfigured node."""
    for variable, value in GIVE_BACK.items():
        monkeypatch.setenv(variable, value)
    name = request.param
    if name == "pose_estimator":
        request.getfixturevalue("blazepose_files")
    if name == "humans":
        pytest.importorskip("hri_msgs", reason="the node humans needs hri_msgs")
    model = {"model": random_weights[name]} if name in random_weights else {}
    return name, start_script(name, autostart=False, **PARAMETERS[name], **model)


def test_ten_rounds_through_the_lifecycle_leave_nothing_behind(node, observer):
    name, process = node
    footprints = []
    for _ in range(ROUNDS):
        for transition in ROUND:
            assert observer.change_state(name, transition), transition
        footprints.append(Footprint.of(process.pid))
    assert observer.state(name) == "unconfigured"
    warm, last = footprints[WARM - 1], footprints[-1]
    observer.wait_for(lambda: Footprint.of(process.pid).threads <= warm.threads)  # one may be on its last instructions
    assert last.files <= warm.files, footprints
    assert last.mebibytes - warm.mebibytes < MAX_GROWTH[name], footprints


def test_an_active_node_shuts_down(node, observer):
    name, _ = node
    for transition in ("configure", "activate"):
        assert observer.change_state(name, transition)
    assert observer.change_state(name, "shutdown")
    assert observer.state(name) == "finalized"
