"""The streaming refiner, whatever happens to people, stamps and calls."""

from dataclasses import replace

import numpy as np
import pytest
from support import tiny
from support.clocks import FRAME
from support.refining import SMALL, assert_same, frames_of, joints_of, motion, refine

from uplift_ros.lab.plain import PlainRefine
from uplift_ros.poses import ScaleSource
from uplift_ros.streaming.refiner import METHODS, StreamingRefiner


@pytest.fixture(scope="module")
def model() -> PlainRefine:
    return tiny.refining(SMALL)


@pytest.mark.parametrize("sizes", [(), (1,) * 40, (3, 1, 17, 2), (20, 20)])
@pytest.mark.parametrize("method", METHODS)
def test_the_result_does_not_depend_on_how_frames_are_cut_into_calls(model, method, sizes):
    poses = {"p1": list(motion(40)), "p2": list(motion(40, 8))}
    poses["p1"][11:18] = [None] * 7
    poses["p2"][25:] = [None] * 15
    frames = frames_of(poses)
    frames[30:] = [replace(frame, stamp=frame.stamp + 10 * FRAME) for frame in frames[30:]]
    expected = refine(StreamingRefiner(method, 5, model), frames, (7, 7, 7))
    assert_same(refine(StreamingRefiner(method, 5, model), frames, sizes), expected)


def test_one_person_is_refined_the_same_alone_and_among_others(model):
    poses = motion(15)
    alone = refine(StreamingRefiner("synsp", 4, model), frames_of({"p1": poses}))
    among = refine(StreamingRefiner("synsp", 4, model), frames_of({"p0": motion(15, 9), "p1": poses}))
    np.testing.assert_allclose(joints_of(alone), joints_of(among), atol=1e-5)


def test_a_person_who_joins_later_is_refined_as_if_the_stream_began_then(model):
    late = motion(14, 10)
    frames = frames_of({"p1": list(motion(20)), "p2": [None] * 6 + list(late)})
    refined = refine(StreamingRefiner("synsp", 5, model), frames)
    alone = refine(StreamingRefiner("synsp", 5, model), frames_of({"p2": late}))
    np.testing.assert_allclose(joints_of(refined, "p2"), joints_of(alone, "p2"), atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_a_person_who_leaves_is_refined_up_to_the_last_frame(model, method):
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
        lambda frame: replace(frame, stamp=frame.stamp + 6 * FRAME),
        lambda frame: replace(frame, stamp=frame.stamp - 30 * FRAME),
        lambda frame: replace(frame, stamp=frame.stamp - FRAME),
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


@pytest.mark.parametrize("method", METHODS)
def test_a_person_whom_depth_moves_does_not_run_there(model, method):
    frames = frames_of({"p1": np.repeat(motion(1), 20, axis=0)})
    for i in range(10, 20):
        (person,) = frames[i].persons
        measured = replace(person, joints=person.joints + np.array((0, 0, 0.6)), scale_source=ScaleSource.DEPTH)
        frames[i] = replace(frames[i], persons=(measured,))
    refined = refine(StreamingRefiner(method, 5, model), frames)
    np.testing.assert_allclose(np.diff(joints_of(refined)[:, 0, 2]), [0.0] * 9 + [0.6] + [0.0] * 9, atol=1e-5)
    assert max(np.abs(frame.persons[0].velocities[0, 2]) for frame in refined) < 1e-4


@pytest.mark.parametrize("method", METHODS)
def test_a_person_who_loses_the_scale_is_at_the_origin_at_once(model, method):
    """Images of another size than camera_info: nothing is between the place in metres and the origin."""
    poses = motion(20) - motion(20)[:, :1]
    frames = frames_of({"p1": poses})
    for i in range(10):
        (person,) = frames[i].persons
        placed = replace(person, joints=person.joints + np.array((0, 0, 3.0)), scale_source=ScaleSource.PRIOR)
        frames[i] = replace(frames[i], persons=(placed,))
        (person,) = frames[10 + i].persons
        frames[10 + i] = replace(frames[10 + i], persons=(replace(person, scale_source=ScaleSource.NONE),))
    refined = refine(StreamingRefiner(method, 5, model), frames)
    np.testing.assert_allclose(joints_of(refined)[:, 0, 2], [3.0] * 10 + [0.0] * 10, atol=1e-6)
    assert max(np.abs(frame.persons[0].velocities[0, 2]) for frame in refined) < 1e-4


def test_the_frames_before_a_gap_are_returned_at_once(model):
    refiner = StreamingRefiner("synsp", 7, model)
    frames = frames_of({"p1": motion(5)})
    assert refiner.push(frames) == []
    ready = refiner.push([replace(frames[0], stamp=frames[-1].stamp + 1_000_000_000)])
    assert [frame.stamp for frame in ready] == [frame.stamp for frame in frames]


def test_one_missing_frame_is_no_gap(model):
    refiner = StreamingRefiner("none", 7, model)
    frames = frames_of({"p1": motion(5)})
    refiner.push(frames[:4])
    assert refiner.push([replace(frames[4], stamp=frames[4].stamp + FRAME)]) == []


@pytest.mark.parametrize(("gap", "ready"), [(100_000_000, 0), (100_000_001, 5)])
def test_motion_continues_over_a_tenth_of_a_second(gap, ready):
    refiner = StreamingRefiner("none", 7)
    frames = frames_of({"p1": motion(5)})
    refiner.push(frames)
    assert len(refiner.push([replace(frames[0], stamp=frames[-1].stamp + gap)])) == ready


@pytest.mark.parametrize(("metres", "dropped"), [(10.0, 0), (-10.0, 0), (10.1, 1), (-10.1, 1)])
def test_no_person_has_joints_more_than_ten_metres_from_the_pelvis(metres, dropped):
    refiner = StreamingRefiner("none", 0)
    joints = np.zeros((17, 3))
    joints[3, 1] = metres
    refiner.push([frames_of({"p1": joints[None]})[0]])
    assert refiner.dropped == dropped


def test_frames_without_people_come_back_too(model):
    frames = frames_of({"p1": [None] * 10})
    refined = refine(StreamingRefiner("synsp", 3, model), frames)
    assert refined == frames


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
    refiner.push(frames[:5])
    refiner.reset()
    assert refiner.flush() == []
    assert_same(refine(refiner, frames), refine(StreamingRefiner("synsp", 7, model), frames))
