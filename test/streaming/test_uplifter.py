"""Streaming Uplift and Upsample: bookkeeping of frames, stamps, people and windows."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from support.clocks import FRAME

from uplift_ros.camera import Camera, normalise
from uplift_ros.lab.plain import PlainUplift
from uplift_ros.models import runtime
from uplift_ros.models.configs import compact
from uplift_ros.models.uplift import UpliftUpsample
from uplift_ros.poses import Keyframe, Person2D, ScaleSource, Source
from uplift_ros.sources.synthetic.motion import pose
from uplift_ros.streaming.uplifter import StreamingUplifter

CAMERA = Camera.from_fov(1.1, 640, 480)
START = 1_700_000_000_000_000_000


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    config = replace(compact(), temporal_width=64, temporal_blocks=2, spatial_blocks=1)
    network = UpliftUpsample(config).eval()
    torch.nn.init.normal_(network.sequence_head.weight, std=0.02)
    return network


def person(frame: int, name: str = "p1", shift: float = 0.0) -> Person2D:
    angle = np.linspace(0, 5, 17) + 0.05 * frame
    keypoints = np.stack([320 + shift + 60 * np.sin(angle) + frame, 240 + 90 * np.cos(1.3 * angle)], -1)
    keypoints[0] = 320 + shift + frame, 240
    return Person2D(name, 0.9, np.array([200, 100, 200, 300.0]), keypoints, np.full(17, 0.8))


def keyframe(frame: int, *persons: Person2D, jitter: int = 0) -> Keyframe:
    return Keyframe(START + frame * FRAME + jitter, "camera", 640, 480, frame, 10, persons)


def run(model, frames, camera=CAMERA, **options):
    uplifter = StreamingUplifter(PlainUplift(model), **options)
    outputs = [uplifter.push(keyframe(frame, person(frame)), camera) for frame in frames]
    return [skeletons for output in outputs for skeletons in output.final]


@pytest.mark.parametrize("latency", [0, 4, 13, 40])
@pytest.mark.parametrize("stride", [4, 10, 20])
def test_every_frame_is_emitted_exactly_once_with_its_own_stamp(model, stride, latency):
    frames = list(range(0, 121, stride))
    final = run(model, frames, latency=latency)
    expected = [START + frame * FRAME for frame in range(frames[-1] - latency + 1)]
    assert [skeletons.stamp for skeletons in final] == expected


def test_sources_distinguish_keyframes_from_upsampled_and_interpolated_frames(model):
    final = run(model, [0, 4, 8], latency=0)
    assert [skeletons.persons[0].source for skeletons in final] == [
        Source.KEYFRAME, Source.INTERPOLATED, Source.UPSAMPLED, Source.INTERPOLATED,
        Source.KEYFRAME, Source.INTERPOLATED, Source.UPSAMPLED, Source.INTERPOLATED,
        Source.KEYFRAME,
    ]  # fmt: skip


def test_output_rate_thins_out_frames_evenly(model):
    final = run(model, range(0, 41, 10), latency=0, output_rate=25.0)
    assert [skeletons.stamp for skeletons in final] == [START + frame * FRAME for frame in range(0, 41, 2)]


def test_final_poses_are_those_of_the_window_that_ends_at_the_keyframe(model):
    """Cached tokens and stored masks have the same result as one dense forward pass of the whole window."""
    frames = [0, 10, 20, 24, 28, 32]
    final = run(model, frames, latency=0)
    people = [person(frame) for frame in frames]
    rays = CAMERA.rays(np.stack([p.keypoints for p in people]))
    canonical = normalise(rays, model.config.normalisation, np.stack([p.scores for p in people]))
    config = model.config
    mask = torch.zeros(1, config.tokens, dtype=torch.bool)
    poses = torch.zeros(1, config.tokens, 17, 3)
    for frame, inputs in zip(frames, canonical.inputs, strict=True):
        token = config.tokens - 1 - (frames[-1] - frame) // config.token_stride
        mask[0, token] = True
        poses[0, token] = torch.from_numpy(inputs).float()
    with torch.no_grad():
        newest = model(poses, mask)[1][0, -1].numpy()
    joints = final[-1].persons[0].joints
    np.testing.assert_allclose(joints - joints[0], (newest - newest[0]) @ canonical.rotation[-1], atol=1e-5)


def test_jittering_stamps_are_kept_and_stay_in_order(model):
    uplifter = StreamingUplifter(PlainUplift(model), latency=0)
    rng = np.random.default_rng(0)
    stamps, final = [], []
    for frame in range(0, 200, 4):
        image = keyframe(frame, person(frame), jitter=int(rng.integers(-9_000_000, 9_000_000)))
        stamps.append(image.stamp)
        final += uplifter.push(image, CAMERA).final
    out = [skeletons.stamp for skeletons in final]
    assert (np.diff(out) > 0).all()
    assert set(stamps) <= set(out)


def test_a_camera_clock_that_drifts_does_not_lose_a_frame(model):
    """A camera at 49.5 Hz: after 1000 of its frames the grid has slipped by 10 frames of the model."""
    uplifter = StreamingUplifter(PlainUplift(model), latency=0)
    stamps = [START + round(index * 1e9 / 49.5) for index in range(0, 1000, 10)]
    outputs = [uplifter.push(replace(keyframe(0, person(0)), stamp=stamp), CAMERA) for stamp in stamps]
    assert all(output.live.stamp == stamp for output, stamp in zip(outputs, stamps, strict=True))
    assert uplifter.skipped == 0


@pytest.mark.parametrize("late", [0, 4])
def test_a_repeated_or_late_stamp_is_counted_and_changes_nothing(model, late):
    uplifter, plain = StreamingUplifter(PlainUplift(model)), StreamingUplifter(PlainUplift(model))
    for frame in (0, 10):
        uplifter.push(keyframe(frame, person(frame)), CAMERA)
        plain.push(keyframe(frame, person(frame)), CAMERA)
    assert uplifter.push(keyframe(10 - late, person(50)), CAMERA) is None
    assert uplifter.skipped == 1
    after, expected = (u.push(keyframe(20, person(20)), CAMERA) for u in (uplifter, plain))
    assert [s.stamp for s in after.final] == [s.stamp for s in expected.final]
    np.testing.assert_array_equal(after.live.persons[0].joints, expected.live.persons[0].joints)


@pytest.mark.parametrize(
    ("camera_hz", "output_rate"), [(12.0, 50.0), (15.0, 25.0), (24.0, 30.0), (29.97, 50.0), (49.5, 100.0), (60.0, 50.0)]
)
def test_frames_come_at_the_output_rate_whatever_the_rate_of_the_key_frames(model, camera_hz, output_rate):
    uplifter = StreamingUplifter(PlainUplift(model), latency=0, output_rate=output_rate)
    stride = max(1, round(0.08 * camera_hz))
    stamps = [START + round(index * 1e9 / camera_hz) for index in range(0, round(6 * camera_hz), stride)]
    final = [s for stamp in stamps for s in uplifter.push(replace(keyframe(0, person(0)), stamp=stamp), CAMERA).final]
    seconds = (stamps[-1] - stamps[0]) / 1e9
    assert len(final) == pytest.approx(1 + seconds * output_rate, abs=1 + 0.02 * output_rate)
    assert (np.diff([skeletons.stamp for skeletons in final]) > 0).all()


@pytest.mark.parametrize("jump", [-1000, 81, 100_000])
def test_a_jump_of_the_clock_starts_a_new_stream(model, jump):
    uplifter = StreamingUplifter(PlainUplift(model), latency=0)
    for frame in (0, 10, 20):
        uplifter.push(keyframe(frame, person(frame)), CAMERA)
    fresh = StreamingUplifter(PlainUplift(model), latency=0)
    for frame in (20 + jump, 30 + jump):
        after = uplifter.push(keyframe(frame, person(3)), CAMERA)
        alone = fresh.push(keyframe(frame, person(3)), CAMERA)
        assert [s.stamp for s in after.final] == [s.stamp for s in alone.final]
        np.testing.assert_array_equal(after.live.persons[0].joints, alone.live.persons[0].joints)


@pytest.mark.parametrize("jump", [-1000, 81, 100_000])
def test_before_a_jump_the_frames_that_waited_come_out(model, jump):
    uplifter = StreamingUplifter(PlainUplift(model), latency=13)
    final = []
    for frame in (0, 10, 20, 20 + jump):
        final += uplifter.push(keyframe(frame, person(frame)), CAMERA).final
    assert [s.stamp for s in final] == [START + frame * FRAME for frame in range(21)]
    assert all(s.persons for s in final)


def test_a_flush_brings_the_frames_up_to_the_newest_key_frame_once_and_the_stream_continues(model):
    uplifter = StreamingUplifter(PlainUplift(model), latency=13)
    assert uplifter.flush() == []
    final = uplifter.push(keyframe(0, person(0)), CAMERA).final + uplifter.push(keyframe(10, person(10)), CAMERA).final
    final += uplifter.flush()
    assert uplifter.flush() == []
    for frame in (20, 30):
        final += uplifter.push(keyframe(frame, person(frame)), CAMERA).final
    final += uplifter.flush()
    assert [s.stamp for s in final] == [START + frame * FRAME for frame in range(31)]
    assert all(s.persons for s in final)


@pytest.mark.parametrize("latency", [0, 4, 39, 40])
@pytest.mark.parametrize("gap", [30, 40, 60, 80])
def test_a_gap_within_a_window_loses_no_frame_and_no_person(model, gap, latency):
    final = run(model, [0, 10, 20, 20 + gap, 30 + gap, 90 + gap], latency=latency)
    assert [s.stamp for s in final] == [START + frame * FRAME for frame in range(91 + gap - latency)]
    assert all(s.persons for s in final)


def test_images_of_another_camera_start_a_new_stream(model):
    uplifter = StreamingUplifter(PlainUplift(model), latency=13)
    for frame in (0, 10, 20):
        uplifter.push(keyframe(frame, person(frame)), CAMERA)
    other = uplifter.push(replace(keyframe(30, person(30)), frame_id="other"), CAMERA)
    assert [s.frame_id for s in other.final] == ["camera"] * 13
    alone = StreamingUplifter(PlainUplift(model)).push(keyframe(30, person(30)), CAMERA)
    np.testing.assert_array_equal(other.live.persons[0].joints, alone.live.persons[0].joints)


def test_frames_without_people_come_out_empty(model):
    uplifter = StreamingUplifter(PlainUplift(model), latency=0)
    final = [s for frame in range(0, 41, 10) for s in uplifter.push(keyframe(frame), CAMERA).final]
    assert len(final) == 41
    assert all(skeletons.persons == () for skeletons in final)


def test_people_are_out_from_their_first_to_their_last_sighting(model):
    uplifter = StreamingUplifter(PlainUplift(model), latency=0)
    final = []
    for frame in range(0, 61, 10):
        people = [person(frame)] + ([person(frame, "p2", 150)] if 20 <= frame <= 40 else [])
        final += uplifter.push(keyframe(frame, *people), CAMERA).final
    present = [index for index, s in enumerate(final) if "p2" in {p.id for p in s.persons}]
    assert present == list(range(20, 41))
    assert all("p1" in {p.id for p in s.persons} for s in final)


def test_people_do_not_change_each_other(model):
    def stream(*names):
        uplifter = StreamingUplifter(PlainUplift(model), latency=0)
        people = {"p1": 0.0, "p2": 150.0}
        for frame in range(0, 41, 10):
            out = uplifter.push(keyframe(frame, *(person(frame, n, people[n]) for n in names)), CAMERA)
        return {p.id: p.joints for p in out.live.persons}

    together = stream("p1", "p2")
    np.testing.assert_allclose(together["p1"], stream("p1")["p1"], atol=1e-5)
    np.testing.assert_allclose(together["p2"], stream("p2")["p2"], atol=1e-5)


def test_absent_joints_and_an_absent_pelvis_give_no_nan(model):
    uplifter = StreamingUplifter(PlainUplift(model), latency=0)
    partial, headless = person(10), person(20)
    partial.keypoints[[3, 16]] = np.nan
    headless.keypoints[0] = np.nan
    frames = ((0, person(0)), (10, partial), (20, headless), (30, person(30)))
    final = [skeletons for frame, seen in frames for skeletons in uplifter.push(keyframe(frame, seen), CAMERA).final]
    assert [len(skeletons.persons) for skeletons in final] == [1] * 11 + [0] * 10 + [1] * 10
    for found in (found for skeletons in final for found in skeletons.persons):
        assert np.isfinite(found.joints).all()
        assert np.isfinite(found.velocity)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30])
@pytest.mark.parametrize("joints", [[5], [0], list(range(17))])
def test_nothing_that_a_detector_may_say_gives_nan(model, value, joints):
    uplifter = StreamingUplifter(PlainUplift(model), latency=0)
    odd = person(10)
    odd.keypoints[joints] = value
    frames = ((0, person(0)), (10, odd), (20, person(20)))
    final = [skeletons for frame, seen in frames for skeletons in uplifter.push(keyframe(frame, seen), CAMERA).final]
    has_pelvis = 0 not in joints
    assert [len(skeletons.persons) for skeletons in final] == [1] + [has_pelvis] * 10 + [1] * 10
    for found in (found for skeletons in final for found in skeletons.persons):
        assert np.isfinite(found.joints).all()
        assert np.abs(found.joints).max() < 1000


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: replace(keyframe(0, person(0)), skeleton="coco17"), "skeleton must be h36m17, got 'coco17'"),
        (lambda: keyframe(0, replace(person(0), keypoints=np.zeros((16, 2)))), "person 'p1' must be .*16, 2"),
        (lambda: keyframe(0, person(0), person(0)), r"must differ, got \['p1', 'p1'\]"),
    ],
)
def test_key_frames_of_another_form_are_refused_by_name_and_change_nothing(model, wrong, message):
    uplifter = StreamingUplifter(PlainUplift(model), latency=0)
    with pytest.raises(ValueError, match=message):
        uplifter.push(wrong(), CAMERA)
    assert len(uplifter.push(keyframe(10, person(10)), CAMERA).final) == 1


def test_without_intrinsics_poses_stay_around_the_origin(model):
    final = run(model, [0, 10], camera=None, latency=0)
    someone = final[-1].persons[0]
    assert someone.scale_source is ScaleSource.NONE
    np.testing.assert_array_equal(someone.joints[0], 0.0)


def test_intrinsics_that_come_late_place_people_from_then_on():
    uplifter = StreamingUplifter(runtime.load_uplift("compact"), latency=0)
    upright = pose(0.0) @ np.array([[0, 0, -1.0], [-1, 0, 0], [0, -1, 0]]) + (0, 1, 4)
    someone = replace(person(0), keypoints=CAMERA.project(upright))
    final = []
    for frame in (0, 10, 20, 30):
        final += uplifter.push(keyframe(frame, someone), None if frame < 20 else CAMERA).final
    for frame, skeletons in enumerate(final):
        someone = skeletons.persons[0]
        if frame < 20:
            assert someone.scale_source is ScaleSource.NONE
            np.testing.assert_array_equal(someone.joints[0], 0.0)
        elif frame > 20:
            assert someone.scale_source is ScaleSource.PRIOR
            assert someone.joints[0, 2] == pytest.approx(4.0, rel=0.1)


def test_the_size_of_people_follows_their_stature(model):
    small, large = (run(model, [0, 10], latency=0, person_height=height)[-1].persons[0] for height in (0.86, 1.72))
    np.testing.assert_allclose(2 * (small.joints - small.joints[0]), large.joints - large.joints[0], atol=1e-9)


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
    assert all(skeletons.persons for skeletons in run(model, [0, 10], **options))


def test_scores_are_the_detectors_and_a_tenth_less_between_key_frames(model):
    people = [skeletons.persons[0] for skeletons in run(model, [0, 10, 20], latency=0)]
    for frame, someone in enumerate(people):
        np.testing.assert_allclose(someone.scores, 0.8 if frame % 10 == 0 else 0.72)
        assert someone.score == 0.9
        assert someone.covariance.shape == (0, 6)


class Judge:
    """Replacement of an error model that records its inputs."""

    def __init__(self) -> None:
        self.asked = []

    def predict(self, joints, root, speeds, seconds, detected):
        self.asked.append((joints, root, speeds, seconds, detected))
        return 0.5 * detected, np.full((17, 6), len(self.asked))


def test_with_an_error_model_scores_and_covariance_are_its_judgement(model):
    judge, final = Judge(), []
    uplifter = StreamingUplifter(PlainUplift(model), latency=10, errors=judge)
    for frame in (0, 10, 20):
        final += uplifter.push(keyframe(frame, replace(person(frame), scores=np.full(17, frame / 20))), CAMERA).final
        judge.asked = judge.asked[: len(final)]  # not that of the live skeleton
    assert len(final) == len(judge.asked) == 11
    for frame, (skeletons, (joints, root, speeds, seconds, detected)) in enumerate(
        zip(final, judge.asked, strict=True)
    ):
        (someone,) = skeletons.persons
        np.testing.assert_array_equal(someone.joints, joints + np.nan_to_num(root))
        assert speeds.shape == (17,)
        assert seconds == pytest.approx(min(frame, 10 - frame) / 50), "to the nearer key-frame"
        np.testing.assert_allclose(detected, frame / 20)
        np.testing.assert_array_equal(someone.scores, 0.5 * detected)
        np.testing.assert_array_equal(someone.covariance, frame + 1)


@pytest.mark.parametrize("wrong", [np.nan, -0.5, 1.5])
def test_scores_that_are_none_are_brought_into_their_range(model, wrong):
    odd = replace(person(0), score=wrong, scores=np.full(17, wrong))
    (someone,) = StreamingUplifter(PlainUplift(model), latency=0).push(keyframe(0, odd), CAMERA).live.persons
    expected = 1.0 if wrong > 1 else 0.0
    assert someone.score == expected
    np.testing.assert_array_equal(someone.scores, expected)


def test_the_velocity_is_the_mean_since_the_key_frame_before_of_the_fastest(model):
    uplifter = StreamingUplifter(PlainUplift(model), latency=0)
    still = {"p2": 0, "p3": 0}
    for frame in (0, 10, 20):
        people = [person(0, "p0", 90), person(frame), *(person(at, name, 150) for name, at in still.items())]
        output = uplifter.push(keyframe(frame, *people), CAMERA)
    since = [s for s in output.final if s.persons[1].source is not Source.INTERPOLATED]
    assert [s.stamp for s in since] == [START + frame * FRAME for frame in range(12, 21, 2)]
    means = [np.mean([s.persons[index].velocity for s in since]) for index in range(4)]
    assert means[1] > means[0]
    assert output.velocity == pytest.approx(max(means))
    assert uplifter.push(keyframe(30), CAMERA).velocity == 0.0


def test_a_persons_velocity_is_the_mean_way_of_the_joints_per_second(model):
    uplifter = StreamingUplifter(PlainUplift(model), latency=0)
    uplifter.push(keyframe(0, person(0)), CAMERA)
    people = [skeletons.persons[0] for skeletons in uplifter.push(keyframe(10, person(10)), CAMERA).final]
    poses = np.array([someone.joints - someone.joints[0] for someone in people[1::2]])  # frames 2 to 10
    ways = np.linalg.norm(np.diff(poses, axis=0), axis=-1).mean(-1)
    np.testing.assert_allclose([someone.velocity for someone in people[3::2]], ways / 0.04)


@pytest.mark.parametrize(("latency", "settled"), [(0, True), (4, False)])
def test_the_live_skeleton_is_the_key_frames_own(model, latency, settled):
    uplifter = StreamingUplifter(PlainUplift(model), latency=latency)
    for frame in (0, 10):
        output = uplifter.push(keyframe(frame, person(frame), jitter=3), CAMERA)
        assert output.frame == frame
        assert (output.live.stamp, output.live.frame_id) == (START + frame * FRAME + 3, "camera")
        assert output.live.persons[0].source is Source.KEYFRAME
        assert output.live.is_final is settled
        assert all(skeletons.is_final for skeletons in output.final)


@pytest.mark.parametrize(
    ("camera", "farthest"),
    [
        pytest.param(Camera(1e5, 1e5, 320, 240, 640, 480), 1e6, id="a million pixels"),
        pytest.param(Camera(100, 100, 320, 0, 640, 480), 1e5, id="a thousand distances aside"),
    ],
)
def test_a_joint_too_far_away_is_absent(model, camera, farthest):
    def joints(away: float) -> np.ndarray:
        far = person(0)
        far.keypoints[5] = 320, away
        return StreamingUplifter(PlainUplift(model)).push(keyframe(0, far), camera).live.persons[0].joints

    np.testing.assert_array_equal(joints(1.01 * farthest), joints(np.nan))
    assert not np.allclose(joints(0.99 * farthest), joints(np.nan))


@pytest.mark.parametrize(("gap", "goes_on"), [(80, True), (82, False)])
def test_who_was_unseen_for_a_window_is_seen_for_the_first_time(model, gap, goes_on):
    """Another person is in view meanwhile, so the stream continues."""
    uplifter = StreamingUplifter(PlainUplift(model), latency=0)
    uplifter.push(keyframe(0, person(0), person(0, "p2", 150)), CAMERA)
    for frame in range(10, 61, 10):
        uplifter.push(keyframe(frame, person(frame)), CAMERA)
    output = uplifter.push(keyframe(gap, person(gap), person(gap, "p2", 150)), CAMERA)
    assert [len(skeletons.persons) for skeletons in output.final] == [2 if goes_on else 1] * (gap - 61) + [2]
