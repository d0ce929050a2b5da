"""`uplift process`: real files in, real bags out; the networks are tiny and untrained."""

import re
import subprocess
import sys

import cv2
import numpy as np
import pytest
from rosbags.rosbag2 import StoragePlugin, Writer
from support import clips, recordings
from support.bright_person import BrightPerson
from support.without_torch import BLOCK_TORCH

from uplift_ros import cli, settings
from uplift_ros.bags import recording
from uplift_ros.bags.reader import BagReader
from uplift_ros.bags.writer import BagWriter
from uplift_ros.messages import conversion
from uplift_ros.messages.conversion import serialized_header
from uplift_ros.messages.typestore import typestore
from uplift_ros.metrics import p_mpjpe
from uplift_ros.pipeline import Pipeline
from uplift_ros.poses import Origin
from uplift_ros.skeleton import H36M17
from uplift_ros.sources.synthetic.synthetic_source import SyntheticSource
from uplift_ros.sources.video import VideoFile
from uplift_ros.stages import build, build_detection

TOPICS = {"/camera_info", "/keyframe_requests", "/keyframes", "/rate_state", "/skeleton_info", "/skeletons"}
TOPICS |= {"/skeletons/raw"}


def test_a_video_becomes_a_bag_with_the_topics_of_the_live_graph(uplift_process, clip, tmp_path, capsys):
    assert uplift_process(clip, "-o", tmp_path / "out.mcap", "--stride", 10) == 0
    # key-frames at 0, 0.2 ... 1.0 s: skeletons of 50 Hz up to 1.0 s
    assert clips.topics(tmp_path / "out.mcap") == {
        "/camera_info": clips.FRAMES,
        "/keyframes": 6,
        "/rate_state": 6,
        "/skeleton_info": 1,
        "/skeletons": 51,
        "/skeletons/raw": 51,
    }
    assert re.search(rf"clip\.avi: {clips.FRAMES} .*\b6 .*\b1\.2 s ", capsys.readouterr().out)


def test_log_times_are_the_stamps_of_the_messages(uplift_process, clip, tmp_path):
    uplift_process(clip, "-o", tmp_path / "out.mcap")
    with BagReader(tmp_path / "out.mcap") as bag:
        stamped = [
            (time, serialized_header(data)) for _, time, data in bag.raw(TOPICS - {"/skeleton_info", "/keyframes"})
        ]
        assert [time for _, time, _ in bag.raw(["/skeleton_info"])] == [0]
        keyframes = [(time, conversion.keyframe_from_msg(message)) for _, time, message in bag.messages(["/keyframes"])]
    assert stamped
    assert all(time == stamp and frame_id == "camera_optical_frame" for time, (stamp, frame_id) in stamped)
    for time, keyframe in keyframes:
        asking = max(other.stamp for _, other in keyframes if other.stamp <= time)
        assert time == (keyframe.stamp if keyframe.origin is Origin.SCHEDULED else asking)


def test_equal_input_gives_equal_bytes(uplift_process, clip, tmp_path):
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        assert uplift_process(clip, "-o", tmp_path / name / "out.mcap") == 0
    first, second = (tmp_path / name / "out.mcap" for name in ("first", "second"))
    assert first.read_bytes() == second.read_bytes()


def test_the_skeleton_is_described_for_late_subscribers(uplift_process, clip, tmp_path):
    uplift_process(clip, "-o", tmp_path / "out.mcap")
    with BagReader(tmp_path / "out.mcap") as bag:
        ((_, _, info),) = bag.messages(["/skeleton_info"])
        (offered,) = bag.topics["/skeleton_info"].qos
    assert (info.name, tuple(info.joints)) == (H36M17.name, H36M17.joints)
    assert offered.durability.name == "TRANSIENT_LOCAL"


def test_rates_and_age_are_those_of_the_recorded_time(uplift_process, clip, tmp_path):
    uplift_process(clip, "-o", tmp_path / "out.mcap", "--stride", 10)
    *_, (_, state) = recording.load(tmp_path / "out.mcap").rates
    assert (state.camera_hz, state.keyframe_hz, state.output_hz) == pytest.approx((25, 5, 50))
    assert (state.stride, state.age_ms, state.estimate_ms) == (10, pytest.approx(80), 0)


def test_images_of_a_video_are_made_at_key_frames_only(uplift_process, clip, tmp_path, monkeypatch):
    made = []
    retrieve = VideoFile._retrieve
    monkeypatch.setattr(VideoFile, "_retrieve", lambda video, i: made.append(i) or retrieve(video, i))
    uplift_process(clip, "-o", tmp_path / "out.mcap", "--stride", 10)
    assert made == [0, 5, 10, 15, 20, 25]


