"""SideGuard: swapped sides are exchanged back, people who turn, walk or cross their arms are not changed."""

from dataclasses import replace

import numpy as np
import pytest
from support.people import person2d

from uplift_ros.poses import Keyframe, Origin
from uplift_ros.skeleton import H36M17
from uplift_ros.sources.synthetic.motion import pose
from uplift_ros.streaming.side_guard import SideGuard

LEANING = np.array(
    [
        *[
            (0, 0),
            (-30, -10),
            (-110, 60),
            (-160, 150),
            (30, 10),
            (20, 100),
            (25, 200),
            (20, -60),
            (40, -120),
            (45, -150),
        ],
        *[(50, -170), (95, -80), (110, 0), (105, 70), (-10, -140), (-90, -150), (-140, -210)],
    ],
    float,
)
"""Pixels of a person on one leg, whose left and right differ in height everywhere."""


def keyframe(seconds: float, keypoints: np.ndarray, id: str = "p1") -> Keyframe:
    person = person2d(keypoints, id, scores=np.linspace(0.5, 0.9, 17))
    return Keyframe(round(seconds * 1e9), "camera", 640, 480, 0, 10, (person,))


def swapped_frames(frames: list[Keyframe]) -> list[int]:
    """Indices of the frames whose sides the guard exchanged."""
    guard = SideGuard()
    return [index for index, frame in enumerate(frames) if guard.mend(frame).persons[0] is not frame.persons[0]]


def with_swaps(frames: list[Keyframe], *swapped: int) -> list[Keyframe]:
    def exchange(frame: Keyframe) -> Keyframe:
        (person,) = frame.persons
        flip = H36M17.flip
        return replace(frame, persons=(replace(person, keypoints=person.keypoints[flip], scores=person.scores[flip]),))

    return [exchange(frame) if index in swapped else frame for index, frame in enumerate(frames)]


def seen(joints: np.ndarray, azimuth: float) -> np.ndarray:
    """World joints (17, 3), z up, from 4 m away at a level camera, in pixels."""
    centred = joints - joints[0]
    right = centred @ (-np.sin(azimuth), np.cos(azimuth), 0.0)
    return (
        1000 * np.stack([right, -centred[:, 2]], -1) / (4 - centred @ (np.cos(azimuth), np.sin(azimuth), 0.0))[:, None]
    )


@pytest.mark.parametrize(
    ("stride", "swapped"), [*[(stride, frames) for stride in (4, 10, 20) for frames in ((5,), (5, 8))], (4, (5, 6, 7))]
)
def test_swapped_key_frames_are_exchanged_back_with_their_scores(stride, swapped):
    frames = [keyframe(index * stride / 50, LEANING + index) for index in range(12)]
    guard = SideGuard()
    for frame, detected in zip(frames, with_swaps(frames, *swapped), strict=True):
        mended = guard.mend(detected)
        np.testing.assert_array_equal(mended.persons[0].keypoints, frame.persons[0].keypoints)
        np.testing.assert_array_equal(mended.persons[0].scores, frame.persons[0].scores)


def test_a_first_key_frame_that_was_swapped_is_overruled_soon():
    frames = [keyframe(index / 5, LEANING) for index in range(20)]
    assert max(swapped_frames(with_swaps(frames, 0))) <= 2


def test_a_detector_that_persists_is_believed_after_a_while():
    frames = [keyframe(index / 5, LEANING) for index in range(40)]
    exchanged = swapped_frames(with_swaps(frames, *range(20, 40)))
    assert exchanged[0] == 20
    assert 1.0 <= len(exchanged) / 5 <= 2.2


@pytest.mark.parametrize(("stride", "turn_seconds"), [(4, 0.8), (10, 1.0), (20, 0.8), (20, 2.0)])
def test_people_who_turn_are_left_alone(stride, turn_seconds):
    times = np.arange(0, 4, stride / 50)
    frames = [keyframe(time, seen(pose(0.0), 2 * np.pi * time / turn_seconds)) for time in times]
    assert swapped_frames(frames) == []


