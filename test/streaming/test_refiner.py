"""The streaming refiner: every frame is refined, whatever happens to people, stamps and calls."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from support import tiny

from uplift_ros.lab.plain import PlainRefine
from uplift_ros.models.configs import SynSPConfig
from uplift_ros.poses import Person3D, ScaleSource, SkeletonFrame, Source
from uplift_ros.streaming import uncertainty
from uplift_ros.streaming.refiner import MAX_DELAY, METHODS, StreamingRefiner, refine_sequence
from uplift_ros.streaming.swaa import average_windows, pad_front, sliding_windows

PERIOD = 20_000_000
SMALL = SynSPConfig(width=16, ffn=16, layers=1, heads=2, head_width=8)


@pytest.fixture(scope="module")
def model() -> PlainRefine:
    return tiny.refining(SMALL)


def motion(count: int, seed: int = 6) -> np.ndarray:
    """(count, 17, 3) metres, a trembling person who walks away from the camera."""
    rng = np.random.default_rng(seed)
    body = 0.4 * rng.normal(size=(17, 3)) + (0, 0, 4)
    walk = np.arange(count)[:, None, None] * (0.01, 0, 0.02)
    return body + walk + 0.02 * rng.normal(size=(count, 17, 3))


def person(joints: np.ndarray, name: str = "p1", **fields) -> Person3D:
    given = {"score": 0.9, "source": Source.UPSAMPLED, "scale_source": ScaleSource.PRIOR, "velocity": 0.3}
    return Person3D(id=name, joints=joints, scores=np.full(17, 0.8), **(given | fields))


def frames_of(poses: dict[str, np.ndarray], start: int = 1_000_000_000) -> list[SkeletonFrame]:
    """One frame per pose; a person is left out of a frame whose pose is None."""
    count = len(next(iter(poses.values())))
    return [
        SkeletonFrame(
            start + t * PERIOD,
            "camera",
            tuple(person(joints[t], name) for name, joints in poses.items() if joints[t] is not None),
        )
        for t in range(count)
    ]


def refine(
    refiner: StreamingRefiner, frames: Sequence[SkeletonFrame], sizes: Sequence[int] = ()
) -> list[SkeletonFrame]:
    """Push in calls of the given sizes, the rest at once, and flush."""
    refined, at = [], 0
    for size in [*sizes, len(frames)]:
        refined += refiner.push_many(frames[at : at + size])
        at += size
    return refined + refiner.flush()


def joints_of(frames: Sequence[SkeletonFrame], name: str = "p1") -> np.ndarray:
    return np.stack([p.joints for frame in frames for p in frame.persons if p.id == name])


def assert_same(left: Sequence[SkeletonFrame], right: Sequence[SkeletonFrame]) -> None:
    assert [f.stamp for f in left] == [f.stamp for f in right]
    for one, other in zip(left, right, strict=True):
        assert [p.id for p in one.persons] == [p.id for p in other.persons]
        for p, q in zip(one.persons, other.persons, strict=True):
            np.testing.assert_allclose(p.joints, q.joints, atol=1e-5)
            np.testing.assert_allclose(p.scores, q.scores, atol=1e-5)


@pytest.mark.parametrize("delay", range(MAX_DELAY + 1))
@pytest.mark.parametrize("method", METHODS)
def test_every_frame_comes_back_once_in_order_and_delay_frames_later(model, method, delay):
    refiner = StreamingRefiner(method, delay, model)
    frames = frames_of({"p1": motion(12), "p2": motion(12, 7)})
    ready = [refiner.push(frame) for frame in frames]
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


def test_a_whole_sequence_has_the_full_average_at_every_frame(model):
    poses = motion(20)
    whole = refine_sequence(model, poses)
    streamed = joints_of(refine(StreamingRefiner("synsp", 7, model), frames_of({"p1": poses})))
    # Away from the ends the two are one; a stream has no windows that begin before it, and pads instead.
    np.testing.assert_allclose(whole[7:13], (streamed - streamed[:, :1])[7:13], atol=1e-5)


def test_a_sequence_shorter_than_a_window_is_refined_whole(model):
    assert refine_sequence(model, motion(3)).shape == (3, 17, 3)


@pytest.mark.parametrize("sizes", [(), (1,) * 40, (3, 1, 17, 2), (20, 20)])
@pytest.mark.parametrize("method", METHODS)
def test_the_result_does_not_depend_on_how_frames_are_cut_into_calls(model, method, sizes):
    poses = {"p1": list(motion(40)), "p2": list(motion(40, 8))}
    poses["p1"][11:18] = [None] * 7
    poses["p2"][25:] = [None] * 15
    frames = frames_of(poses)
    frames[30:] = [replace(frame, stamp=frame.stamp + 10 * PERIOD) for frame in frames[30:]]
    expected = refine(StreamingRefiner(method, 5, model), frames, (7, 7, 7))
    assert_same(refine(StreamingRefiner(method, 5, model), frames, sizes), expected)


def test_all_windows_of_one_call_go_through_the_network_at_once():
    batches: list[int] = []

    class Counting(PlainRefine):
        def __call__(self, windows):
            batches.append(len(windows))
            return super().__call__(windows)

    refiner = StreamingRefiner("synsp", 7, Counting(tiny.synsp()))
    refiner.push_many(frames_of({"p1": motion(20), "p2": motion(20), "p3": motion(20)}))
    assert batches == [60]


def test_one_person_is_refined_the_same_alone_and_among_others(model):
    poses = motion(15)
    alone = refine(StreamingRefiner("synsp", 4, model), frames_of({"p1": poses}))
    among = refine(StreamingRefiner("synsp", 4, model), frames_of({"p0": motion(15, 9), "p1": poses}))
    np.testing.assert_allclose(joints_of(alone), joints_of(among), atol=1e-5)


def test_who_joins_later_is_refined_as_if_the_stream_began_then(model):
    late = motion(14, 10)
    frames = frames_of({"p1": list(motion(20)), "p2": [None] * 6 + list(late)})
    refined = refine(StreamingRefiner("synsp", 5, model), frames)
    alone = refine(StreamingRefiner("synsp", 5, model), frames_of({"p2": late}))
    np.testing.assert_allclose(joints_of(refined, "p2"), joints_of(alone, "p2"), atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_who_leaves_is_refined_up_to_the_last_frame(model, method):
    early = motion(9, 11)
    frames = frames_of({"p1": list(motion(20)), "p2": [*early, *[None] * 11]})
    refined = refine(StreamingRefiner(method, 5, model), frames)
    assert [len(frame.persons) for frame in refined] == [2] * 9 + [1] * 11
    alone = refine(StreamingRefiner(method, 5, model), frames_of({"p2": early}))
    np.testing.assert_allclose(joints_of(refined, "p2"), joints_of(alone, "p2"), atol=1e-5)


def test_a_person_who_returns_starts_again(model):
    poses: list = list(motion(20))
    poses[10] = None
    refined = refine(StreamingRefiner("synsp", 5, model), frames_of({"p1": poses}))
    after = refine(StreamingRefiner("synsp", 5, model), frames_of({"p1": poses[11:]}))
    np.testing.assert_allclose(joints_of(refined[11:]), joints_of(after), atol=1e-5)


@pytest.mark.parametrize(
    "change",
    [
        lambda frame: replace(frame, stamp=frame.stamp + 6 * PERIOD),
        lambda frame: replace(frame, stamp=frame.stamp - 30 * PERIOD),
        lambda frame: replace(frame, stamp=frame.stamp - PERIOD),
        lambda frame: replace(frame, frame_id="other_camera"),
    ],
    ids=["a gap of more than 0.1 s", "stamps that go back", "a stamp that comes twice", "another frame_id"],
)
@pytest.mark.parametrize("method", METHODS)
def test_motion_is_not_continued_across(model, method, change):
    before, after = motion(10), motion(12, 12)
    frames = frames_of({"p1": np.concatenate([before, after])})
    frames[10:] = [change(frame) for frame in frames[10:]]
    refined = refine(StreamingRefiner(method, 5, model), frames)
    alone = [refine(StreamingRefiner(method, 5, model), frames_of({"p1": poses})) for poses in (before, after)]
    assert [frame.stamp for frame in refined] == [frame.stamp for frame in frames]
    np.testing.assert_allclose(joints_of(refined), joints_of(alone[0] + alone[1]), atol=1e-5)


def test_the_frames_before_a_gap_are_given_out_at_once(model):
    refiner = StreamingRefiner("synsp", 7, model)
    frames = frames_of({"p1": motion(5)})
    assert refiner.push_many(frames) == []
    ready = refiner.push(replace(frames[0], stamp=frames[-1].stamp + 1_000_000_000))
    assert [frame.stamp for frame in ready] == [frame.stamp for frame in frames]


def test_one_missing_frame_is_no_gap(model):
    refiner = StreamingRefiner("none", 7, model)
    frames = frames_of({"p1": motion(5)})
    refiner.push_many(frames[:4])
    assert refiner.push(replace(frames[4], stamp=frames[4].stamp + PERIOD)) == []


@pytest.mark.parametrize(("gap", "ready"), [(100_000_000, 0), (100_000_001, 5)])
def test_motion_continues_over_a_tenth_of_a_second(gap, ready):
    refiner = StreamingRefiner("none", 7)
    frames = frames_of({"p1": motion(5)})
    refiner.push_many(frames)
    assert len(refiner.push(replace(frames[0], stamp=frames[-1].stamp + gap))) == ready


@pytest.mark.parametrize(("metres", "dropped"), [(10.0, 0), (-10.0, 0), (10.1, 1), (-10.1, 1)])
def test_no_person_has_joints_more_than_ten_metres_from_the_pelvis(metres, dropped):
    refiner = StreamingRefiner("none", 0)
    joints = np.zeros((17, 3))
    joints[3, 1] = metres
    refiner.push(frames_of({"p1": joints[None]})[0])
    assert refiner.dropped == dropped


def test_frames_without_people_come_back_too(model):
    frames = frames_of({"p1": [None] * 10})
    refined = refine(StreamingRefiner("synsp", 3, model), frames)
    assert refined == frames


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


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
def test_a_person_with_joints_that_are_no_numbers_is_dropped_and_counted(model, value):
    poses = motion(12)
    poses[6, 3, 1] = value
    refiner = StreamingRefiner("synsp", 5, model)
    refined = refine(refiner, frames_of({"p1": poses, "p2": motion(12, 15)}))
    assert refiner.dropped == 1
    assert [p.id for p in refined[6].persons] == ["p2"]
    assert all(np.isfinite(p.joints).all() for frame in refined for p in frame.persons)


def test_reset_forgets_the_frames_held(model):
    refiner = StreamingRefiner("synsp", 7, model)
    frames = frames_of({"p1": motion(12)})
    refiner.push_many(frames[:5])
    refiner.reset()
    assert refiner.flush() == []
    assert_same(refine(refiner, frames), refine(StreamingRefiner("synsp", 7, model), frames))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"method": "kalman"}, "method must be one of synsp, one_euro, savgol, none, got 'kalman'"),
        ({"method": "none", "delay": 8}, "delay must be an integer from 0 to 7 frames, got 8"),
        ({"method": "none", "delay": -1}, "delay must be an integer from 0 to 7 frames, got -1"),
        ({"method": "none", "delay": 2.5}, r"delay must be an integer from 0 to 7 frames, got 2\.5"),
        ({"method": "synsp"}, "method 'synsp' needs a model"),
        ({"model": tiny.refining(replace(SMALL, joints=14))}, "model must refine 17 joints of 3 coordinates, got 14"),
        ({"model": tiny.refining(replace(SMALL, window=4))}, "windows longer than the delay of 7 frames, got 4"),
    ],
)
def test_an_argument_out_of_range_is_refused_by_name(arguments, message):
    with pytest.raises(ValueError, match=message):
        StreamingRefiner(**arguments)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (SkeletonFrame(0, "camera", (), skeleton="coco17"), "skeleton must be h36m17, got 'coco17'"),
        (SkeletonFrame(0, "camera", (person(np.zeros((16, 3))),)), r"person 'p1' must be \(17, 3\) .* got \(16, 3\)"),
        (SkeletonFrame(0, "camera", (person(motion(1)[0]),) * 2), "ids .* must differ"),
    ],
)
def test_a_frame_of_another_form_is_refused_and_nothing_taken(model, wrong, message):
    refiner = StreamingRefiner("synsp", 7, model)
    with pytest.raises(ValueError, match=message):
        refiner.push_many([*frames_of({"p1": motion(2)}), wrong])
    assert refiner.flush() == []
