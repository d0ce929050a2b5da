"""One person in a stream: observations, and the motion from them and a forward pass."""

import numpy as np
import pytest
from support.clocks import TOKENS_PER_SECOND
from support.people import person2d

from uplift_ros.camera import camera_to_canonical_rotation
from uplift_ros.streaming.track import Motion, Observation, Track, interpolate

BODY = np.random.default_rng(0).normal(0, 0.3, (17, 3))
BODY -= BODY[0]
DIRECTION = np.array([0.3, 0.0, 0.4])


def observation(root=(0.5, 0.1, 4.0), score: float = 1.0, calibrated: bool = True) -> Observation:
    """Observation of BODY at a place."""
    points = BODY + root
    rays = points[:, :2] / points[:, 2:]
    return Observation(person2d(rays, scores=np.full(17, score)), rays, calibrated)


def track(*tokens: int, **fields) -> Track:
    return Track({token: observation(**fields) for token in tokens})


def stretching(count: int) -> np.ndarray:
    """(K, 17, 3): all joints but the pelvis move by half a metre from token to token."""
    poses = np.repeat(BODY[None], count, axis=0)
    poses[:, 1:] += np.arange(count)[:, None, None] * DIRECTION
    return poses


def moved(track: Track, poses: np.ndarray, normalisation: str = "screen") -> Motion:
    track.move(poses, TOKENS_PER_SECOND, normalisation)
    return track.motion


def test_values_are_linear_between_known_places():
    values = np.array([[[0.0, 8.0]], [[2.0, 8.0]], [[2.0, 0.0]]])
    found = interpolate(np.arange(3, 10), [3, 5, 9], values)
    np.testing.assert_allclose(found[:, 0, 0], [0, 1, 2, 2, 2, 2, 2])
    np.testing.assert_allclose(found[:, 0, 1], [8, 8, 8, 6, 4, 2, 0])


def test_a_single_known_value_is_that_of_all_places():
    np.testing.assert_array_equal(interpolate(np.arange(3), [2], np.array([[1.0, 2.0]])), [[1.0, 2.0]] * 3)


@pytest.mark.parametrize("unknown", [0, 2])
def test_a_known_place_has_its_value_beside_an_unknown_one(unknown):
    values = np.array([1.0, 2.0, 3.0])
    values[unknown] = np.nan
    found = interpolate(np.arange(5), [0, 2, 4], values)
    expected = np.array([1.0, 1.5, 2.0, 2.5, 3.0])
    expected[[0, 1] if unknown == 0 else [3, 4]] = np.nan
    np.testing.assert_array_equal(found, expected)


def test_motion_covers_the_tokens_from_its_first_to_its_last():
    motion = moved(track(4, 8), stretching(20))
    assert (motion.first, motion.last) == (4, 8)
    assert [motion.covers(token) for token in (3.5, 4, 6, 8, 8.5)] == [False, True, True, True, False]


def test_motion_is_linear_between_tokens():
    motion = moved(track(4, 8), stretching(5))
    values = np.array([0.0, 1.0, 4.0, 9.0, 16.0])
    assert [motion.at(values, token) for token in (4, 4.5, 7, 7.25, 8)] == [0.0, 0.5, 9.0, 10.75, 16.0]


def test_the_nearest_observation_may_be_before_or_after():
    motion = moved(track(4, 8, 14), stretching(20))
    assert [motion.distance_to_observation(token) for token in (4, 5.5, 7, 12.5)] == [0, 1.5, 1, 1.5]


@pytest.mark.parametrize(("oldest", "kept"), [(3, [0, 4, 8]), (4, [4, 8]), (7, [4, 8]), (8, [8]), (20, [8])])
def test_the_last_of_the_observations_to_forget_is_kept(oldest, kept):
    person = track(0, 4, 8)
    person.forget(oldest)
    assert list(person.observations) == kept


def test_finalised_poses_are_forgotten_up_to_the_token():
    person = track(8)
    person.finalised = dict.fromkeys((4, 5, 6), BODY)
    person.forget(5)
    assert list(person.finalised) == [6]


@pytest.mark.parametrize(("count", "first"), [(20, 4), (5, 4), (4, 5), (2, 7)])
def test_motion_is_of_the_newest_poses_since_the_oldest_observation(count, first):
    poses = stretching(20)[-count:]
    motion = moved(track(4, 8), poses)
    assert motion.first == first
    np.testing.assert_array_equal(motion.joints, poses[first - 9 :])
    assert motion.observed == {4, 8}