def test_images_of_a_bag_are_decoded_at_key_frames_only(uplift_process, estimator, tmp_path, monkeypatch):
    decoded = []
    decode = BagReader.decode
    monkeypatch.setattr(BagReader, "decode", lambda bag, topic, data: decoded.append(topic) or decode(bag, topic, data))
    uplift_process(clips.write_bag(tmp_path / "in.mcap"), "-o", tmp_path / "out.mcap", "--stride", 10)
    assert decoded == ["/camera_info"] + 6 * ["/image_raw/compressed"]  # the same intrinsics are read once
    assert estimator.images == 6


def test_a_bag_gives_what_its_images_give_in_the_pipeline_of_the_nodes_parameters(uplift_process, tmp_path, parameters):
    source = clips.write_bag(tmp_path / "in.mcap")
    assert uplift_process(source, "-o", tmp_path / "out.mcap") == 0

    values = settings.load(parameters, {})
    pipeline = Pipeline(
        build_detection.detection(values["pose_estimator"], BrightPerson()),
        build.uplifting(values["uplift"], build.uplift_network(values["uplift"])),
        build.refinement(values["refiner"], build.refinement_network(values["refiner"])),
    )
    steps = [
        pipeline.push(stamp, "camera_optical_frame", recordings.CAMERA, lambda image=image: image)
        for stamp, image in recording.images(source, "/image_raw/compressed")
    ]
    steps.append(pipeline.flush())
    results = recording.load(tmp_path / "out.mcap")
    assert_same(results.raw_skeletons, [frame for step in steps for frame in step.raw])
    assert_same(results.skeletons, [frame for step in steps for frame in step.refined])
    keyframes = [keyframe for step in steps if step.keyframe for keyframe in (step.keyframe, *step.older)]
    assert [keyframe.stamp for keyframe in results.keyframes] == [keyframe.stamp for keyframe in keyframes]
    assert {keyframe.origin for keyframe in keyframes} == {Origin.SCHEDULED, Origin.LOOK_BACK}


def assert_same(frames, expected):
    assert [frame.stamp for frame in frames] == [frame.stamp for frame in expected]
    assert any(frame.persons for frame in expected)
    for frame, other in zip(frames, expected, strict=True):
        for person, twin in zip(frame.persons, other.persons, strict=True):
            np.testing.assert_array_equal(person.joints, twin.joints)
            np.testing.assert_array_equal(person.scores, twin.scores.astype(np.float32))
            assert (person.id, person.source, person.scale_source) == (twin.id, twin.source, twin.scale_source)


def test_raw_images_serve_as_well(uplift_process, tmp_path):
    source = clips.write_bag(tmp_path / "in.mcap", clips.raw_image, "/image_raw")
    assert uplift_process(source, "-o", tmp_path / "out.mcap") == 0
    assert clips.topics(tmp_path / "out.mcap").keys() == TOPICS


@pytest.mark.parametrize("given", ["bag", "bag/bag.db3"], ids=["a folder", "its file"])
def test_a_sqlite3_bag_serves_as_well(uplift_process, tmp_path, given):
    kinds = {"/camera_info": "sensor_msgs/msg/CameraInfo", "/image_raw/compressed": "sensor_msgs/msg/CompressedImage"}
    source = clips.write_bag(tmp_path / "in.mcap")
    with Writer(tmp_path / "bag", version=8, storage_plugin=StoragePlugin.SQLITE3) as writer, BagReader(source) as bag:
        connections = {name: writer.add_connection(name, kind, typestore=typestore()) for name, kind in kinds.items()}
        for topic, time, data in bag.raw():
            writer.write(connections[topic], time, data)
    assert uplift_process(source, "-o", tmp_path / "expected.mcap") == 0
    assert uplift_process(tmp_path / given, "-o", tmp_path / "out.mcap") == 0
    expected, results = (recording.load(tmp_path / name) for name in ("expected.mcap", "out.mcap"))
    assert_same(results.skeletons, expected.skeletons)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--stride", "5"], "stride .*5$"),
        (["--params", "{folder}/wrong.yaml"], r"wrong\.yaml: .*'strid'"),
        (["--params", "{folder}/none.yaml"], "model: .*'nowhere'"),
        (["--params", "{folder}/odom.yaml"], "target_frame .*'odom'$"),
    ],
)
def test_a_wrong_setting_is_named_once(estimator, tmp_path, capsys, parameters, arguments, named):
    (tmp_path / "wrong.yaml").write_text("uplift: {ros__parameters: {strid: 4}}")
    (tmp_path / "none.yaml").write_text("uplift: {ros__parameters: {model: nowhere}}")
    (tmp_path / "odom.yaml").write_text("refiner: {ros__parameters: {target_frame: odom}}")
    arguments = [argument.format(folder=tmp_path) for argument in arguments]
    videos = [str(clips.write_clip(tmp_path / name)) for name in ("a.avi", "b.avi")]
    code = cli.main(["process", *videos, "-o", str(tmp_path / "out"), "--params", str(parameters), *arguments])
    assert code == 1
    assert len(re.findall(named, capsys.readouterr().err, re.MULTILINE)) == 1


