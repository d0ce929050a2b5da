from dataclasses import replace

import numpy as np
import pytest
from support import tiny
from support.cameras import SMALL_CAMERA as CAMERA
from support.clocks import FRAME, START, frame_numbers
from support.people import STANDING, person2d

from uplift_ros.camera import Camera
from uplift_ros.intrinsics import Calibration
from uplift_ros.lab.plain import PlainUplift
from uplift_ros.models.uplift import UpliftUpsample
from uplift_ros.poses import Keyframe, Origin, ScaleSource
from uplift_ros.settings import defaults_of
from uplift_ros.stages import build
from uplift_ros.stages.uplifting import UpliftingResult, UpliftingStage
from uplift_ros.streaming.stride import Decision, FixedStride, Reason

LATENCY = 4


def stage(network: UpliftUpsample | None = None, *, is_live: bool = False, **parameters) -> UpliftingStage:
    values = defaults_of("uplift", **({"stride_mode": "fixed", "stride": 10, "latency": LATENCY} | parameters))
    return build.uplifting(values, build.UpliftNetwork(PlainUplift(network or tiny.uplift())), is_live=is_live)


def keyframe(frame: int, sequence: int = 0, stride: int = 10) -> Keyframe:
    keypoints = STANDING[:, :2] * 40 + (80, 60)
    return Keyframe(START + frame * FRAME, "camera", 160, 120, sequence, stride, (person2d(keypoints),))


def kinds(uplifting: UpliftingResult) -> list[str]:
    return [problem.kind for problem in uplifting.problems]


@pytest.mark.parametrize(
    ("camera", "problems", "scale"),
    [
        (CAMERA, [], ScaleSource.PRIOR),
        (None, ["no_camera_info"], ScaleSource.NONE),
        (Camera.from_fov(1.0, 320, 240), ["wrong_camera_info"], ScaleSource.NONE),
    ],
)
def test_only_intrinsics_of_the_images_size_are_used(camera, problems, scale):
    uplifting = stage().push(keyframe(0), camera)
    assert kinds(uplifting) == problems
    assert uplifting.live.persons[0].scale_source is scale


@pytest.mark.parametrize("center", [(79.5, 59.5), (59.5, 79.5)], ids=["exchanged", "rotated"])
def test_what_is_assumed_of_exchanged_width_and_height_is_a_problem(center):
    calibration = Calibration(120, 160, (150.0, 0, center[0], 0, 150.0, center[1], 0, 0, 1))
    uplifting = stage().push(keyframe(0), calibration)
    assert kinds(uplifting) == ["exchanged_camera_info"]
    (same,) = stage().push(keyframe(0), Camera(150, 150, 79.5, 59.5, 160, 120)).live.persons
    np.testing.assert_allclose(uplifting.live.persons[0].joints, same.joints)


def test_a_stride_that_the_network_does_not_know_is_a_problem_and_uplifted():
    uplifting = stage().push(keyframe(0, stride=7), CAMERA)
    assert kinds(uplifting) == ["odd_stride"]
    assert uplifting.live.persons


def test_a_duplicate_key_frame_brings_nothing_but_the_problem():
    chain = stage()
    chain.push(keyframe(0), CAMERA)
    duplicate = chain.push(keyframe(0), CAMERA)
    assert kinds(duplicate) == ["repeated"]
    assert (duplicate.raw, duplicate.live, duplicate.decision, duplicate.rates) == ([], None, None, None)


def test_key_frames_that_were_lost_are_counted():
    chain = stage()
    sequences = (3, 4, 8, 9)
    results = [chain.push(keyframe(10 * at, sequence), CAMERA) for at, sequence in enumerate(sequences)]
    assert [result.rates.dropped for result in results] == [0, 0, 3, 3]


def test_a_fixed_stride_that_was_reached_and_then_changed_by_hand_is_left_alone():
    chain = stage()
    strides = (6, 10, 6, 10)
    decisions = [chain.push(keyframe(10 * at, at, stride), CAMERA).decision for at, stride in enumerate(strides)]
    fixed = Decision(10, Reason.FIXED)
    assert decisions == [fixed, fixed, Decision(6, Reason.MANUAL), fixed]


def test_an_estimator_that_restarts_with_another_stride_was_not_changed_by_hand():
    chain = stage()
    decisions = []
    for at, (sequence, stride) in enumerate([(0, 10), (1, 10), (0, 20), (1, 10)]):
        decisions.append(chain.push(keyframe(10 * at, sequence, stride), CAMERA).decision)
    assert decisions == 4 * [Decision(10, Reason.FIXED)]


def test_a_person_without_a_pelvis_is_a_problem():
    (person,) = keyframe(0).persons
    keypoints = np.where(np.arange(17)[:, None] == 0, np.nan, person.keypoints)
    uplifting = stage().push(replace(keyframe(0), persons=(replace(person, keypoints=keypoints),)), CAMERA)
    assert (kinds(uplifting), uplifting.live.persons) == (["unplaced"], ())