def test_joints_are_relative_to_the_pelvis_wherever_the_network_has_it():
    shifted = stretching(5) + np.array([0.01, 0.02, -0.01])
    np.testing.assert_allclose(moved(track(4, 8), shifted).joints, stretching(5), atol=1e-12)


def test_between_observations_the_output_is_in_the_frame_of_an_interpolated_pelvis():
    left, right = (-1.0, 0.2, 2.0), (1.0, 0.2, 4.0)
    person = Track({4: observation(left), 6: observation(right)})
    motion = moved(person, np.repeat(BODY[None], 3, axis=0), "canonical")
    for joints, x, y in zip(motion.joints, (-0.5, -0.125, 0.25), (0.1, 0.075, 0.05), strict=True):
        np.testing.assert_allclose(
            joints, BODY @ camera_to_canonical_rotation(np.array([x, y]), "canonical"), atol=1e-12
        )


def test_finalised_poses_stay_whatever_later_forwards_say():
    person = track(4, 8)
    person.finalised = {3: BODY - 1.0, 6: 2 * BODY}
    poses = stretching(5)
    motion = moved(person, poses)
    np.testing.assert_array_equal(motion.joints[2], 2 * BODY)
    np.testing.assert_array_equal(motion.joints[[0, 1, 3, 4]], stretching(5)[[0, 1, 3, 4]])
    np.testing.assert_array_equal(poses, stretching(5), "what the network gave is not written to")


def test_places_are_linear_between_those_found_at_observations():
    person = Track({4: observation((0.0, 0.0, 3.0))})
    poses = np.repeat(BODY[None], 5, axis=0)
    moved(person, poses)
    person.observations[8] = observation((1.0, 0.0, 5.0))
    motion = moved(person, poses)
    np.testing.assert_allclose(motion.roots, np.linspace((0, 0, 3), (1, 0, 5), 5), atol=1e-6)


def test_a_place_follows_the_pose_until_a_final_frame_depends_on_it():
    person = track(4, 8)
    moved(person, np.repeat(BODY[None], 5, axis=0))
    before = person.observations[4].root.copy()
    person.fix_roots(4)
    moved(person, np.repeat(2 * BODY[None], 5, axis=0))
    np.testing.assert_array_equal(person.observations[4].root, before)
    assert person.observations[8].root[2] == pytest.approx(8.0), "twice as large in the same picture: twice as far"


@pytest.mark.parametrize(("token", "fixed"), [(3, [4]), (4, [4]), (5, [4, 8]), (9, [4, 8])])
def test_frames_up_to_a_token_depend_on_the_observations_around_it(token, fixed):
    person = track(8, 4)
    person.fix_roots(token)
    assert [at for at in (4, 8) if person.observations[at].is_root_final] == fixed


def test_without_intrinsics_no_person_has_a_place():
    assert np.isnan(moved(track(4, 8, calibrated=False), stretching(5)).roots).all()


def test_joints_of_score_zero_place_no_person():
    assert np.isnan(moved(track(4, score=0.0), BODY[None]).roots).all()


def test_scores_are_linear_between_those_of_the_observations():
    person = Track({4: observation(score=0.2), 8: observation(score=1.0)})
    np.testing.assert_allclose(
        moved(person, stretching(5)).scores, np.repeat([[0.2], [0.4], [0.6], [0.8], [1.0]], 17, 1)
    )


def test_velocity_is_the_mean_displacement_of_the_joints_per_second():
    poses = stretching(4)
    poses[3, 1:] += DIRECTION
    motion = moved(track(4, 7), poses)
    displacement = 0.5 * 16 / 17  # the pelvis stays
    np.testing.assert_allclose(motion.velocity, TOKENS_PER_SECOND * displacement * np.array([1, 1, 1, 2]))


def test_speeds_are_those_of_each_joint():
    motion = moved(track(4, 8), stretching(5))
    np.testing.assert_allclose(motion.speeds, np.tile([0.0, *[12.5] * 16], (5, 1)))


def test_a_person_seen_once_does_not_move():
    motion = moved(track(4), stretching(20))
    assert len(motion.joints) == 1
    assert motion.velocity.tolist() == [0.0]
