"""Key-frames of older images: in any order, at any time, and what waits for them."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from support import tiny
from support.cameras import CAMERA
from support.clocks import at, frame_numbers
from support.people import STANDING

from uplift_ros.poses import Keyframe, Origin, Person2D, Source
from uplift_ros.streaming.uplifter import Filled, StreamingUplifter, Uplifted


class Asking:
    """A rule that wants the middle of every interval that is longer than some tokens."""

    def __init__(self, longest: int) -> None:
        self.longest = longest

    def middle(self, left, right, motions):
        return (left + right) // 2 if right - left > self.longest else None


def person(frame: int, name: str = "p1") -> Person2D:
    keypoints = STANDING[:, :2] * 150 + (320 + frame, 240)
    keypoints[12:, 1] += 40 * np.sin(frame / 3)
    return Person2D(name, 0.9, np.array([200, 100, 200, 300.0]), keypoints, np.full(17, 0.8))


def keyframe(frame: int, *persons: Person2D, origin: Origin = Origin.SCHEDULED, shift: int = 0) -> Keyframe:
    people = persons or (person(frame),)
    return Keyframe(at(frame) + shift, "camera", 640, 480, frame, 20, people, origin=origin)


def older(frame: int, *persons: Person2D, shift: int = 0) -> Keyframe:
    return keyframe(frame, *persons, origin=Origin.LOOK_BACK, shift=shift)


def uplifter(longest: int = 5, latency: int = 4) -> StreamingUplifter:
    stream = StreamingUplifter(tiny.uplifting(), latency=latency)
    stream.look_back = Asking(longest)
    return stream


def frames(output: Uplifted | Filled | None) -> list[int]:
    return frame_numbers(output.final)


def test_frames_of_an_interval_wait_for_the_images_that_were_requested():
    stream = uplifter()
    assert stream.push(keyframe(0), CAMERA).wanted == []
    output = stream.push(keyframe(20), CAMERA)
    assert output.wanted == [at(10)]
    assert frames(output) == [0]
    filled = stream.fill(older(10), CAMERA)
    assert (frames(filled), filled.wanted) == (list(range(1, 17)), [])
    assert filled.final[9].persons[0].source is Source.KEYFRAME
    assert stream.unanswered == 0


def test_halves_are_requested_in_turn_and_the_frames_wait_for_the_last():
    stream = uplifter(longest=4)
    stream.push(keyframe(0), CAMERA)
    stream.push(keyframe(20), CAMERA)
    output = stream.fill(older(10), CAMERA)
    assert output.wanted == [at(4), at(14)]
    assert stream.fill(older(14), CAMERA) == Filled([], [])
    assert frames(stream.fill(older(4), CAMERA)) == list(range(1, 17))


@pytest.mark.parametrize("latency", [0, 4, 40])
def test_any_order_gives_the_same_final_poses(latency):
    """Two people, one of whom only older images show."""

    def run(order) -> list:
        stream = uplifter(longest=4, latency=latency)
        final = list(stream.push(keyframe(0), CAMERA).final)
        for newest in (20, 40):
            final += stream.push(keyframe(newest), CAMERA).final
            final += stream.fill(older(newest - 10), CAMERA).final
            for frame in order:
                shown = newest - 20 + frame
                final += stream.fill(older(shown, person(shown), person(shown, "p2")), CAMERA).final
        return final + stream.flush()

    expected = run((4, 14))
    assert [frame.stamp for frame in expected] == [at(frame) for frame in range(41)]
    found = run((14, 4))
    assert [frame.stamp for frame in found] == [frame.stamp for frame in expected]
    for ours, theirs in zip(found, expected, strict=True):
        ours_by_id, theirs_by_id = ({p.id: p for p in frame.persons} for frame in (ours, theirs))
        assert ours_by_id.keys() == theirs_by_id.keys()
        for name, someone in ours_by_id.items():
            np.testing.assert_allclose(someone.joints, theirs_by_id[name].joints, atol=1e-5)


def test_unasked_older_key_frames_count_in_every_later_window():
    orders = list(itertools.permutations((4, 10, 14)))
    poses = []
    for order in orders:
        stream = StreamingUplifter(tiny.uplifting(), latency=4)
        stream.push(keyframe(0), CAMERA)
        stream.push(keyframe(20), CAMERA)
        for frame in order:
            assert stream.fill(older(frame), CAMERA) == Filled([], [])
        poses.append(stream.push(keyframe(40), CAMERA).live.persons[0].joints)
    plain = StreamingUplifter(tiny.uplifting(), latency=4)
    for frame in (0, 20, 40):
        sparse = plain.push(keyframe(frame), CAMERA).live.persons[0].joints
    assert not np.allclose(poses[0], sparse, atol=1e-6)
    np.testing.assert_allclose(poses, [poses[0]] * len(orders), atol=1e-5)


def test_an_image_that_never_comes_is_waited_for_until_latency_after_the_next_key_frame():
    stream = uplifter()
    stream.push(keyframe(0), CAMERA)
    stream.push(keyframe(20), CAMERA)
    stream.look_back = None
    assert frames(stream.push(keyframe(22), CAMERA)) == []
    assert stream.unanswered == 0
    assert frames(stream.push(keyframe(26), CAMERA)) == list(range(1, 23))
    assert stream.unanswered == 1


def test_flushing_ends_every_wait():
    stream = uplifter()
    stream.push(keyframe(0), CAMERA)
    stream.push(keyframe(20), CAMERA)
    assert [frame.stamp for frame in stream.flush()] == [at(frame) for frame in range(1, 21)]
    assert stream.unanswered == 1
    assert frames(stream.push(keyframe(22), CAMERA)) == []


@pytest.mark.parametrize(
    "useless",
    [
        pytest.param(older(20), id="at a key-frame"),
        pytest.param(older(24), id="newer than the newest"),
        pytest.param(older(-80), id="before the window"),
        pytest.param(replace(older(10), frame_id="other"), id="another camera"),
    ],
)
def test_an_older_key_frame_that_does_not_fit_changes_nothing(useless):
    stream = uplifter()
    stream.push(keyframe(0), CAMERA)
    stream.push(keyframe(20), CAMERA)
    assert stream.fill(useless, CAMERA) is None
    assert frames(stream.fill(older(10), CAMERA)) == list(range(1, 17))
    assert stream.fill(older(10), CAMERA) is None


def test_before_the_first_scheduled_key_frame_nothing_is_older():
    stream = uplifter()
    assert stream.fill(older(10), CAMERA) is None
    assert len(stream.push(keyframe(20), CAMERA).live.persons) == 1


def test_images_need_not_lie_on_tokens():
    stream = uplifter(longest=7)
    stream.push(keyframe(0), CAMERA)
    assert stream.push(keyframe(20), CAMERA).wanted == [at(10)]
    output = stream.fill(older(11, shift=3_000_000), CAMERA)
    stamps = [frame.stamp for frame in output.final]
    assert at(11) + 3_000_000 in stamps, "a key-frame keeps the stamp of its image"
    assert (np.diff(stamps) > 0).all()


def test_a_person_whom_only_an_older_image_shows_is_in_the_frames_there():
    stream = uplifter()
    stream.push(keyframe(0), CAMERA)
    stream.push(keyframe(20), CAMERA)
    output = stream.fill(older(10, person(10), person(10, "p2")), CAMERA)
    assert [len(frame.persons) for frame in output.final] == [2 if frame == 10 else 1 for frame in range(1, 17)]


def test_a_new_person_is_followed_back_to_the_image_that_shows_them_first():
    stream = uplifter()
    stream.push(keyframe(0), CAMERA)
    stream.push(keyframe(20, person(20), person(20, "p2")), CAMERA)
    output = stream.fill(older(10, person(10), person(10, "p2")), CAMERA)
    assert [len(frame.persons) for frame in output.final] == [1 if frame < 10 else 2 for frame in range(1, 17)]
