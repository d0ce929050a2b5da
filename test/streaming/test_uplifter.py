"""Streaming Uplift and Upsample: frames, stamps, and when a stream breaks."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from support import keyframes
from support.cameras import CAMERA
from support.clocks import FRAME, START

from uplift_ros.camera import camera_to_canonical_rotation, normalise
from uplift_ros.lab.plain import PlainUplift
from uplift_ros.poses import Source
from uplift_ros.streaming.uplifter import StreamingUplifter


@pytest.fixture(scope="module")
def model():
    return keyframes.network()


@pytest.mark.parametrize("latency", [0, 4, 13, 40])
@pytest.mark.parametrize("stride", [4, 10, 20])
def test_every_frame_is_emitted_exactly_once_with_its_own_stamp(model, stride, latency):
    frames = list(range(0, 121, stride))
    final = keyframes.stream(model, frames, latency=latency)
    expected = [START + frame * FRAME for frame in range(frames[-1] - latency + 1)]
    assert [skeletons.stamp for skeletons in final] == expected


def test_sources_distinguish_keyframes_from_upsampled_and_interpolated_frames(model):
    final = keyframes.stream(model, [0, 4, 8], latency=0)
    assert [skeletons.persons[0].source for skeletons in final] == [
        Source.KEYFRAME, Source.INTERPOLATED, Source.UPSAMPLED, Source.INTERPOLATED,
        Source.KEYFRAME, Source.INTERPOLATED, Source.UPSAMPLED, Source.INTERPOLATED,
        Source.KEYFRAME,
    ]  # fmt: skip


def test_output_rate_thins_out_frames_evenly(model):
    final = keyframes.stream(model, range(0, 41, 10), latency=0, output_rate=25.0)
    assert [skeletons.stamp for skeletons in final] == [START + frame * FRAME for frame in range(0, 41, 2)]


def test_final_poses_are_those_of_the_window_that_ends_at_the_keyframe(model):
    """Cached tokens and stored masks have the same result as one dense forward pass of the whole window."""
    frames = [0, 10, 20, 24, 28, 32]
    final = keyframes.stream(model, frames, latency=0)
    people = [keyframes.person(frame) for frame in frames]
    rays = CAMERA.rays(np.stack([p.keypoints for p in people]))
    normalised = normalise(rays, model.config.normalisation, np.stack([p.scores for p in people]))
    config = model.config
    mask = torch.zeros(1, config.tokens, dtype=torch.bool)
    poses = torch.zeros(1, config.tokens, 17, 3)
    for frame, inputs in zip(frames, normalised, strict=True):
        token = config.tokens - 1 - (frames[-1] - frame) // config.token_stride
        mask[0, token] = True
        poses[0, token] = torch.from_numpy(inputs).float()
    with torch.no_grad():
        newest = model(poses, mask)[1][0, -1].numpy()
    joints = final[-1].persons[0].joints
    rotation = camera_to_canonical_rotation(rays[-1, 0], model.config.normalisation)
    np.testing.assert_allclose(joints - joints[0], (newest - newest[0]) @ rotation, atol=1e-5)


def test_jittering_stamps_are_kept_and_stay_in_order(model):
    uplifter = StreamingUplifter(PlainUplift(model), latency=0)
    rng = np.random.default_rng(0)
    stamps, final = [], []
    for frame in range(0, 200, 4):
        image = keyframes.keyframe(frame, keyframes.person(frame), jitter=int(rng.integers(-9_000_000, 9_000_000)))
        stamps.append(image.stamp)
        final += uplifter.push(image, CAMERA).final
    out = [skeletons.stamp for skeletons in final]
    assert (np.diff(out) > 0).all()
    assert set(stamps) <= set(out)


def test_a_camera_clock_that_drifts_does_not_lose_a_frame(model):
    """A camera at 49.5 Hz: after 1000 of its frames the grid has slipped by 10 frames of the model."""
    uplifter = StreamingUplifter(PlainUplift(model), latency=0)
    stamps = [START + round(index * 1e9 / 49.5) for index in range(0, 1000, 10)]
    outputs = [
        uplifter.push(replace(keyframes.keyframe(0, keyframes.person(0)), stamp=stamp), CAMERA) for stamp in stamps
    ]
    assert [output.live.stamp for output in outputs] == stamps


@pytest.mark.parametrize("late", [0, 4])
def test_a_repeated_or_late_stamp_changes_nothing(model, late):
    uplifter, plain = StreamingUplifter(PlainUplift(model)), StreamingUplifter(PlainUplift(model))
    for frame in (0, 10):
        uplifter.push(keyframes.keyframe(frame, keyframes.person(frame)), CAMERA)
        plain.push(keyframes.keyframe(frame, keyframes.person(frame)), CAMERA)
    assert uplifter.push(keyframes.keyframe(10 - late, keyframes.person(50)), CAMERA) is None
    after, expected = (u.push(keyframes.keyframe(20, keyframes.person(20)), CAMERA) for u in (uplifter, plain))
    assert [s.stamp for s in after.final] == [s.stamp for s in expected.final]
    np.testing.assert_array_equal(after.live.persons[0].joints, expected.live.persons[0].joints)


@pytest.mark.parametrize(
    ("camera_hz", "output_rate"), [(12.0, 50.0), (15.0, 25.0), (24.0, 30.0), (29.97, 50.0), (49.5, 100.0), (60.0, 50.0)]
)
def test_frames_have_the_output_rate_for_any_rate_of_key_frames(model, camera_hz, output_rate):
    uplifter = StreamingUplifter(PlainUplift(model), latency=0, output_rate=output_rate)
    stride = max(1, round(0.08 * camera_hz))
    stamps = [START + round(index * 1e9 / camera_hz) for index in range(0, round(6 * camera_hz), stride)]
    final = [
        s
        for stamp in stamps
        for s in uplifter.push(replace(keyframes.keyframe(0, keyframes.person(0)), stamp=stamp), CAMERA).final
    ]
    seconds = (stamps[-1] - stamps[0]) / 1e9
    assert len(final) == pytest.approx(1 + seconds * output_rate, abs=1 + 0.02 * output_rate)
    assert (np.diff([skeletons.stamp for skeletons in final]) > 0).all()


@pytest.mark.parametrize("jump", [-1000, 81, 100_000])
def test_a_jump_of_the_clock_starts_a_new_stream(model, jump):
    uplifter = StreamingUplifter(PlainUplift(model), latency=0)
    for frame in (0, 10, 20):
        uplifter.push(keyframes.keyframe(frame, keyframes.person(frame)), CAMERA)
    fresh = StreamingUplifter(PlainUplift(model), latency=0)
    for frame in (20 + jump, 30 + jump):
        after = uplifter.push(keyframes.keyframe(frame, keyframes.person(3)), CAMERA)
        alone = fresh.push(keyframes.keyframe(frame, keyframes.person(3)), CAMERA)
        assert [s.stamp for s in after.final] == [s.stamp for s in alone.final]
        np.testing.assert_array_equal(after.live.persons[0].joints, alone.live.persons[0].joints)


@pytest.mark.parametrize("jump", [-1000, 81, 100_000])
def test_a_jump_of_the_clock_finalises_the_frames_that_waited(model, jump):
    uplifter = StreamingUplifter(PlainUplift(model), latency=13)
    final = []
    for frame in (0, 10, 20, 20 + jump):
        final += uplifter.push(keyframes.keyframe(frame, keyframes.person(frame)), CAMERA).final
    assert [s.stamp for s in final] == [START + frame * FRAME for frame in range(21)]
    assert all(s.persons for s in final)


def test_a_flush_returns_the_frames_up_to_the_newest_key_frame_once_and_the_stream_continues(model):
    uplifter = StreamingUplifter(PlainUplift(model), latency=13)
    assert uplifter.flush() == []
    final = (
        uplifter.push(keyframes.keyframe(0, keyframes.person(0)), CAMERA).final
        + uplifter.push(keyframes.keyframe(10, keyframes.person(10)), CAMERA).final
    )
    final += uplifter.flush()
    assert uplifter.flush() == []
    for frame in (20, 30):
        final += uplifter.push(keyframes.keyframe(frame, keyframes.person(frame)), CAMERA).final
    final += uplifter.flush()
    assert [s.stamp for s in final] == [START + frame * FRAME for frame in range(31)]
    assert all(s.persons for s in final)


@pytest.mark.parametrize("latency", [0, 4, 39, 40])
@pytest.mark.parametrize("gap", [30, 40, 60, 80])
def test_a_gap_within_a_window_loses_no_frame_and_no_person(model, gap, latency):
    final = keyframes.stream(model, [0, 10, 20, 20 + gap, 30 + gap, 90 + gap], latency=latency)
    assert [s.stamp for s in final] == [START + frame * FRAME for frame in range(91 + gap - latency)]
    assert all(s.persons for s in final)


@pytest.mark.parametrize(("stride", "latency"), [(78, 4), (78, 20), (72, 10)])
def test_a_stride_near_the_window_loses_no_person(model, stride, latency):
    final = keyframes.stream(model, range(0, 8 * stride, stride), latency=latency)
    assert len(final) == 7 * stride + 1 - latency
    assert all(s.persons for s in final)


def test_a_person_without_a_pelvis_is_left_out_and_counted(model):
    uplifter = StreamingUplifter(PlainUplift(model))
    someone = keyframes.person(0)
    nowhere = replace(someone, id="p2", keypoints=np.where(np.arange(17)[:, None] == 0, np.nan, someone.keypoints))
    live = uplifter.push(keyframes.keyframe(0, someone, nowhere), CAMERA).live
    assert ([person.id for person in live.persons], uplifter.unplaced) == (["p1"], 1)


def test_images_of_another_camera_start_a_new_stream(model):
    uplifter = StreamingUplifter(PlainUplift(model), latency=13)
    for frame in (0, 10, 20):
        uplifter.push(keyframes.keyframe(frame, keyframes.person(frame)), CAMERA)
    other = uplifter.push(replace(keyframes.keyframe(30, keyframes.person(30)), frame_id="other"), CAMERA)
    assert [s.frame_id for s in other.final] == ["camera"] * 13
    alone = StreamingUplifter(PlainUplift(model)).push(keyframes.keyframe(30, keyframes.person(30)), CAMERA)
    np.testing.assert_array_equal(other.live.persons[0].joints, alone.live.persons[0].joints)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: replace(keyframes.keyframe(0, keyframes.person(0)), skeleton="coco17"), "skeleton .*'coco17'"),
        (lambda: keyframes.keyframe(0, replace(keyframes.person(0), keypoints=np.zeros((16, 2)))), "keypoints"),
        (lambda: keyframes.keyframe(0, keyframes.person(0), keyframes.person(0)), "ids"),
    ],
)
def test_invalid_key_frames_are_refused_and_change_nothing(model, wrong, message):
    uplifter = StreamingUplifter(PlainUplift(model), latency=0)
    with pytest.raises(ValueError, match=message):
        uplifter.push(wrong(), CAMERA)
    assert len(uplifter.push(keyframes.keyframe(10, keyframes.person(10)), CAMERA).final) == 1


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"latency": -1}, "latency"),
        ({"latency": 41}, "latency"),
        ({"output_rate": 0.0}, "output_rate"),
        ({"output_rate": 1000.1}, "output_rate"),
        ({"person_height": 0.29}, "person_height"),
        ({"person_height": 2.51}, "person_height"),
    ],
)
def test_arguments_out_of_range_are_refused_by_name(model, options, name):
    with pytest.raises(ValueError, match=name):
        StreamingUplifter(PlainUplift(model), **options)


@pytest.mark.parametrize("options", [{"output_rate": 1000.0}, {"person_height": 0.3}, {"person_height": 2.5}])
def test_arguments_at_the_ends_of_their_range_are_taken(model, options):
    assert all(skeletons.persons for skeletons in keyframes.stream(model, [0, 10], **options))


@pytest.mark.parametrize(("latency", "is_final"), [(0, True), (4, False)])
def test_the_live_skeleton_is_the_key_frames_own(model, latency, is_final):
    uplifter = StreamingUplifter(PlainUplift(model), latency=latency)
    for frame in (0, 10):
        output = uplifter.push(keyframes.keyframe(frame, keyframes.person(frame), jitter=3), CAMERA)
        assert output.frame == frame
        assert (output.live.stamp, output.live.frame_id) == (START + frame * FRAME + 3, "camera")
        assert output.live.persons[0].source is Source.KEYFRAME
        assert output.live.is_final is is_final
        assert all(skeletons.is_final for skeletons in output.final)


@pytest.mark.parametrize("output_rate", [24.0, 48.0])
def test_frames_at_key_frames_are_key_frames_whatever_the_output_rate(model, output_rate):
    final = keyframes.stream(model, range(0, 1001, 50), latency=0, output_rate=output_rate)
    at_keyframes = [frame for frame in final if (frame.stamp - START) % (50 * FRAME) == 0]
    assert len(at_keyframes) == 21
    assert {frame.persons[0].source for frame in at_keyframes} == {Source.KEYFRAME}


def test_half_the_trust_reads_half_of_what_scores_take_away(model):
    def pose(trust: float, score: float) -> np.ndarray:
        person = replace(keyframes.person(0), scores=np.full(17, score))
        uplifter = StreamingUplifter(PlainUplift(model), score_trust=trust)
        return uplifter.push(keyframes.keyframe(0, person), CAMERA).live.persons[0].joints

    np.testing.assert_allclose(pose(0.5, 0.2), pose(1.0, 0.6), atol=1e-5)
    assert not np.allclose(pose(1.0, 0.2), pose(1.0, 0.6), atol=1e-3)
