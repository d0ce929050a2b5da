"""Streaming Uplift and Upsample: people, their poses, scores and velocities."""

from dataclasses import replace

import numpy as np
import pytest
from support import keyframes
from support.cameras import CAMERA
from support.clocks import FRAME, START

from uplift_ros.camera import Camera
from uplift_ros.lab.plain import PlainUplift
from uplift_ros.models import runtime
from uplift_ros.poses import ScaleSource, Source
from uplift_ros.sources.synthetic.motion import pose
from uplift_ros.streaming.uplifter import StreamingUplifter


@pytest.fixture(scope="module")
def model():
    return keyframes.network()


def test_frames_without_people_are_empty(model):
    uplifter = StreamingUplifter(PlainUplift(model), latency=0)
    final = [s for frame in range(0, 41, 10) for s in uplifter.push(keyframes.keyframe(frame), CAMERA).final]
    assert len(final) == 41
    assert all(skeletons.persons == () for skeletons in final)


def test_people_are_in_the_output_from_their_first_to_their_last_observation(model):
    uplifter = StreamingUplifter(PlainUplift(model), latency=0)
    final = []
    for frame in range(0, 61, 10):
        people = [keyframes.person(frame)] + ([keyframes.person(frame, "p2", 150)] if 20 <= frame <= 40 else [])
        final += uplifter.push(keyframes.keyframe(frame, *people), CAMERA).final
    present = [index for index, s in enumerate(final) if "p2" in {p.id for p in s.persons}]
    assert present == list(range(20, 41))
    assert all("p1" in {p.id for p in s.persons} for s in final)


def test_people_do_not_change_each_other(model):
    def stream(*names):
        uplifter = StreamingUplifter(PlainUplift(model), latency=0)
        people = {"p1": 0.0, "p2": 150.0}
        for frame in range(0, 41, 10):
            out = uplifter.push(
                keyframes.keyframe(frame, *(keyframes.person(frame, n, people[n]) for n in names)), CAMERA
            )
        return {p.id: p.joints for p in out.live.persons}

    together = stream("p1", "p2")
    np.testing.assert_allclose(together["p1"], stream("p1")["p1"], atol=1e-5)
    np.testing.assert_allclose(together["p2"], stream("p2")["p2"], atol=1e-5)


def test_absent_joints_and_an_absent_pelvis_cause_no_nan(model):
    uplifter = StreamingUplifter(PlainUplift(model), latency=0)
    partial, headless = keyframes.person(10), keyframes.person(20)
    partial.keypoints[[3, 16]] = np.nan
    headless.keypoints[0] = np.nan
    frames = ((0, keyframes.person(0)), (10, partial), (20, headless), (30, keyframes.person(30)))
    final = [
        skeletons
        for frame, seen in frames
        for skeletons in uplifter.push(keyframes.keyframe(frame, seen), CAMERA).final
    ]
    assert [len(skeletons.persons) for skeletons in final] == [1] * 11 + [0] * 10 + [1] * 10
    for found in (found for skeletons in final for found in skeletons.persons):
        assert np.isfinite(found.joints).all()
        assert np.isfinite(found.velocity)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30])
@pytest.mark.parametrize("joints", [[5], [0], list(range(17))])
def test_no_keypoint_of_a_detector_causes_nan(model, value, joints):
    uplifter = StreamingUplifter(PlainUplift(model), latency=0)
    odd = keyframes.person(10)
    odd.keypoints[joints] = value
    frames = ((0, keyframes.person(0)), (10, odd), (20, keyframes.person(20)))
    final = [
        skeletons
        for frame, seen in frames
        for skeletons in uplifter.push(keyframes.keyframe(frame, seen), CAMERA).final
    ]
    has_pelvis = 0 not in joints
    assert [len(skeletons.persons) for skeletons in final] == [1] + [has_pelvis] * 10 + [1] * 10
    for found in (found for skeletons in final for found in skeletons.persons):
        assert np.isfinite(found.joints).all()
        assert np.abs(found.joints).max() < 1000


def test_without_intrinsics_poses_stay_around_the_origin(model):
    final = keyframes.stream(model, [0, 10], camera=None, latency=0)
    found = final[-1].persons[0]
    assert found.scale_source is ScaleSource.NONE
    np.testing.assert_array_equal(found.joints[0], 0.0)


def test_late_intrinsics_place_people_from_then_on():
    uplifter = StreamingUplifter(runtime.load_uplift("compact"), latency=0)
    upright = pose(0.0) @ np.array([[0, 0, -1.0], [-1, 0, 0], [0, -1, 0]]) + (0, 1, 4)
    found = replace(keyframes.person(0), keypoints=CAMERA.project(upright))
    final = []
    for frame in (0, 10, 20, 30):
        final += uplifter.push(keyframes.keyframe(frame, found), None if frame < 20 else CAMERA).final
    for frame, skeletons in enumerate(final):
        found = skeletons.persons[0]
        if frame < 20:
            assert found.scale_source is ScaleSource.NONE
            np.testing.assert_array_equal(found.joints[0], 0.0)
        elif frame > 20:
            assert found.scale_source is ScaleSource.PRIOR
            assert found.joints[0, 2] == pytest.approx(4.0, rel=0.1)


def test_the_size_of_people_follows_their_stature(model):
    small, large = (
        keyframes.stream(model, [0, 10], latency=0, person_height=height)[-1].persons[0] for height in (0.86, 1.72)
    )
    np.testing.assert_allclose(2 * (small.joints - small.joints[0]), large.joints - large.joints[0], atol=1e-9)


