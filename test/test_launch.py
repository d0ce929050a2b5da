"""Launch files: their processes, parameters, topics and environment. Needs launch_ros.

Processes are really launched, but with a prefix that prints the command instead of running it.
"""

import os
import re
from functools import partial
from pathlib import Path

import pytest
from support.launches import FOLDER, PROFILES, Process, launched_processes
from support.places import ROOT

pytest.importorskip("launch_ros", reason="launch_ros is not installed")

from ament_index_python.packages import get_packages_with_prefixes
from launch.launch_description_sources import get_launch_description_from_python_launch_file

FILES = sorted(path.name for path in FOLDER.glob("*.launch.py"))
GRAPH = {"pose_estimator", "uplift", "refiner", "visualizer"}


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Packages that need not be there, because no process of them runs; a test may remove one."""
    index = tmp_path / "prefix/share/ament_index/resource_index/packages"
    index.mkdir(parents=True)
    for package in ("ros2bag", "hri_msgs", "rviz2"):
        (index / package).touch()
    (tmp_path / "prefix/lib/rviz2").mkdir(parents=True)
    (tmp_path / "prefix/lib/rviz2/rviz2").touch(mode=0o755)
    monkeypatch.setenv("AMENT_PREFIX_PATH", f"{os.environ['AMENT_PREFIX_PATH']}{os.pathsep}{tmp_path / 'prefix'}")
    return index


@pytest.fixture
def launched(tmp_path, installed):
    """`launched_processes` in a folder of this test."""
    return partial(launched_processes, scratch=tmp_path)


@pytest.fixture
def launch(launched):
    """As `launched`, by name; in namespaces as `front/uplift`."""

    def run(file: str | Path, *arguments: str, environment: dict[str, str] | None = None) -> dict[str, Process]:
        return {
            f"{process.rules.get('__ns', '').strip('/')}/{process.executable}".strip("/"): process
            for process in launched(file, *arguments, environment=environment)
        }

    return run


def enclave(process: Process) -> str:
    return process.command[process.command.index("--enclave") + 1]


@pytest.mark.parametrize("file", FILES)
def test_every_argument_is_listed_with_a_description(file):
    arguments = get_launch_description_from_python_launch_file(str(FOLDER / file)).get_launch_arguments()
    assert arguments
    for argument in arguments:
        assert argument.description not in ("", "no description given"), argument.name


def test_uplift_takes_what_users_turn():
    file = str(FOLDER / "uplift.launch.py")
    arguments = {each.name for each in get_launch_description_from_python_launch_file(file).get_launch_arguments()}
    assert arguments >= {"stride", "stride_slow", "stride_fast", "velocity_threshold", "hold_frames", "model", "device"}
    assert arguments >= {"latency", "image", "camera_info", "depth", "image_transport", "namespace", "params_file"}
    assert arguments >= {"rviz", "humans", "record", "use_sim_time", "respawn"}


def test_arguments_that_are_not_given_leave_the_parameter_file_alone(launch, tmp_path):
    (tmp_path / "mine.yaml").write_text("/**/uplift: {ros__parameters: {stride: 8}}")
    processes = launch("uplift.launch.py", f"params_file:={tmp_path}/mine.yaml")
    assert set(processes) == GRAPH
    for process in processes.values():
        assert f"{tmp_path}/mine.yaml" in process.command
        assert process.parameters == {"use_sim_time": False}


def test_a_missing_parameter_file_is_named(launch):
    with pytest.raises(RuntimeError, match=r"params_file.*/nowhere/mine.yaml"):
        launch("uplift.launch.py", "params_file:=/nowhere/mine.yaml")


def test_a_number_as_stride_fixes_it_in_both_nodes(launch):
    processes = launch("uplift.launch.py", "stride:=10")
    assert processes["uplift"].parameters == {"use_sim_time": False, "stride_mode": "fixed", "stride": 10}
    assert processes["pose_estimator"].parameters == {"use_sim_time": False, "stride": 10}


def test_the_stride_may_be_adaptive(launch):
    processes = launch("uplift.launch.py", "stride:=adaptive", "stride_fast:=8", "velocity_threshold:=0.4")
    expected = {"use_sim_time": False, "stride_mode": "adaptive", "stride_fast": 8, "velocity_threshold": 0.4}
    assert processes["uplift"].parameters == expected


@pytest.mark.parametrize("stride", ["often", "-4", "2.5"])
def test_another_stride_is_refused_with_what_is_allowed(launch, stride):
    with pytest.raises(RuntimeError, match="stride"):
        launch("uplift.launch.py", f"stride:={stride}")


def test_device_is_for_all_networks_that_can_use_it_and_model_for_uplift(launch):
    processes = launch("uplift.launch.py", "device:=cuda:0", "model:=n351")
    having = {name for name, process in processes.items() if process.parameters.get("device") == "cuda:0"}
    assert having == {"uplift", "refiner"}
    assert [name for name, process in processes.items() if "model" in process.parameters] == ["uplift"]
    processes = launch("uplift.launch.py", "device:=cuda:0", "backend:=onnx", "model_path:=/det.onnx,/pose.onnx")
    assert processes["pose_estimator"].parameters["device"] == "cuda:0"
    assert processes["pose_estimator"].parameters["model_path"] == "/det.onnx,/pose.onnx"


def test_image_topics_are_remapped_with_their_compressed_form(launch):
    processes = launch("uplift.launch.py", "image:=/cam/image", "camera_info:=/cam/info", "namespace:=robot")
    assert set(processes) == {f"robot/{name}" for name in GRAPH}
    rules = processes["robot/pose_estimator"].rules
    assert rules["image_raw"] == "/cam/image"
    assert rules["image_raw/compressed"] == "/cam/image/compressed"
    assert rules["camera_info"] == "/cam/info"


def test_every_node_has_its_own_enclave_below_the_one_given(launch):
    for name, process in launch("uplift.launch.py", "enclave:=/robot/").items():
        assert enclave(process) == f"/robot/{name}"
    assert not any("--enclave" in process.command for process in launch("uplift.launch.py").values())


def test_the_cameras_of_demo_and_multi_camera_have_enclaves_too(launch):
    demo = launch("demo.launch.py", "rviz:=false", "enclave:=/robot")
    assert {enclave(process) for process in demo.values()} == {f"/robot/{name}" for name in GRAPH | {"camera"}}
    cameras = launch("multi_camera.launch.py", "cameras:=front,rear", "sources:=0,2", "enclave:=/robot")
    assert {name: enclave(process) for name, process in cameras.items()} == {name: f"/robot/{name}" for name in cameras}


def test_rviz_is_in_the_namespace_and_shows_the_same_images_evenly(launch):
    arguments = ("rviz:=true", "namespace:=front", "image:=/cam/image", "enclave:=/robot")
    processes = launch("uplift.launch.py", *arguments, environment={"OVERRIDE_LAUNCH_PROCESS_OUTPUT": "screen"})
    rviz = processes["front/rviz2"]
    assert rviz.rules["image_raw"] == "/cam/image"
    assert rviz.command[rviz.command.index("-d") + 1].endswith("config/uplift.rviz")
    assert enclave(rviz) == "/robot/rviz2"
    assert processes["front/uplift"].parameters["playout"] is True
    assert "playout" not in launch("uplift.launch.py")["uplift"].parameters


@pytest.mark.parametrize(
    ("file", "argument", "package"),
    [
        ("uplift.launch.py", "rviz:=true", "rviz2"), ("demo.launch.py", "rviz:=true", "rviz2"),
        ("uplift.launch.py", "record:=walk", "ros2bag"), ("uplift.launch.py", "humans:=true", "hri_msgs"),
        ("replay.launch.py", "bag:=walk", "ros2bag"),
    ],
)  # fmt: skip
def test_nothing_starts_if_the_package_of_an_argument_is_missing(launch, installed, file, argument, package):
    (installed / package).unlink()
    if package in get_packages_with_prefixes():
        pytest.skip(f"{package} is installed")
    with pytest.raises(RuntimeError, match=package) as failed:
        launch(file, argument)
    assert "REPORT" not in str(failed.value)


def test_the_launch_file_in_the_docs_starts_the_graph(launch, tmp_path):
    (example,) = re.findall(r"( {4}<launch>\n.*? {4}</launch>\n)", (ROOT / "docs/ROBOT.md").read_text(), re.DOTALL)
    path = tmp_path / "robot.launch.xml"
    path.write_text(example)
    processes = launch(path)
    assert set(processes) == {f"front/{name}" for name in GRAPH}
    assert processes["front/pose_estimator"].rules["image_raw"] == "/camera/color/image_raw"
    assert processes["front/uplift"].parameters["stride"] == 10


def test_bodies_of_ros4hri_are_published_on_request(launch):
    processes = launch("uplift.launch.py", "humans:=true", "use_sim_time:=true")
    assert set(processes) == GRAPH | {"humans"}
    assert processes["humans"].parameters == {"use_sim_time": True}


def test_the_fast_dds_profile_is_ours_unless_the_user_has_one(launch):
    assert all(process.profiles[0].endswith("config/fastdds.xml") for process in launch("uplift.launch.py").values())
    processes = launch("uplift.launch.py", environment={PROFILES[0]: "/mine.xml"})
    assert all(process.profiles == ["/mine.xml"] for process in processes.values())


def test_the_demo_adds_a_camera_whose_number_stays_a_text(launch):
    processes = launch("demo.launch.py", "source:=0", "rviz:=false")
    assert set(processes) == GRAPH | {"camera"}
    assert processes["camera"].parameters == {"source": "0"}


def test_every_camera_has_a_graph_in_its_namespace(launch):
    processes = launch("multi_camera.launch.py", "cameras:=front, rear", "sources:=0,clip.mp4", "stride:=4")
    assert set(processes) == {f"{camera}/{name}" for camera in ("front", "rear") for name in GRAPH | {"camera"}}
    assert processes["rear/camera"].parameters == {"source": "clip.mp4", "frame_id": "rear_optical_frame"}
    assert processes["front/camera"].parameters["source"] == "0"
    phases = [processes[f"{camera}/pose_estimator"].parameters["phase"] for camera in ("front", "rear")]
    assert phases == [0.0, 0.5]
    assert all(processes[f"{camera}/uplift"].parameters["stride"] == 4 for camera in ("front", "rear"))


def test_what_all_cameras_see_becomes_one_skeleton_in_a_target_frame(launch):
    processes = launch("multi_camera.launch.py", "cameras:=front,rear,side", "target_frame:=map", "use_sim_time:=true")
    assert {"refiner", "visualizer", "front/refiner", "rear/refiner", "side/refiner"} <= set(processes)
    views = "rear/skeletons/raw,side/skeletons/raw"
    assert processes["refiner"].parameters == {"use_sim_time": True, "target_frame": "map", "views": views}
    assert processes["refiner"].rules["skeletons/raw"] == "front/skeletons/raw"
    assert "target_frame" not in processes["front/refiner"].parameters


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(("cameras:=front,front",), "cameras"), (("cameras:=front,rear", "sources:=0"), "sources")],
)
def test_camera_lists_that_do_not_fit_are_refused(launch, arguments, message):
    with pytest.raises(RuntimeError, match=message):
        launch("multi_camera.launch.py", *arguments)


def test_a_recording_has_the_results_and_images_only_on_request(launch):
    (command,) = (process.command for process in launch("record.launch.py", "bag:=walk", "namespace:=front").values())
    assert command[:3] == ["ros2", "bag", "record"]
    assert command[command.index("--output") + 1] == "walk"
    recorded = re.compile(command[command.index("--regex") + 1])
    for topic in ("/front/skeletons", "/front/skeletons/raw", "/front/keyframes", "/tf", "/diagnostics"):
        assert recorded.fullmatch(topic), topic
    for topic in ("/front/image_raw", "/rear/skeletons", "/skeletons", "/front/skeletons/raw/more"):
        assert not recorded.search(topic), topic


def test_a_recording_may_have_all_images(launch):
    (command,) = (process.command for process in launch("record.launch.py", "images:=all").values())
    recorded = re.compile(command[command.index("--regex") + 1])
    for topic in ("/image_raw", "/image_raw/compressed", "/depth", "/overlay", "/skeletons"):
        assert recorded.fullmatch(topic), topic


def test_uplift_records_its_own_namespace(launch):
    processes = launch("uplift.launch.py", "record:=walk", "namespace:=front")
    command = processes["ros2"].command
    assert command[command.index("--output") + 1] == "walk"
    assert "/front/" in command[command.index("--regex") + 1]


def test_uplift_records_the_calibration_under_its_own_name(launch):
    command = launch("uplift.launch.py", "record:=walk", "camera_info:=/cam/camera_info")["ros2"].command
    assert re.search(command[command.index("--regex") + 1], "/cam/camera_info")


def test_what_all_cameras_see_is_recorded_beside_what_each_sees(launched):
    processes = launched("multi_camera.launch.py", "cameras:=front,rear", "target_frame:=map", "record:=walk")
    commands = [process.command for process in processes if process.executable == "ros2"]
    bags = {command[command.index("--output") + 1]: command[command.index("--regex") + 1] for command in commands}
    assert set(bags) == {"walk_front", "walk_rear", "walk_together"}
    assert re.search(bags["walk_together"], "/skeletons")
    assert re.search(bags["walk_rear"], "/rear/skeletons")


def test_a_replay_plays_transforms_on_request(launch):
    for tf in ("true", "false"):
        command = launch("replay.launch.py", "bag:=walk", f"tf:={tf}")["ros2"].command
        assert ("/tf_static" in command) == (tf == "true")


def test_a_replay_plays_only_the_camera_and_runs_on_its_time(launch):
    processes = launch("replay.launch.py", "bag:=walk", "image:=/cam/image", "camera_info:=/cam/info", "rate:=0.5")
    command = processes["ros2"].command
    assert command[:6] == ["ros2", "bag", "play", "walk", "--clock", "50"], "100 Hz of recorded time"
    assert command[command.index("--rate") + 1] == "0.5"
    topics = command[command.index("--topics") + 1 :]
    assert {"/cam/image", "/cam/image/compressed", "/cam/info"} <= set(topics)
    assert not [topic for topic in topics if "skeletons" in topic or "keyframes" in topic]
    assert all(processes[name].parameters["use_sim_time"] is True for name in GRAPH)
    assert processes["uplift"].rules["camera_info"] == "/cam/info"