def test_parameters_that_only_nodes_heed_are_named(estimator, clip, tmp_path, capsys, parameters):
    path = tmp_path / "more.yaml"
    path.write_text(parameters.read_text() + "camera: {ros__parameters: {width: 640, fps: 25.0}}\n")
    assert cli.main(["process", str(clip), "-o", str(tmp_path / "out.mcap"), "--params", str(path)]) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert re.search(r"\bwidth\b.*\bcamera\b", line)


@pytest.mark.usefixtures("blazepose_files")
def test_blazepose_and_the_shipped_networks_follow_the_synthetic_person_in_a_bag_of_its_images(tmp_path):
    source = SyntheticSource(320, 240, moving=False)
    with BagWriter(tmp_path / "in.mcap") as writer:
        for i in range(0, 41, 5):
            frame = source.frame(i)
            image = cv2.cvtColor(frame.image, cv2.COLOR_RGB2BGR)
            writer.write("/image_raw", frame.time, clips.raw_image(frame.time, image))
            info = recordings.camera_info(frame.time)
            info.k = source.camera.matrix.ravel()
            writer.write("/camera_info", frame.time, info)
    files = [str(tmp_path / "in.mcap"), "-o", str(tmp_path / "out.mcap")]
    assert cli.main(["process", *files, "--stride", "20"]) == 0
    results = recording.load(tmp_path / "out.mcap")
    assert len(results.keyframes) == 3
    for i, keyframe in zip((0, 20, 40), results.keyframes, strict=True):
        (person,) = keyframe.persons
        truth = source.camera.project(source.frame(i).truth)
        assert np.linalg.norm(person.keypoints - truth, axis=-1).mean() < 0.05 * 240
    assert len(results.skeletons) == 41
    joints = np.stack([frame.persons[0].joints for frame in results.skeletons])
    truth = np.stack([source.frame(i).truth for i in range(41)])
    assert p_mpjpe(joints, truth) < 50


def test_a_video_is_processed_without_pytorch(clip, tmp_path):
    """In a fresh interpreter, with the shipped networks."""
    code = f"{BLOCK_TORCH}from uplift_ros.cli import main\nsys.exit(main())\n"
    output = tmp_path / "out.mcap"
    subprocess.run([sys.executable, "-c", code, "process", str(clip), "-o", str(output)], check=True)
    assert output.stat().st_size > 0


@pytest.mark.parametrize(
    ("option", "value", "named"),
    [
        ("--fov", "1", "--fov.*6 to 172.*1"),
        ("--fov", "179", "--fov.*6 to 172.*179"),
        ("--stride", "", "--stride.*''"),
        ("--out", "", "-o/--out.*''"),
    ],
)
def test_an_option_out_of_range_is_refused_by_name(clip, tmp_path, capsys, option, value, named):
    with pytest.raises(SystemExit):
        cli.main(["process", str(clip), "-o", str(tmp_path / "out.mcap"), option, value])
    assert re.search(named, capsys.readouterr().err)


@pytest.mark.parametrize("source", ["rtsp://127.0.0.1:1/x", ""])
def test_an_input_that_is_no_file_is_refused(tmp_path, capsys, source):
    with pytest.raises(SystemExit):
        cli.main(["process", source, "-o", str(tmp_path / "out.mcap")])
    assert re.search(f"input.*{source}", capsys.readouterr().err)


@pytest.mark.parametrize("option", ["--image-topic", "--camera-info-topic", "--depth-topic"])
def test_a_topic_that_cannot_have_an_effect_is_refused(uplift_process, clip, tmp_path, capsys, option):
    assert uplift_process(clip, "-o", tmp_path / "out.mcap", option, "/x") == 1
    assert option in capsys.readouterr().err
    assert not (tmp_path / "out.mcap").exists()
