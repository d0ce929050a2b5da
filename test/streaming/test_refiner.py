"""The streaming refiner: every frame is refined as its method says, and keeps its other fields."""

from dataclasses import replace

import numpy as np
import pytest
from support import tiny
from support.refining import SMALL, frames_of, joints_of, motion, person, refine

from uplift_ros.lab.plain import PlainRefine
from uplift_ros.lab.whole_sequence import average_windows, pad_front, sliding_windows
from uplift_ros.poses import ScaleSource, SkeletonFrame, Source
from uplift_ros.streaming import uncertainty
from uplift_ros.streaming.refiner import MAX_DELAY, METHODS, StreamingRefiner


@pytest.fixture(scope="module")
def model() -> PlainRefine:
    return tiny.refining(SMALL)


@pytest.mark.parametrize("delay", range(MAX_DELAY + 1))
@pytest.mark.parametrize("method", METHODS)
def test_every_frame_comes_back_once_in_order_and_delay_frames_later(model, method, delay):
    refiner = StreamingRefiner(method, delay, model)
    frames = frames_of({"p1": motion(12), "p2": motion(12, 7)})
    ready = [refiner.push([frame]) for frame in frames]
    assert [len(out) for out in ready] == [0] * delay + [1] * (12 - delay)
    refined = [frame for out in ready for frame in out] + refiner.flush()
    assert [frame.stamp for frame in refined] == [frame.stamp for frame in frames]
    assert all([p.id for p in frame.persons] == ["p1", "p2"] for frame in refined)
    assert all(np.isfinite(p.joints).all() and np.isfinite(p.scores).all() for f in refined for p in f.persons)


@pytest.mark.parametrize("delay", [0, 3, 7])
def test_synsp_gives_the_sliding_window_average_of_the_network(model, delay):
    poses = motion(20)
    relative = poses - poses[:, :1]
    windows = sliding_windows(pad_front(relative, 7), 8)
    expected = average_windows(model(windows)[:, 7 - delay :, :, :3])[delay:]
    refined = joints_of(refine(StreamingRefiner("synsp", delay, model), frames_of({"p1": poses})))
    np.testing.assert_allclose(refined - refined[:, :1], expected - expected[:, :1], atol=1e-5)


def test_the_network_sees_people_upright_in_a_frame_with_z_up_too(model):
    poses = motion(20)
    optical_to_world = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
    in_camera = joints_of(refine(StreamingRefiner("synsp", 3, model), frames_of({"p1": poses})))
    in_world = frames_of({"p1": poses @ optical_to_world.T})
    refined = joints_of(refine(StreamingRefiner("synsp", 3, model, z_up=True), in_world))
    np.testing.assert_allclose(refined, in_camera @ optical_to_world.T, atol=1e-5)


def test_all_windows_of_one_call_go_through_the_network_at_once():
    batches: list[int] = []

    class Counting(PlainRefine):
        def __call__(self, windows):
            batches.append(len(windows))
            return super().__call__(windows)

    refiner = StreamingRefiner("synsp", 7, Counting(tiny.synsp()))
    refiner.push(frames_of({"p1": motion(20), "p2": motion(20), "p3": motion(20)}))
    assert batches == [60]


@pytest.mark.parametrize("method", METHODS)
def test_all_other_fields_stay(model, method):
    covariance = np.ones((17, 6))
    one = person(motion(1)[0], "anna", source=Source.KEYFRAME, scale_source=ScaleSource.DEPTH, covariance=covariance)
    (refined,) = refine(StreamingRefiner(method, 2, model), [SkeletonFrame(7, "eye", (one,), is_final=False)])
    assert (refined.stamp, refined.frame_id, refined.is_final) == (7, "eye", False)
    (same,) = refined.persons
    fields = ("id", "score", "source", "scale_source", "velocity")
    assert [getattr(same, name) for name in fields] == [getattr(one, name) for name in fields]
    assert method == "synsp" or same.covariance is covariance


def test_method_none_changes_nothing():
    poses = motion(12).astype(np.float32)
    refined = refine(StreamingRefiner("none", 4), frames_of({"p1": poses}))
    np.testing.assert_array_equal(joints_of(refined), poses)
    assert joints_of(refined).dtype == np.float32


@pytest.mark.parametrize("method", ["one_euro", "savgol"])
def test_filters_take_most_of_the_jitter_out(method):
    still = np.tile(motion(1), (100, 1, 1))
    noisy = still + 0.01 * np.random.default_rng(13).normal(size=still.shape)
    refined = joints_of(refine(StreamingRefiner(method, 7), frames_of({"p1": noisy})))
    assert np.abs(np.diff(refined[20:], 2, axis=0)).mean() < 0.5 * np.abs(np.diff(noisy[20:], 2, axis=0)).mean()


def test_the_pelvis_is_smoothed_apart_from_the_body(model):
    still = np.tile(motion(1), (60, 1, 1))
    noisy = still + 0.05 * np.random.default_rng(14).normal(size=(60, 1, 3))
    refined = joints_of(refine(StreamingRefiner("synsp", 7, model), frames_of({"p1": noisy})))
    assert (refined[:, 0] - still[:, 0])[7:-7].std() < 0.5 * (noisy[:, 0] - still[:, 0]).std()
    relative = (refined - refined[:, :1])[:-7]
    np.testing.assert_allclose(relative, np.tile(relative[:1], (53, 1, 1)), atol=1e-5)