def test_another_controller_must_be_reached_before_a_change_counts_as_made_by_hand():
    chain = stage()
    chain.push(keyframe(0), CAMERA)
    chain.control(build.stride_controller(defaults_of("uplift", stride_mode="fixed", stride=6), chain.config), None)
    assert chain.push(keyframe(10, 1), CAMERA).decision == Decision(6, Reason.FIXED)


def test_an_adaptive_stride_sheds_load_only_live():
    adaptive = {"stride_mode": "adaptive", "velocity_threshold": 1e-9}
    reasons = []
    for is_live in (True, False):
        chain = stage(is_live=is_live, **adaptive)
        chain.load.note(5000.0, 1.0)
        chain.push(keyframe(0), CAMERA)
        reasons.append(chain.push(keyframe(10, 1), CAMERA).decision.reason)
    assert reasons == [Reason.OVERLOAD, Reason.FAST]


def test_frames_that_wait_at_a_pause_are_final_before_the_stream_continues():
    """People leave after the pause, as on a robot; the window reaches farther back than that."""
    network = UpliftUpsample(replace(tiny.uplift().config, frames=251, strided=False)).eval().requires_grad_(False)
    chain, twin = stage(network), stage(network)
    for each in (chain, twin):
        assert frame_numbers(each.push(keyframe(10), CAMERA).raw) == []
        assert frame_numbers(each.push(keyframe(20, 1), CAMERA).raw) == list(range(10, 17))
    live = twin.pause()
    assert frame_numbers(live) == [17, 18, 19, 20]
    after = chain.push(keyframe(20 + 102, 2), CAMERA).raw
    assert frame_numbers(after)[:4] == frame_numbers(live)
    for frame, other in zip(after[:4], live, strict=True):
        np.testing.assert_array_equal(frame.persons[0].joints, other.persons[0].joints)


def test_with_a_playout_raw_frames_leave_one_by_one_and_the_rest_at_the_end():
    chain = stage(is_live=True, playout=True)
    pushed = [chain.push(keyframe(10 * at, at), CAMERA).raw for at in range(3)]
    assert pushed == [[], [], []]
    assert frame_numbers(chain.play()) == [0]
    assert frame_numbers(chain.play()) == [1]
    assert frame_numbers(chain.flush()) == list(range(2, 21))


def test_offline_a_playout_has_no_effect():
    chain = stage(playout=True)
    assert frame_numbers(chain.push(keyframe(0), CAMERA).raw + chain.push(keyframe(10, 1), CAMERA).raw) == list(
        range(7)
    )


@pytest.mark.parametrize(
    ("depth", "problem"), [(None, "no_depth"), (lambda: None, "no_depth"), (lambda: np.ones((8, 8)), "wrong_depth")]
)
def test_depth_that_is_missing_or_odd_is_a_problem_and_people_keep_their_size(depth, problem):
    uplifting = stage(use_depth=True).push(keyframe(0), CAMERA, depth)
    assert kinds(uplifting) == [problem]
    assert uplifting.live.persons[0].scale_source is ScaleSource.PRIOR


def test_the_velocity_that_chooses_the_stride_is_of_people_of_measured_size():
    plain, chain = stage(), stage(use_depth=True)
    assumed = plain.push(keyframe(0), CAMERA).live.persons[0].joints[0, 2]
    depth = np.full((120, 160), 1.1 * assumed)
    chain.push(keyframe(0), CAMERA, lambda: depth)
    moved = replace(keyframe(10, 1), persons=(person2d(STANDING[:, :2] * (40, 36) + (80, 60)),))
    given, measured = plain.push(moved, CAMERA), chain.push(moved, CAMERA, lambda: depth)
    factor = measured.live.persons[0].joints[0, 2] / given.live.persons[0].joints[0, 2]
    assert factor > 1.05
    assert measured.rates.velocity == pytest.approx(factor * given.rates.velocity)


@pytest.mark.parametrize(("width", "height"), [(0, 120), (160, 0)])
def test_a_key_frame_of_an_image_without_a_size_is_refused_and_the_stream_continues(width, height):
    chain = stage()
    with pytest.raises(ValueError, match="width and height"):
        chain.push(replace(keyframe(0), width=width, height=height), None)
    assert frame_numbers(chain.push(keyframe(0), None).raw) == frame_numbers(stage().push(keyframe(0), None).raw)


def test_people_have_the_size_that_depth_measures_in_raw_and_live():
    plain, chain = stage(), stage(use_depth=True)
    assumed = plain.push(keyframe(0), CAMERA).live.persons[0].joints[0, 2]
    depth = np.full((120, 160), 1.1 * assumed)
    results = [chain.push(keyframe(10 * at, at), CAMERA, lambda: depth) for at in range(2)]
    for person in (results[1].live.persons[0], results[1].raw[-1].persons[0]):
        assert person.scale_source is ScaleSource.DEPTH
        assert person.joints[0, 2] > 1.1 * assumed


