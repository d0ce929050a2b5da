"""`uplift process`: real files in, real bags out; the networks are tiny and untrained."""

import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import recordings
import tiny
from rosbags.rosbag2 import StoragePlugin, Writer

from uplift_ros import cli, estimators, settings
from uplift_ros.bags import footage, process, recording
from uplift_ros.bags.messages import serialized_header
from uplift_ros.bags.reader import BagReader
from uplift_ros.bags.typestore import message_class, typestore
from uplift_ros.bags.writer import BagWriter
from uplift_ros.online.keyframes import KeyframeSchedule
from uplift_ros.online.refiner import StreamingRefiner
from uplift_ros.online.stride import AdaptiveStride
from uplift_ros.online.uplifter import StreamingUplifter
from uplift_ros.pipeline import Pipeline
from uplift_ros.poses import ScaleSource
from uplift_ros.skeleton import H36M17
from uplift_ros.sources.synthetic import SyntheticSource
from uplift_ros.sources.video import VideoFile

FPS = 25
FRAMES = 30
SIZE = (160, 120)
TOPICS = {"/camera_info", "/keyframes", "/rate_state", "/skeleton_info", "/skeletons", "/skeletons/raw"}


@pytest.fixture
def estimator(monkeypatch: pytest.MonkeyPatch) -> tiny.BrightPerson:
    """Takes MediaPipe's place."""
    estimator = tiny.BrightPerson()
    monkeypatch.setattr(estimators, "create", lambda *_, **__: estimator)
    return estimator


@pytest.fixture(scope="session")
def parameters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_parameters(tmp_path_factory.mktemp("networks"))


@pytest.fixture
def uplift_process(parameters: Path, estimator: tiny.BrightPerson) -> Callable[..., int]:
    """The command with tiny networks; gives the exit code."""
    return lambda *arguments: cli.main(["process", *map(str, arguments), "--params", str(parameters)])


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_clip(tmp_path / "clip.avi")