def test_scores_are_the_detectors_and_a_tenth_less_between_key_frames(model):
    people = [skeletons.persons[0] for skeletons in keyframes.stream(model, [0, 10, 20], latency=0)]
    for frame, found in enumerate(people):
        np.testing.assert_allclose(found.scores, 0.8 if frame % 10 == 0 else 0.72)
        assert found.score == 0.9
        assert found.covariance.shape == (0, 6)


class RecordingModel:
    """Replacement of an error model that records its inputs."""

    def __init__(self) -> None:
        self.asked = []

    def predict(self, joints, root, speeds, seconds, detected, scale):
        self.asked.append((joints, root, speeds, seconds, detected, scale))
        return 0.5 * detected, np.full((17, 6), len(self.asked))


def test_with_an_error_model_scores_and_covariance_are_its_predictions(model):
    errors, final = RecordingModel(), []
    uplifter = StreamingUplifter(PlainUplift(model), latency=10, errors=errors)
    for frame in (0, 10, 20):
        final += uplifter.push(
            keyframes.keyframe(frame, replace(keyframes.person(frame), scores=np.full(17, frame / 20))), CAMERA
        ).final
        errors.asked = errors.asked[: len(final)]  # not that of the live skeleton
    assert len(final) == len(errors.asked) == 11
    for frame, (skeletons, (joints, root, speeds, seconds, detected, scale)) in enumerate(
        zip(final, errors.asked, strict=True)
    ):
        (found,) = skeletons.persons
        np.testing.assert_array_equal(found.joints, joints + np.nan_to_num(root))
        assert (speeds.shape, scale) == ((17,), 1.0)
        assert seconds == pytest.approx(min(frame, 10 - frame) / 50), "to the nearer key-frame"
        np.testing.assert_allclose(detected, frame / 20)
        np.testing.assert_array_equal(found.scores, 0.5 * detected)
        np.testing.assert_array_equal(found.covariance, frame + 1)


def test_velocities_are_means_since_the_key_frame_before(model):
    uplifter = StreamingUplifter(PlainUplift(model), latency=0)
    still = {"p2": 0, "p3": 0}
    for frame in (0, 10, 20):
        people = [
            keyframes.person(0, "p0", 90),
            keyframes.person(frame),
            *(keyframes.person(at, name, 150) for name, at in still.items()),
        ]
        output = uplifter.push(keyframes.keyframe(frame, *people), CAMERA)
    since = [s for s in output.final if s.persons[1].source is not Source.INTERPOLATED]
    assert [s.stamp for s in since] == [START + frame * FRAME for frame in range(12, 21, 2)]
    means = [np.mean([s.persons[index].velocity for s in since]) for index in range(4)]
    assert means[1] > means[0]
    assert output.velocities == pytest.approx(dict(zip(("p0", "p1", "p2", "p3"), means, strict=True)))
    assert uplifter.push(keyframes.keyframe(30), CAMERA).velocities == {}


def test_a_persons_velocity_is_the_mean_displacement_of_the_joints_per_second(model):
    uplifter = StreamingUplifter(PlainUplift(model), latency=0)
    uplifter.push(keyframes.keyframe(0, keyframes.person(0)), CAMERA)
    people = [
        skeletons.persons[0] for skeletons in uplifter.push(keyframes.keyframe(10, keyframes.person(10)), CAMERA).final
    ]
    poses = np.array([found.joints - found.joints[0] for found in people[1::2]])  # frames 2 to 10
    displacements = np.linalg.norm(np.diff(poses, axis=0), axis=-1).mean(-1)
    np.testing.assert_allclose([found.velocity for found in people[3::2]], displacements / 0.04)


@pytest.mark.parametrize(
    ("camera", "farthest"),
    [
        pytest.param(Camera(1e5, 1e5, 320, 240, 640, 480), 1e6, id="a million pixels"),
        pytest.param(Camera(100, 100, 320, 0, 640, 480), 1e5, id="a thousand distances aside"),
    ],
)
def test_a_joint_too_far_away_is_absent(model, camera, farthest):
    def joints(away: float) -> np.ndarray:
        far = keyframes.person(0)
        far.keypoints[5] = 320, away
        return StreamingUplifter(PlainUplift(model)).push(keyframes.keyframe(0, far), camera).live.persons[0].joints

    np.testing.assert_array_equal(joints(1.01 * farthest), joints(np.nan))
    assert not np.allclose(joints(0.99 * farthest), joints(np.nan))


@pytest.mark.parametrize(("gap", "continues"), [(80, True), (82, False)])
def test_a_person_unseen_for_a_window_starts_a_new_track(model, gap, continues):
    """Another person is in view meanwhile, so the stream continues."""
    uplifter = StreamingUplifter(PlainUplift(model), latency=0)
    uplifter.push(keyframes.keyframe(0, keyframes.person(0), keyframes.person(0, "p2", 150)), CAMERA)
    for frame in range(10, 61, 10):
        uplifter.push(keyframes.keyframe(frame, keyframes.person(frame)), CAMERA)
    output = uplifter.push(keyframes.keyframe(gap, keyframes.person(gap), keyframes.person(gap, "p2", 150)), CAMERA)
    assert [len(skeletons.persons) for skeletons in output.final] == [2 if continues else 1] * (gap - 61) + [2]