def test_a_straight_walk_of_the_pelvis_is_followed_without_lag(model):
    walk = motion(1) + np.arange(40)[:, None, None] * np.array([0.02, 0, 0.03])
    for delay in (0, 7):
        refined = joints_of(refine(StreamingRefiner("synsp", delay, model), frames_of({"p1": walk})))
        np.testing.assert_allclose(refined[:, 0], walk[:, 0], atol=1e-6)


@pytest.mark.parametrize("delay", [0, 3, 7])
@pytest.mark.parametrize("method", METHODS)
def test_velocities_are_those_of_joints_that_move_evenly(model, method, delay):
    steps = 0.01 * np.random.default_rng(16).normal(size=(17, 3))
    even = motion(1) + np.arange(40)[:, None, None] * steps
    refined = refine(StreamingRefiner(method, delay, model), frames_of({"p1": even}))
    velocities = np.stack([frame.persons[0].velocities for frame in refined])
    np.testing.assert_allclose(velocities[14:], np.tile(steps * 50, (26, 1, 1)), atol=1e-6)


def test_the_velocity_of_the_first_frame_alone_is_zero():
    ((frame),) = refine(StreamingRefiner("none", 0), frames_of({"p1": motion(1)}))
    np.testing.assert_array_equal(frame.persons[0].velocities, np.zeros((17, 3)))


def test_orientations_of_other_poses_are_left_out():
    one = person(motion(1)[0], orientations=np.ones((17, 4)), twist_variances=np.ones(17))
    (refined,) = refine(StreamingRefiner("none", 0), [SkeletonFrame(0, "camera", (one,))])
    assert len(refined.persons[0].orientations) == len(refined.persons[0].twist_variances) == 0


def test_scores_and_covariance_follow_the_tension_of_the_branches(model):
    poses = np.tile(motion(1), (3, 1, 1))
    relative = poses - poses[:, :1]
    tension = model(np.tile(relative[0], (1, 8, 1, 1)))[0, -1, :, 3]
    before = np.ones((17, 6))
    before[0] = 0.5  # the pelvis's place, which all share
    frames = [
        replace(frame, persons=tuple(replace(person, covariance=before) for person in frame.persons))
        for frame in frames_of({"p1": poses})
    ]
    (person,) = refine(StreamingRefiner("synsp", 0, model), frames)[0].persons
    scores, covariance = uncertainty.refined(np.full(17, 0.8), before, tension)
    np.testing.assert_allclose(person.scores, scores, rtol=1e-4)
    np.testing.assert_allclose(person.covariance, covariance, rtol=1e-3)


@pytest.mark.parametrize("method", ["one_euro", "savgol", "none"])
def test_filters_leave_scores_alone(method):
    refined = refine(StreamingRefiner(method, 2), frames_of({"p1": motion(5)}))
    assert all((frame.persons[0].scores == 0.8).all() for frame in refined)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"method": "kalman"}, "method"),
        ({"method": "none", "delay": 8}, "delay"),
        ({"method": "none", "delay": -1}, "delay"),
        ({"method": "none", "delay": 2.5}, "delay"),
        ({"method": "synsp"}, "model"),
        ({"method": "synsp", "model": tiny.refining(replace(SMALL, joints=14))}, "model"),
        ({"method": "synsp", "model": tiny.refining(replace(SMALL, window=4))}, "model"),
    ],
)
def test_an_argument_out_of_range_is_refused_by_name(arguments, message):
    with pytest.raises(ValueError, match=message):
        StreamingRefiner(**arguments)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (SkeletonFrame(0, "camera", (), skeleton="coco17"), "skeleton"),
        (SkeletonFrame(0, "camera", (person(np.zeros((16, 3))),)), "joints"),
        (SkeletonFrame(0, "camera", (person(motion(1)[0]),) * 2), "ids"),
    ],
)
def test_a_frame_of_another_form_is_refused_and_nothing_taken(model, wrong, message):
    refiner = StreamingRefiner("synsp", 7, model)
    with pytest.raises(ValueError, match=message):
        refiner.push([*frames_of({"p1": motion(2)}), wrong])
    assert refiner.flush() == []


def test_after_a_device_has_failed_once_the_stream_continues(model):
    class Failing:
        config = model.config
        calls = 0

        def __call__(self, windows: np.ndarray) -> np.ndarray:
            self.calls += 1
            if self.calls == 2:
                raise RuntimeError("the device is gone")
            return model(windows)

    refiner = StreamingRefiner("synsp", 3, Failing())
    frames = frames_of({"p1": motion(25), "p2": [*motion(5), *[None] * 20]})
    refiner.push(frames[:5])
    with pytest.raises(RuntimeError, match="gone"):
        refiner.push(frames[5:10])  # as a person leaves
    refined = refiner.push(frames[10:]) + refiner.flush()
    assert [frame.stamp for frame in refined] == [frame.stamp for frame in frames[10:]]


def test_after_a_device_has_failed_the_spare_network_goes_on(model):
    class Lost:
        config = model.config

        def __call__(self, poses):
            raise RuntimeError("device lost")

    frames = frames_of({"p1": motion(20)})
    refiner = StreamingRefiner("synsp", 3, Lost(), spare=lambda: model)
    refined = refine(refiner, frames)
    assert refiner.failure == "device lost"
    np.testing.assert_array_equal(joints_of(refined), joints_of(refine(StreamingRefiner("synsp", 3, model), frames)))