@pytest.mark.parametrize("stride", [4, 10, 20])
@pytest.mark.parametrize("azimuth", [0.0, 0.8, np.pi / 2, 3.0])
def test_everything_the_synthetic_person_does_is_left_alone(stride, azimuth):
    times = np.arange(0, 30, stride / 50)
    assert swapped_frames([keyframe(time, seen(pose(time), azimuth)) for time in times]) == []


def test_crossed_arms_are_left_alone():
    joints = pose(0.0)
    crossed = joints.copy()
    crossed[[13, 16]] = joints[[16, 13]]
    crossed[[12, 15]] = (joints[[12, 15]] + joints[[15, 12]]) / 2
    frames = [keyframe(index / 5, seen(crossed if 5 <= index < 10 else joints, 0.0)) for index in range(15)]
    assert swapped_frames(frames) == []


def test_a_cartwheel_is_left_alone():
    def turned(angle: float) -> np.ndarray:
        return LEANING @ np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])

    assert swapped_frames([keyframe(index * 0.2, turned(index * 2.0)) for index in range(12)]) == []


def test_lost_joints_and_stamps_that_jump_back_are_no_swaps():
    lost = LEANING.copy()
    lost[[1, 4, 8, 11, 14]] = np.nan
    frames = [
        keyframe(0.0, LEANING),
        keyframe(0.2, lost),
        keyframe(0.4, np.full((17, 2), np.nan)),
        keyframe(0.6, LEANING),
    ]
    assert swapped_frames([*frames, keyframe(0.0, LEANING[H36M17.flip])]) == []


def test_people_are_known_by_their_ids_and_forgotten_when_they_are_gone():
    guard = SideGuard()
    guard.mend(keyframe(0.0, LEANING, "p1"))
    for other in (keyframe(0.2, LEANING[H36M17.flip], "p2"), keyframe(5.0, LEANING[H36M17.flip], "p1")):
        assert guard.mend(other).persons[0] is other.persons[0]


def test_another_camera_starts_a_new_stream():
    guard = SideGuard()
    guard.mend(keyframe(0.0, LEANING))
    other = replace(keyframe(0.2, LEANING[H36M17.flip]), frame_id="rear_camera")
    assert guard.mend(other).persons[0] is other.persons[0]


def test_people_may_come_and_go_within_a_key_frame():
    assert SideGuard().mend(replace(keyframe(0.0, LEANING), persons=())).persons == ()


def test_key_frames_of_older_images_are_exchanged_like_the_others_and_change_nothing():
    frames = [keyframe(index * 0.4, LEANING + index) for index in range(6)]
    older = replace(keyframe(1.8, LEANING + 4.5), origin=Origin.LOOK_BACK)
    (swapped,) = with_swaps([older], 0)
    guard, plain = SideGuard(), SideGuard()
    for frame in frames[:5]:
        guard.mend(frame), plain.mend(frame)
    assert guard.mend(older).persons[0] is older.persons[0]
    np.testing.assert_array_equal(guard.mend(swapped).persons[0].keypoints, older.persons[0].keypoints)
    (last,) = with_swaps([frames[5]], 0)
    for each in (guard, plain):
        np.testing.assert_array_equal(each.mend(last).persons[0].keypoints, frames[5].persons[0].keypoints)


@pytest.mark.parametrize("late_s", [0.0, 0.05])
def test_a_repeated_or_late_key_frame_changes_nothing(late_s):
    guard, again = SideGuard(), SideGuard()
    frames = [keyframe(index / 5, LEANING) for index in range(6)]
    (swapped,) = with_swaps([keyframe(1.0 - late_s, LEANING)], 0)
    for frame in frames:
        guard.mend(frame)
        again.mend(frame)
    for _ in range(5):
        again.mend(swapped)
    (later,) = with_swaps([keyframe(1.2, LEANING)], 0)
    for mended in (guard.mend(later), again.mend(later)):
        np.testing.assert_array_equal(mended.persons[0].keypoints, LEANING)
