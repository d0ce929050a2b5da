"""Actions of the launch files and their order without an installed launch: stand-ins record them.

test_launch.py launches real processes.
"""

import importlib.util
import re
import signal
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import yaml
from support.places import ROOT

MODULES = (
    "launch", "launch.actions", "launch.event_handlers", "launch.events", "launch.events.process",
    "launch.launch_description_sources", "launch_ros", "launch_ros.actions", "ament_index_python",
    "ament_index_python.packages",
)  # fmt: skip


class Action:
    """Stand-in for any class of launch: keeps its arguments."""

    def __init__(self, *arguments, **options) -> None:
        self.arguments, self.options = arguments, options
        self.__dict__.update(options)


class NotFoundError(Exception):
    pass


@pytest.fixture
def launch_file(monkeypatch):
    """Loads a launch file; packages of the set `missing` are not installed."""
    missing: set[str] = set()

    def prefix(package: str) -> str:
        if package in missing:
            raise NotFoundError(package)
        return "/opt"

    class StandIn(ModuleType):
        __path__ = ()

        def __getattr__(self, name: str):
            if name.startswith("__"):
                raise AttributeError(name)
            return {"PackageNotFoundError": NotFoundError, "get_package_prefix": prefix}.get(
                name, type(name, (Action,), {})
            )

    for name in MODULES:
        monkeypatch.setitem(sys.modules, name, StandIn(name))
    monkeypatch.delitem(sys.modules, "uplift_ros.nodes.graph.launching", raising=False)

    def load(name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(f"launched_{name}", ROOT / "launch" / f"{name}.launch.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    yield load, missing
    sys.modules.pop("uplift_ros.nodes.graph.launching", None)


def context(module, **given) -> SimpleNamespace:
    """The arguments of uplift.launch.py with their defaults, and what was given."""
    declared = {
        argument.arguments[0]: argument.options.get("default_value", "")
        for argument in getattr(module, "ARGUMENTS", ())
    }
    return SimpleNamespace(launch_configurations=declared | given)


def kinds(actions) -> list[str]:
    return [type(action).__name__ for action in actions]


@pytest.mark.parametrize(("argument", "package"), [("rviz", "rviz2"), ("humans", "hri_msgs"), ("record", "ros2bag")])
def test_nothing_starts_if_the_package_of_an_argument_is_missing(launch_file, argument, package):
    load, missing = launch_file
    uplift = load("uplift")
    missing.add(package)
    with pytest.raises(RuntimeError, match=f"{argument}.*{package}"):
        uplift.start(context(uplift, **{argument: "true"}))
    assert kinds(uplift.start(context(uplift))) == ["Node"] * 4


def test_a_replay_looks_for_rosbag2_before_it_starts_nodes_and_the_player_last(launch_file):
    load, missing = launch_file
    replay = load("replay")
    (actions,) = replay.generate_launch_description().arguments
    order = [action for action in actions if type(action).__name__ in ("OpaqueFunction", "IncludeLaunchDescription")]
    assert kinds(order) == ["OpaqueFunction", "IncludeLaunchDescription", "OpaqueFunction"]
    missing.add("ros2bag")
    with pytest.raises(RuntimeError, match="ros2bag"):
        order[0].function(context(replay))
    assert order[2].function is replay.player


def test_the_demo_starts_its_camera_after_the_check_of_packages(launch_file):
    load, _ = launch_file
    demo = load("demo")
    (actions,) = demo.generate_launch_description().arguments
    order = [action for action in actions if type(action).__name__ in ("OpaqueFunction", "IncludeLaunchDescription")]
    assert kinds(order) == ["IncludeLaunchDescription", "OpaqueFunction"]
    assert order[1].function is demo.camera


def test_the_recording_of_several_cameras_does_not_change_the_name_of_each(launch_file):
    load, _ = launch_file
    several = load("multi_camera")
    arguments = context(load("uplift"), record="walk", target_frame="map").launch_configurations
    together = several.together(["front", "rear"], arguments)
    assert type(together).__name__ == "GroupAction"
    (actions,) = together.arguments
    assert dict(actions[-1].launch_arguments) == {"bag": "walk_together", "namespace": ""}


def test_a_recording_is_included_in_a_scope_of_its_own(launch_file):
    load, _ = launch_file
    uplift = load("uplift")
    *_, recording = uplift.start(context(uplift, record="walk"))
    assert type(recording).__name__ == "GroupAction"
    (((included,),),) = (recording.arguments,)
    assert dict(included.launch_arguments) == {"bag": "walk"}


def test_a_player_that_fails_ends_the_launch_with_an_error(launch_file):
    load, _ = launch_file
    replay = load("replay")
    with pytest.raises(RuntimeError, match="exit code 2"):
        replay.ended(SimpleNamespace(returncode=2), None)


def test_the_nodes_end_before_the_launch_when_the_bag_has_ended(launch_file):
    load, _ = launch_file
    replay = load("replay")
    waiting, without_refiner, stop = replay.ended(SimpleNamespace(returncode=0), None)
    (after_refiner,) = waiting.arguments
    assert type(after_refiner.on_exit).__name__ == "Shutdown"
    assert without_refiner.actions == [after_refiner.on_exit]
    assert stop.event.signal_number == signal.SIGINT
    nodes = {name: replay.Node(node_executable=name) for name in ("camera", "uplift", "refiner", "visualizer")}
    assert [name for name, node in nodes.items() if stop.event.process_matcher(node)] == ["uplift", "refiner"]
    assert [name for name, node in nodes.items() if after_refiner.target_action(node)] == ["refiner"]
    assert not stop.event.process_matcher(Action(node_executable="uplift"))


def test_recorders_have_room_for_bursts_of_skeletons(launch_file):
    load, _ = launch_file
    record = load("record")
    (process,) = record.record(context(record, namespace="front", bag="walk", images="none", camera_info="info"))
    command = process.cmd
    overrides = yaml.safe_load(Path(command[command.index("--qos-profile-overrides-path") + 1]).read_text())
    recorded = re.compile(command[command.index("--regex") + 1])
    assert {"/front/skeletons", "/front/skeletons/raw", "/front/keyframes", "/front/markers"} <= set(overrides)
    for topic, profile in overrides.items():
        assert recorded.fullmatch(topic)
        assert profile["history"] == "keep_last"
        assert profile["depth"] >= 1000


@pytest.mark.parametrize(
    ("given", "playout"),
    [({"rviz": "true"}, True), ({"rviz": "true", "playout": "false"}, False), ({}, None), ({"playout": "true"}, True)],
)
def test_skeletons_leave_one_by_one_if_they_are_displayed(launch_file, given, playout):
    load, _ = launch_file
    uplift = load("uplift")
    chosen = uplift.chosen_parameters(context(uplift, **given).launch_configurations, uplift.NODES)
    assert chosen["uplift"].get("playout") is playout


def test_the_recipe_of_sros2_makes_a_key_for_every_node(launch_file):
    load, _ = launch_file
    uplift = load("uplift")
    started = uplift.start(context(uplift, enclave="/robot", rviz="true", humans="true"))
    (line,) = re.findall(r"ros2 security create_enclave keystore (.*)", (ROOT / "docs" / "ROBOT.md").read_text())
    named = set(re.findall(r"\w+", line.replace("and ", "").replace("/robot/", "")))
    assert named == {node.ros_arguments[1].rpartition("/")[2] for node in started} | {"camera"}


def test_nodes_are_plain_processes_which_launch_needs_no_key_to_start(launch_file):
    load, _ = launch_file
    uplift = load("uplift")
    started = uplift.start(context(uplift, enclave="/robot"))
    assert kinds(started) == ["Node"] * 4
    assert all(node.ros_arguments == ["--enclave", f"/robot/{node.name}"] for node in started)