@pytest.mark.parametrize("jump", [-100, 3100])
def test_at_a_jump_in_time_the_last_frames_of_the_old_stream_keep_their_measured_size(jump):
    chain = stage(use_depth=True)
    depth = np.full((120, 160), 1.1 * stage().push(keyframe(100), CAMERA).live.persons[0].joints[0, 2])
    before = [chain.push(keyframe(100 + 10 * at, at), CAMERA, lambda: depth).raw for at in range(2)]
    after = chain.push(keyframe(100 + jump, 2), CAMERA, lambda: np.zeros_like(depth)).raw
    old = [frame for frame in after if frame.stamp <= START + 110 * FRAME]
    assert frame_numbers(before[0] + before[1] + old) == list(range(100, 111))
    assert {person.scale_source for frame in old for person in frame.persons} == {ScaleSource.DEPTH}


def test_after_a_reset_the_stream_is_new():
    chain = stage()
    chain.push(keyframe(0, 5), CAMERA)
    chain.reset()
    again = chain.push(keyframe(0, 9), CAMERA)
    assert (kinds(again), again.rates.dropped) == ([], 0)


def test_a_key_frame_of_another_skeleton_is_refused_and_nothing_is_lost():
    chain = stage()
    chain.push(keyframe(0), CAMERA)
    with pytest.raises(ValueError, match="skeleton"):
        chain.push(replace(keyframe(200, 1), skeleton="coco17"), CAMERA)
    assert frame_numbers(chain.flush()) == [0]


@pytest.mark.parametrize("stamp", [0, -FRAME])
def test_a_key_frame_without_a_time_is_refused_and_the_stream_continues(stamp):
    chain = stage()
    chain.push(keyframe(0), CAMERA)
    with pytest.raises(ValueError, match=r"header\.stamp"):
        chain.push(replace(keyframe(0, 1), stamp=stamp), CAMERA)
    raw = chain.push(keyframe(10, 1), CAMERA).raw
    assert frame_numbers(raw + chain.flush()) == list(range(11))


class Middle:
    """A rule that wants the middle of every interval of ten tokens."""

    def middle(self, left, right, motions):
        return (left + right) // 2 if right - left == 10 else None


def looking_back(controller=None) -> UpliftingStage:
    chain = stage(stride=20)
    chain.control(controller or FixedStride(20, 2), Middle())
    return chain


def older(frame: int, sequence: int = 0) -> Keyframe:
    return replace(keyframe(frame, sequence), origin=Origin.LOOK_BACK)


def test_older_images_are_requested_and_their_frames_follow():
    chain = looking_back()
    chain.push(keyframe(0), CAMERA)
    asking = chain.push(keyframe(20, 1), CAMERA)
    assert ([(stamp - START) // FRAME for stamp in asking.wanted], frame_numbers(asking.raw)) == ([10], [0])
    answered = chain.push(older(10, 2), CAMERA)
    assert (frame_numbers(answered.raw), answered.wanted, kinds(answered)) == (list(range(1, 17)), [], [])
    assert (answered.live, answered.decision, answered.rates) == (None, None, None)
    assert chain.push(keyframe(40, 3), CAMERA).rates.keyframe_hz == pytest.approx(3.75)


def test_images_that_did_not_come_in_time_are_a_problem():
    chain = looking_back()
    for sequence in range(2):
        chain.push(keyframe(20 * sequence, sequence), CAMERA)
    assert kinds(chain.push(keyframe(22, 2), CAMERA)) == []
    late = chain.push(keyframe(26, 3), CAMERA)
    assert (kinds(late), frame_numbers(late.raw)) == (["unanswered"], list(range(1, 23)))


def test_after_an_unanswered_request_nothing_is_requested_for_two_seconds():
    chain = looking_back()
    asked = [bool(chain.push(keyframe(20 * at, at), CAMERA).wanted) for at in range(12)]
    assert asked == [False, True, True, True, *7 * [False], True]


def test_an_older_key_frame_twice_is_a_problem():
    chain = looking_back()
    for sequence in range(2):
        chain.push(keyframe(20 * sequence, sequence), CAMERA)
    chain.push(older(10, 2), CAMERA)
    assert kinds(chain.push(older(10, 3), CAMERA)) == ["repeated"]


def test_nothing_is_requested_if_no_node_answers():
    chain = looking_back()
    chain.is_answered = False
    chain.push(keyframe(0), CAMERA)
    uplifting = chain.push(keyframe(20, 1), CAMERA)
    assert (uplifting.wanted, frame_numbers(uplifting.raw)) == ([], list(range(17)))


def test_nothing_is_requested_while_the_machine_is_overloaded():
    class Overloaded:
        def update(self, frame: int, velocity: float) -> Decision:
            return Decision(20, Reason.OVERLOAD)

    chain = looking_back(Overloaded())
    chain.push(keyframe(0), CAMERA)
    assert chain.push(keyframe(20, 1), CAMERA).wanted == []


@pytest.mark.parametrize(("mode", "looks_back"), [("fixed", False), ("adaptive", True)])
def test_only_an_adaptive_stride_looks_back(mode, looks_back):
    parameters = defaults_of("uplift", stride_mode=mode)
    assert (build.look_back_rule(parameters, tiny.uplift().config) is not None) is looks_back