def write_clip(path: Path) -> Path:
    """1.2 s, getting brighter."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), FPS, SIZE)
    for i in range(FRAMES):
        writer.write(picture(i))
    writer.release()
    return path


def picture(frame: int) -> np.ndarray:
    return np.full((SIZE[1], SIZE[0], 3), 50 + 5 * frame, np.uint8)


def raw_image(stamp: int, image: np.ndarray):
    height, width = image.shape[:2]
    return message_class("sensor_msgs/msg/Image")(
        recordings.header(stamp), height, width, "bgr8", 0, 3 * width, image.ravel()
    )


def write_bag(path: Path, make=recordings.compressed_image, topic="/image_raw/compressed", info="/camera_info") -> Path:
    """The pictures with the camera_info of recordings.CAMERA, whose size they have."""
    with BagWriter(path) as writer:
        for i in range(FRAMES):
            stamp = recordings.START + i * 10**9 // FPS
            if info:
                writer.write(info, stamp + 1000, recordings.camera_info(stamp))
            image = cv2.resize(picture(i), (recordings.CAMERA.width, recordings.CAMERA.height))
            writer.write(topic, stamp + 2000, make(stamp, image))
    return path


def topics(path: Path) -> dict[str, int]:
    with BagReader(path) as bag:
        return {topic.name: topic.count for topic in bag.topics.values()}


def test_a_video_becomes_a_bag_with_the_topics_of_the_live_graph(uplift_process, clip, tmp_path, capsys):
    assert uplift_process(clip, "-o", tmp_path / "out.mcap", "--stride", 10) == 0
    # key-frames at 0, 0.2 ... 1.0 s: skeletons of 50 Hz up to 1.0 s
    assert topics(tmp_path / "out.mcap") == {
        "/camera_info": FRAMES,
        "/keyframes": 6,
        "/rate_state": 6,
        "/skeleton_info": 1,
        "/skeletons": 51,
        "/skeletons/raw": 51,
    }
    assert f"clip.avi: {FRAMES} frames, 6 key-frames, 1.2 s in " in capsys.readouterr().out


def test_log_times_are_the_stamps_of_the_messages(uplift_process, clip, tmp_path):
    uplift_process(clip, "-o", tmp_path / "out.mcap")
    with BagReader(tmp_path / "out.mcap") as bag:
        stamped = [(time, serialized_header(data)) for _, time, data in bag.raw(TOPICS - {"/skeleton_info"})]
        assert [time for _, time, _ in bag.raw(["/skeleton_info"])] == [0]
    assert stamped
    assert all(time == stamp and frame_id == "camera_optical_frame" for time, (stamp, frame_id) in stamped)


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
    uplift_process(write_bag(tmp_path / "in.mcap"), "-o", tmp_path / "out.mcap", "--stride", 10)
    assert decoded == ["/camera_info"] + 6 * ["/image_raw/compressed"]  # the same intrinsics are read once
    assert estimator.images == 6


def test_a_bag_gives_what_its_images_give_in_the_pipeline_of_the_nodes_parameters(uplift_process, tmp_path, parameters):
    source = write_bag(tmp_path / "in.mcap")
    assert uplift_process(source, "-o", tmp_path / "out.mcap") == 0

    values = settings.load(parameters, {})
    uplift, refiner = values["uplift"], values["refiner"]
    pipeline = Pipeline(
        tiny.BrightPerson(),
        StreamingUplifter(tiny.uplift(), latency=uplift["latency"], output_rate=uplift["output_rate"]),
        StreamingRefiner(refiner["method"], refiner["delay"], tiny.synsp()),
        AdaptiveStride(
            uplift["stride_slow"],
            uplift["stride_fast"],
            uplift["velocity_threshold"],
            uplift["hold_frames"],
            s_out=2,
        ),
        KeyframeSchedule(values["pose_estimator"]["stride"], values["pose_estimator"]["model_rate"]),
    )
    steps = [
        pipeline.push(stamp, "camera_optical_frame", recordings.CAMERA, lambda image=image: image)
        for stamp, image in recording.images(source, "/image_raw/compressed")
    ]
    steps.append(pipeline.flush())
    results = recording.load(tmp_path / "out.mcap")
    assert_same(results.raw_skeletons, [frame for step in steps for frame in step.raw])
    assert_same(results.skeletons, [frame for step in steps for frame in step.refined])
    assert [key.stamp for key in results.keyframes] == [step.keyframe.stamp for step in steps if step.keyframe]


def assert_same(frames, expected):
    assert [frame.stamp for frame in frames] == [frame.stamp for frame in expected]
    assert any(frame.persons for frame in expected)
    for frame, other in zip(frames, expected, strict=True):
        for person, twin in zip(frame.persons, other.persons, strict=True):
            np.testing.assert_array_equal(person.joints, twin.joints)
            np.testing.assert_array_equal(person.scores, twin.scores.astype(np.float32))
            assert (person.id, person.source, person.scale_source) == (twin.id, twin.source, twin.scale_source)


def test_raw_images_serve_as_well(uplift_process, tmp_path):
    source = write_bag(tmp_path / "in.mcap", raw_image, "/image_raw")
    assert uplift_process(source, "-o", tmp_path / "out.mcap") == 0
    assert topics(tmp_path / "out.mcap").keys() == TOPICS


@pytest.mark.parametrize("given", ["bag", "bag/bag.db3"], ids=["a folder", "its file"])
def test_a_sqlite3_bag_serves_as_well(uplift_process, tmp_path, given):
    kinds = {"/camera_info": "sensor_msgs/msg/CameraInfo", "/image_raw/compressed": "sensor_msgs/msg/CompressedImage"}
    source = write_bag(tmp_path / "in.mcap")
    with Writer(tmp_path / "bag", version=8, storage_plugin=StoragePlugin.SQLITE3) as writer, BagReader(source) as bag:
        connections = {name: writer.add_connection(name, kind, typestore=typestore()) for name, kind in kinds.items()}
        for topic, time, data in bag.raw():
            writer.write(connections[topic], time, data)
    assert uplift_process(source, "-o", tmp_path / "expected.mcap") == 0
    assert uplift_process(tmp_path / given, "-o", tmp_path / "out.mcap") == 0
    expected, results = (recording.load(tmp_path / name) for name in ("expected.mcap", "out.mcap"))
    assert_same(results.skeletons, expected.skeletons)


def test_an_input_that_fails_is_named_and_the_rest_goes_on(uplift_process, clip, tmp_path, capsys):
    damaged = tmp_path / "damaged.mcap"
    damaged.write_bytes(write_bag(tmp_path / "whole.mcap").read_bytes()[:5000])
    code = uplift_process(damaged, tmp_path / "nowhere.mp4", clip, "-o", tmp_path / "results")
    assert code == 1
    assert [path.name for path in (tmp_path / "results").iterdir()] == ["clip.mcap"]
    said = capsys.readouterr().err
    assert f"{damaged}: bag {damaged} cannot be read" in said
    assert "nowhere.mp4: source: no video file" in said


def test_an_image_that_cannot_be_decoded_fails_its_input_and_leaves_nothing(uplift_process, tmp_path, capsys):
    def empty_after_half(stamp, image):
        message = recordings.compressed_image(stamp, image)
        message.data = message.data[:0] if image.mean() > 120 else message.data
        return message

    source = write_bag(tmp_path / "in.mcap", empty_after_half)
    assert uplift_process(source, "-o", tmp_path / "out.mcap") == 1
    assert "compressed image of format 'jpeg' (0 bytes) cannot be decoded" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("out")] == []


def test_what_is_finished_is_not_done_again(uplift_process, clip, tmp_path, capsys, monkeypatch):
    other = write_clip(tmp_path / "other.avi")
    assert uplift_process(clip, "-o", tmp_path / "results") == 0
    finished = (tmp_path / "results" / "clip.mcap").stat()
    assert uplift_process(clip, other, "-o", tmp_path / "results") == 0
    assert (tmp_path / "results" / "clip.mcap").stat() == finished
    assert (tmp_path / "results" / "other.mcap").exists()
    assert f"{clip}: {tmp_path / 'results' / 'clip.mcap'} is there already, skipped" in capsys.readouterr().out
    monkeypatch.setattr(process.Networks, "load", lambda _: pytest.fail("nothing is left to do"))
    assert uplift_process(clip, other, "-o", tmp_path / "results") == 0


def test_a_named_output_file_is_written_anew(uplift_process, clip, tmp_path):
    (tmp_path / "out.mcap").write_bytes(b"old")
    assert uplift_process(clip, "-o", tmp_path / "out.mcap") == 0
    assert topics(tmp_path / "out.mcap").keys() == TOPICS


def test_inputs_of_the_same_name_are_refused_before_any_work(uplift_process, clip, tmp_path, capsys):
    (tmp_path / "other").mkdir()
    twin = shutil.copy(clip, tmp_path / "other" / "clip.avi")
    assert uplift_process(clip, twin, "-o", tmp_path / "results") == 1
    assert "would both go to" in capsys.readouterr().err
    assert not (tmp_path / "results").exists()


def test_an_input_is_never_overwritten(uplift_process, tmp_path, capsys):
    source = write_bag(tmp_path / "in.mcap")
    before = source.read_bytes()
    for out in (source, tmp_path):
        assert uplift_process(source, "-o", out) == 1
        assert "in.mcap would be overwritten" in capsys.readouterr().err
    assert source.read_bytes() == before


def write_two_cameras(path: Path) -> Path:
    with BagWriter(path) as writer:
        for side, brightness in (("left", 100), ("right", 0)):
            for i in range(FRAMES):
                stamp = recordings.START + i * recordings.PERIOD
                image = np.full((recordings.CAMERA.height, recordings.CAMERA.width, 3), brightness, np.uint8)
                writer.write(f"/{side}/image_raw", stamp, raw_image(stamp, image))
                writer.write(f"/{side}/camera_info", stamp, recordings.camera_info(stamp))
    return path


def test_several_image_topics_are_listed_to_choose_from(uplift_process, tmp_path, capsys):
    source = write_two_cameras(tmp_path / "in.mcap")
    assert uplift_process(source, "-o", tmp_path / "out.mcap") == 1
    said = capsys.readouterr().err
    assert "several image topics, --image-topic chooses: /left/image_raw, /right/image_raw" in said


@pytest.mark.parametrize(("topic", "people"), [("left/image_raw", 1), ("/right/image_raw", 0)])
def test_the_image_topic_can_be_chosen_and_brings_its_intrinsics(uplift_process, tmp_path, topic, people):
    source = write_two_cameras(tmp_path / "in.mcap")
    assert uplift_process(source, "-o", tmp_path / "out.mcap", "--image-topic", topic) == 0
    results = recording.load(tmp_path / "out.mcap")
    assert {len(frame.persons) for frame in results.skeletons} == {people}
    assert results.camera == recordings.CAMERA


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--image-topic", "no sensor_msgs/msg/Image on /odd, only on: /left/image_raw, /right/image_raw"),
        ("--camera-info-topic", "no sensor_msgs/msg/CameraInfo on /odd, only on: /left/camera_info, /right"),
    ],
)
def test_a_topic_that_is_not_there_is_answered_with_those_that_are(uplift_process, tmp_path, capsys, option, message):
    source = write_two_cameras(tmp_path / "in.mcap")
    # a later option of the same name counts
    code = uplift_process(source, "-o", tmp_path / "out.mcap", "--image-topic", "left/image_raw", option, "odd")
    assert code == 1
    assert message in capsys.readouterr().err


def test_intrinsics_from_elsewhere_can_be_chosen(uplift_process, tmp_path):
    source = write_bag(tmp_path / "in.mcap", topic="/cam/image_raw/compressed", info="/calibration")
    assert uplift_process(source, "-o", tmp_path / "found.mcap") == 0
    assert uplift_process(source, "-o", tmp_path / "named.mcap", "--camera-info-topic", "/calibration") == 0
    for name in ("found.mcap", "named.mcap"):
        assert recording.load(tmp_path / name).camera == recordings.CAMERA


@pytest.mark.parametrize("options", [(), ("--camera-info-topic", "")], ids=["the bag has none", "none is wanted"])
def test_without_intrinsics_skeletons_have_no_scale_and_the_summary_says_so(uplift_process, tmp_path, capsys, options):
    source = write_bag(tmp_path / "in.mcap", info="/camera_info" if options else "")
    assert uplift_process(source, "-o", tmp_path / "out.mcap", *options) == 0
    assert "(no intrinsics in camera_info: skeletons around the origin, without scale)" in capsys.readouterr().out
    assert "/camera_info" not in topics(tmp_path / "out.mcap")
    results = recording.load(tmp_path / "out.mcap")
    assert {person.scale_source for frame in results.skeletons for person in frame.persons} == {ScaleSource.NONE}


def test_intrinsics_of_another_image_size_are_not_used_and_the_summary_says_so(uplift_process, tmp_path, capsys):
    source = write_bag(
        tmp_path / "in.mcap", lambda stamp, image: recordings.compressed_image(stamp, cv2.resize(image, SIZE))
    )
    assert uplift_process(source, "-o", tmp_path / "out.mcap") == 0
    assert "(camera_info is of 320x240 images, these are 160x120: skeletons" in capsys.readouterr().out


def test_an_uncalibrated_camera_counts_as_none(uplift_process, tmp_path, capsys, monkeypatch):
    def uncalibrated(stamp):
        message = calibrated(stamp)
        message.k = np.zeros(9)
        return message

    calibrated = recordings.camera_info
    monkeypatch.setattr(recordings, "camera_info", uncalibrated)
    assert uplift_process(write_bag(tmp_path / "in.mcap"), "-o", tmp_path / "out.mcap") == 0
    assert "no intrinsics in camera_info" in capsys.readouterr().out


def test_intrinsics_may_change_during_a_recording(tmp_path):
    with BagWriter(tmp_path / "in.mcap") as writer:
        for time, focal in ((1, 500.0), (2, None), (3, 600.0), (4, None)):
            if focal is None:
                writer.write("/image_raw", time, raw_image(time, picture(0)))
            else:
                info = recordings.camera_info(time)
                info.k = np.array([focal, 0, 160, 0, focal, 120, 0, 0, 1])
                writer.write("/camera_info", time, info)
    shots = footage.BagFootage(tmp_path / "in.mcap").shots()
    assert [shot.camera.fx for shot in shots] == [500, 600]


def test_images_before_the_first_camera_info_have_it_too(tmp_path):
    with BagWriter(tmp_path / "in.mcap") as writer:
        writer.write("/image_raw", 1, raw_image(1, picture(0)))
        writer.write("/camera_info", 2, recordings.camera_info(2))
    (shot,) = footage.BagFootage(tmp_path / "in.mcap").shots()
    assert shot.camera == recordings.CAMERA


def test_a_bag_without_images_is_told_what_it_has(uplift_process, tmp_path, capsys):
    with BagWriter(tmp_path / "in.mcap") as writer:
        writer.write("/camera_info", 1, recordings.camera_info(1))
    assert uplift_process(tmp_path / "in.mcap", "-o", tmp_path / "out.mcap") == 1
    assert "has no images, only: /camera_info" in capsys.readouterr().err


def test_images_without_time_are_refused(uplift_process, tmp_path, capsys):
    source = write_bag(tmp_path / "in.mcap", lambda _, image: raw_image(0, image), "/image_raw")
    assert uplift_process(source, "-o", tmp_path / "out.mcap") == 1
    assert "images on /image_raw carry no time: header.stamp is 0" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--stride", "5"], "stride must be a positive multiple of 2 (the model's s_out), got 5"),
        (["--params", "{folder}/wrong.yaml"], "wrong.yaml: node uplift has no parameter 'strid'"),
        (["--params", "{folder}/none.yaml"], "model: no weights 'nowhere'"),
        (
            ["--params", "{folder}/odom.yaml"],
            "target_frame must be empty: only nodes look up transforms, got 'odom'",
        ),
    ],
)
def test_a_wrong_setting_is_named_once(estimator, tmp_path, capsys, parameters, arguments, message):
    (tmp_path / "wrong.yaml").write_text("uplift: {ros__parameters: {strid: 4}}")
    (tmp_path / "none.yaml").write_text("uplift: {ros__parameters: {model: nowhere}}")
    (tmp_path / "odom.yaml").write_text("refiner: {ros__parameters: {target_frame: odom}}")
    arguments = [argument.format(folder=tmp_path) for argument in arguments]
    clips = [str(write_clip(tmp_path / name)) for name in ("a.avi", "b.avi")]
    code = cli.main(["process", *clips, "-o", str(tmp_path / "out"), "--params", str(parameters), *arguments])
    assert code == 1
    assert capsys.readouterr().err.count(message) == 1


def test_parameters_that_only_nodes_heed_are_named(estimator, clip, tmp_path, capsys, parameters):
    path = tmp_path / "more.yaml"
    path.write_text(parameters.read_text() + "camera: {ros__parameters: {width: 640, fps: 25.0}}\n")
    assert cli.main(["process", str(clip), "-o", str(tmp_path / "out.mcap"), "--params", str(path)]) == 0
    assert capsys.readouterr().err == "parameter width of node camera has no effect here\n"


def test_an_unexpected_failure_is_reported_with_its_type(uplift_process, clip, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(tiny.BrightPerson, "estimate", lambda *_: [][0])
    assert uplift_process(clip, "-o", tmp_path / "out.mcap") == 1
    assert "clip.avi: IndexError: list index out of range" in capsys.readouterr().err


def test_mediapipe_finds_the_synthetic_person_in_a_bag_of_its_images(parameters, tmp_path):
    pytest.importorskip("mediapipe")
    source = SyntheticSource(320, 240, moving=False)
    with BagWriter(tmp_path / "in.mcap") as writer:
        for i in range(0, 41, 5):
            frame = source.frame(i)
            image = cv2.cvtColor(frame.image, cv2.COLOR_RGB2BGR)
            writer.write("/image_raw", frame.time, raw_image(frame.time, image))
            info = recordings.camera_info(frame.time)
            info.k = source.camera.matrix.ravel()
            writer.write("/camera_info", frame.time, info)
    arguments = ["--params", str(parameters), "--stride", "20"]
    assert cli.main(["process", str(tmp_path / "in.mcap"), "-o", str(tmp_path / "out.mcap"), *arguments]) == 0
    keyframes = recording.load(tmp_path / "out.mcap").keyframes
    assert len(keyframes) == 3
    for i, keyframe in zip((0, 20, 40), keyframes, strict=True):
        (person,) = keyframe.persons
        truth = source.camera.project(source.frame(i).truth)
        assert np.linalg.norm(person.keypoints - truth, axis=-1).mean() < 0.05 * 240
