"""Imports have one direction (docs/ARCHITECTURE.md); read from the source, so that no installation is needed."""

import ast
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import suppress
from graphlib import CycleError, TopologicalSorter
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from support.places import ROOT

PACKAGE = ROOT / "uplift_ros"
MODULES = {
    ".".join(("uplift_ros", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}

LAYERS = (
    {
        "bone_frames",
        "camera",
        "fastdds",
        "files",
        "human_model",
        "intrinsics",
        "metrics",
        "parameters",
        "paths",
        "poses",
        "settings",
        "similarity",
        "skeleton",
        "transforms",
    },
    {"models"},
    {"streaming", "estimators", "sources", "messages"},
    {"stages"},
    {"pipeline"},
    {"bags", "offline", "drawing"},
    {"nodes", "cli", "doctor", "lab"},
)
"""Rooms, the lowest first. A room imports from its own layer and those below."""

LAB_LAYERS = (
    {"data", "device", "export", "plain", "smoothnet", "whole_sequence"},
    {"training", "import_weights"},
    {"evaluation"},
    {"studies"},
    {"plots", "bench"},
)
"""The same inside lab."""

WITH_ROS = ("uplift_ros.nodes.", "uplift_ros.bags.record", "uplift_ros.bags.play", "uplift_ros.messages.ros_classes")


def imported(path: Path, everywhere: bool) -> Iterator[str]:
    """Imports of a file, `from a import b` as "a.b"; with `everywhere` inside functions too."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree) if everywhere else tree.body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def own_modules(names: Iterator[str]) -> set[str]:
    """The modules of this package among imported names, of which some are a module's functions and classes."""
    return {candidate for name in names for candidate in (name, name.rpartition(".")[0]) if candidate in MODULES} - {
        "uplift_ros"
    }


def layer(module: str) -> int:
    room = module.split(".")[1]
    for number, rooms in enumerate(LAYERS):
        if room in rooms:
            return number
    pytest.fail(f"{room} has no layer: which one is it of?")


@pytest.mark.parametrize("module", [module for module in MODULES if module != "uplift_ros"])
def test_a_module_imports_only_from_its_own_layer_and_below(module):
    above = {name for name in own_modules(imported(MODULES[module], everywhere=True)) if layer(name) > layer(module)}
    assert not above


def lab_layer(module: str) -> int:
    return next(number for number, rooms in enumerate(LAB_LAYERS) if module.split(".")[2] in rooms)


@pytest.mark.parametrize("module", [module for module in MODULES if module.startswith("uplift_ros.lab.")])
def test_a_module_of_lab_imports_only_from_its_own_layer_of_lab_and_below(module):
    ours = {
        name for name in own_modules(imported(MODULES[module], everywhere=True)) if name.startswith("uplift_ros.lab.")
    }
    assert not {name for name in ours if lab_layer(name) > lab_layer(module)}


WITH_TORCH = ("uplift_ros.models.uplift", "uplift_ros.models.synsp", "uplift_ros.models.weights", "uplift_ros.lab.")
FOR_RESEARCH = {"torch", "safetensors", "matplotlib", "onnx"}
"""Packages that a robot does not need."""


@pytest.mark.parametrize("module", [module for module in MODULES if not f"{module}.".startswith(WITH_TORCH)])
def test_a_module_that_runs_on_a_robot_needs_no_pytorch(module):
    names = set(imported(MODULES[module], everywhere=True))
    assert not {name.split(".")[0] for name in names} & FOR_RESEARCH
    assert not [name for name in own_modules(iter(names)) if f"{name}.".startswith(WITH_TORCH)]


@pytest.mark.parametrize("module", [module for module in MODULES if not module.startswith(WITH_ROS)])
def test_a_module_outside_the_nodes_imports_no_ros(module):
    packages = {
        name.split(".")[0] for name in imported(MODULES[module], everywhere=True) if not name.startswith("uplift_ros.")
    }
    ros = {name for name in packages if name.startswith("rcl") or name.endswith(("_msgs", "_interfaces"))}
    ours = {name for name in imported(MODULES[module], everywhere=True) if name.startswith("uplift_ros.msg.")}
    assert not ros | ours


def test_no_modules_import_each_other_in_a_circle():
    graph = {module: own_modules(imported(MODULES[module], everywhere=False)) - {module} for module in MODULES}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


@pytest.mark.parametrize("algorithm", ["AdaptiveStride", "StreamingUplifter", "StreamingRefiner"])
def test_what_parameters_describe_is_constructed_in_one_place(algorithm):
    def constructs(module: str) -> bool:
        calls = (node for node in ast.walk(ast.parse(MODULES[module].read_text())) if isinstance(node, ast.Call))
        return any(ast.unparse(call.func).split(".")[-1] == algorithm for call in calls)

    assert [module for module in MODULES if constructs(module)] == ["uplift_ros.stages.build"]


TESTED_BY = {
    "bags.ground_truth": "bags/test_summary",
    "bags.play": "ros/test_record",
    "bags.topics": "ros/test_record",
    "lab.device": "lab/training/test_train_uplift",
    "lab.plots.plot": "lab/plots/test_plots",
    "lab.plots.style": "lab/plots/test_plots",
    "lab.studies.study": "lab/studies/test_calibration",
    "nodes.graph.image_load": "ros/test_bench_images",
    "nodes.graph.launching": "test_launch",
    "nodes.graph.supervisor": "ros/test_run",
    "nodes.lifecycle.descriptor": "ros/test_lifecycle",
    "nodes.lifecycle.reporting": "ros/test_lifecycle",
    "sources.matroska": "sources/test_container",
    "sources.video_track": "sources/test_container",
    "nodes.links.bodies": "ros/test_humans",
    "nodes.links.broadcast": "ros/test_visualizer",
    "nodes.links.camera_info": "ros/test_calibration",
    "nodes.links.optional": "ros/test_humans",
    "nodes.links.overlay": "ros/test_visualizer",
    "offline.keyframe_intervals": "offline/test_process",
    "offline.results": "offline/test_process_outputs",
    "stages.problem": "stages/test_uplifting",
}
"""Tests of modules that none imports by name: commands, nodes and what only another module uses."""


def test_every_module_has_a_test_of_its_name_or_one_that_imports_it_or_is_listed():
    files = list((ROOT / "test").rglob("*.py"))
    named = {path.stem.removeprefix("test_") for path in files if path.stem.startswith("test_")}
    used = own_modules(name for path in files for name in imported(path, everywhere=True))
    untested = {
        module.removeprefix("uplift_ros.")
        for module, path in MODULES.items()
        if path.read_text() and path.stem != "__init__"
        if module not in used and path.stem.removesuffix("_node") not in named
    }
    assert untested == set(TESTED_BY)
    assert [test for test in TESTED_BY.values() if not (ROOT / "test" / f"{test}.py").exists()] == []


def constants(module: str) -> dict[str, object]:
    """Values of the constants that a module defines itself; none without a package that it needs."""
    names = {
        node.id
        for statement in ast.parse(MODULES[module].read_text()).body
        if isinstance(statement, ast.Assign | ast.AnnAssign)
        for node in ast.walk(statement)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id.isupper()
    }
    with suppress(ModuleNotFoundError):
        return {name: getattr(import_module(module), name) for name in names}
    return {}


def test_no_constant_of_one_name_has_several_values():
    values: dict[str, list[object]] = defaultdict(list)
    for module in MODULES:
        for name, value in constants(module).items():
            values[name].append(value)
    several = {
        name for name, found in values.items() if any(not np.array_equal(found[0], other) for other in found[1:])
    }
    assert several == set()


WALKS = [
    re.findall(r"^\d+\. \[[^]]+\]\(\.\./([^)]+)\)", text, re.MULTILINE)
    for text in re.split(r"\n\n(?=1\. )", (ROOT / "docs" / "ARCHITECTURE.md").read_text())[1:]
]
"""The files of each numbered walk of an image."""


def topics(module: str, advertised: bool) -> set[str]:
    """Texts in a module that may be names of topics; of those that it advertises."""
    tree = ast.parse(MODULES[module].read_text())
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    roots = [call for call in calls if ast.unparse(call.func) == "self.advertise"] if advertised else [tree]
    constants = (node for root in roots for node in ast.walk(root) if isinstance(node, ast.Constant))
    return {node.value for node in constants if isinstance(node.value, str)}


def test_there_is_a_walk_of_an_image_live_and_one_offline():
    live, offline = WALKS
    assert (live[0], offline[0]) == ("uplift_ros/nodes/camera_node.py", "uplift_ros/offline/process.py")


@pytest.mark.parametrize("walk", WALKS, ids=["live", "offline"])
def test_an_image_walks_along_imports_and_topics(walk):
    """Every file is imported by one before it, or is a node that takes a topic which one before it publishes."""
    modules = [path.removesuffix(".py").replace("/", ".") for path in walk]
    assert len(modules) <= 12
    for number, module in enumerate(modules[1:], 1):
        before = modules[:number]
        called = any(module in own_modules(imported(MODULES[earlier], everywhere=True)) for earlier in before)
        sent = set().union(*(topics(earlier, advertised=True) for earlier in before))
        assert called or (".nodes." in module and sent & topics(module, advertised=False)), module


def test_no_two_modules_have_the_same_name():
    names = Counter(path.stem for path in MODULES.values() if path.stem != "__init__")
    assert [name for name, count in names.items() if count > 1] == []
