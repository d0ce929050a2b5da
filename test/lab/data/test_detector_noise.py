"""Detector noise has the sizes, the correlation and the rates of its parameters."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from support.noise import NO_NOISE

from uplift_ros.lab.data.detector_noise import DetectorNoise
from uplift_ros.lab.data.measured_detectors import SHARE_WITH_POSE
from uplift_ros.skeleton import BLAZEPOSE33, H36M17, HIP_RAISE, to_h36m17
from uplift_ros.sources.synthetic.motion import pose

ANKLE, ELBOW, WRIST, HEAD = (H36M17.index(joint) for joint in ("right_ankle", "left_elbow", "left_wrist", "head"))
Z_UP_TO_OPTICAL = np.array([[0.0, 1, 0], [0, 0, -1], [-1, 0, 0]])
"""The synthetic person, who walks along x, faces the camera."""

DISTANCE = 10.0

WALK = np.sqrt(1 - SHARE_WITH_POSE**2)
"""Part of the drift of a person who does not move."""


def seen(people: int, seconds: np.ndarray) -> np.ndarray:
    """The synthetic person (people, T, 17, 3) in the optical frame, 10 m away, facing the camera."""
    joints = np.stack([pose(second) for second in seconds]) @ Z_UP_TO_OPTICAL.T
    joints = joints - joints[:, :1] + (0, 0, DISTANCE)
    return np.broadcast_to(joints, (people, *joints.shape)).copy()


@pytest.fixture
def people():
    """(200, 50, 17, 3) joints of people who do not move."""
    return seen(200, np.zeros(50))


def torso(people):
    """Projection to the plane z = 1."""
    return np.linalg.norm(true(people)[0, 0, 8] - true(people)[0, 0, 0])


def true(people):
    return people[..., :2] / people[..., 2:]


def errors(noise, rng, people, level=1.0):
    """Errors in torso lengths."""
    plane, _ = noise.apply(rng, people, 0.02, np.full(len(people), level))
    return (plane - true(people)) / torso(people)


@pytest.mark.parametrize(
    ("part", "value", "joint", "deviation"),
    [
        ("jitter", 0.1, ANKLE, 0.1),
        ("offset", 1.0, ANKLE, 0.026),
        ("offset", 2.0, HEAD, 0.058),
        ("drift", 1.0, ELBOW, WALK * 0.041),
        ("drift", 2.0, HEAD, WALK * 0.064),
    ],
)
def test_noise_has_the_size_that_its_parameter_says(rng, people, part, value, joint, deviation):
    disturbed = errors(replace(NO_NOISE, **{part: value}), rng, people)[:, :, joint]
    assert disturbed.std() == pytest.approx(deviation, rel=0.15)


def test_hips_can_err_more_against_each_other_and_no_more_together(rng, people):
    noises = (replace(NO_NOISE, offset=1.0, apart={"hip": factor}) for factor in (1.0, 3.0))
    usual, more = (errors(noise, rng, people)[:, :, [1, 4]] for noise in noises)
    between, together = (lambda e: (e[:, :, 0] - e[:, :, 1]).std()), (lambda e: e.sum(2).std() / 2)
    assert between(more) == pytest.approx(3 * between(usual), rel=0.15)
    assert between(usual) < together(usual) < together(more) < 1.5 * together(usual)


@pytest.mark.parametrize(
    ("part", "joint", "correlation"),
    [
        ("offset", ANKLE, 1.0),
        ("drift", ELBOW, np.exp(-0.02 / 0.2)),
        ("drift", HEAD, np.exp(-0.02 / 0.8)),
        ("jitter", ANKLE, 0),
    ],
)
def test_offset_is_constant_drift_slow_and_jitter_white(rng, people, part, joint, correlation):
    disturbed = errors(replace(NO_NOISE, **{part: 1.0}), rng, people)[:, :, joint]
    neighbours = (disturbed[:, 1:] * disturbed[:, :-1]).mean() / (disturbed**2).mean()
    assert neighbours == pytest.approx(correlation, abs=0.03)


def test_drift_follows_the_pose(rng):
    """The pose-dependent part of the error repeats if a person repeats a motion."""
    seconds = np.arange(50) * 0.04
    people = seen(200, np.concatenate([seconds, seconds]))
    first, second = np.split(errors(replace(NO_NOISE, drift=1.0), rng, people)[:, :, HEAD], 2, axis=1)
    assert np.corrcoef(first.ravel(), second.ravel())[0, 1] > 0.25


def test_hips_err_with_the_pelvis_and_the_spine_with_its_neighbours(rng, people):
    disturbed = errors(replace(NO_NOISE, offset=1.0, drift=1.0), rng, people)
    pelvis, hip, spine, thorax = (disturbed[:, :, joint] for joint in (0, 1, 7, 8))
    assert np.corrcoef(pelvis.ravel(), hip.ravel())[0, 1] > 0.5
    np.testing.assert_allclose(spine, (pelvis + thorax) / 2, atol=1e-3)


def leaning(people: int, degrees: float) -> np.ndarray:
    """People (people, 2, 17, 3) who lean to one side, their hips and shoulders level."""
    joints = seen(people, np.zeros(2))
    turn = Rotation.from_euler("z", degrees, degrees=True).as_matrix()
    trunk = [7, 8, 9, 10]
    joints[:, :, trunk] = joints[:, :, :1] + (joints[:, :, trunk] - joints[:, :, :1]) @ turn.T
    return joints


def slopes(points: np.ndarray, right: int, left: int) -> np.ndarray:
    """Slope of a line against the trunk, in torso lengths."""
    up = points[:, :, 8] - points[:, :, 0]
    return ((points[:, :, left] - points[:, :, right]) * up).sum(-1) / (up**2).sum(-1)


def test_lines_between_hips_and_shoulders_are_drawn_nearer_to_right_angles_with_the_trunk(rng):
    people = leaning(300, 20.0)
    levelled, _ = replace(NO_NOISE, levelled=1.0).apply(rng, people, 0.02, np.ones(300))
    for (right, left), share in (((1, 4), 0.33), ((14, 11), 0.7)):
        part = slopes(levelled, right, left) / slopes(true(people), right, left)
        assert part.mean() == pytest.approx(share, abs=0.03)
        np.testing.assert_allclose(levelled[:, :, [right, left]].sum(2), true(people)[:, :, [right, left]].sum(2))


def test_pelvis_spine_and_thorax_are_those_that_detectors_joints_give(rng):
    people = leaning(20, 20.0)
    people[..., 2] += people[..., 1]  # the perspective of a trunk that leans towards the camera
    derived, _ = replace(NO_NOISE, offset=1.0, drift=1.0, derived=1.0).apply(rng, people, 0.02, np.ones(20))
    hips, shoulders = derived[:, :, [1, 4]].mean(2), derived[:, :, [11, 14]].mean(2)
    raw_hips = (hips - HIP_RAISE * shoulders) / (1 - HIP_RAISE)  # BlazePose's, which to_h36m17 raises
    places = np.zeros((20, 2, 33, 2))
    for joint, place in (("hip", raw_hips), ("shoulder", shoulders)):
        for side in ("left", "right"):
            places[:, :, BLAZEPOSE33.index(f"{side}_{joint}")] = place
    mapped, _ = to_h36m17(places, np.ones((20, 2, 33)), BLAZEPOSE33)
    np.testing.assert_allclose(derived[:, :, [0, 7, 8]], mapped[:, :, [0, 7, 8]], atol=1e-12)


def test_trunk_and_hips_have_one_score_as_in_the_mapping(rng, people):
    _, scores = replace(NO_NOISE, far=0.05, derived=1.0).apply(rng, people, 0.02, np.ones(len(people)))
    assert scores[..., 0].min() < 0.8
    assert (scores[..., 0] <= scores[..., [11, 14]].min(-1)).all()
    for joint in (1, 4, 7, 8):
        np.testing.assert_array_equal(scores[..., joint], scores[..., 0])


def test_level_one_is_a_real_detector_on_real_people(rng):
    """The mean error is 7 % of the torso length, without misses and swaps."""
    people = seen(100, np.arange(100) / 25)
    noise = replace(DetectorNoise(), far=0.0, absent=0.0, inversion=0.0, reversal=0.0, swap=0.0)
    assert np.linalg.norm(errors(noise, rng, people), axis=-1).mean() == pytest.approx(0.072, abs=0.006)


def test_level_zero_leaves_the_sequence_as_it_is(rng, people):
    plane, scores = DetectorNoise(dropout=1.0, derived=0.0).apply(
        rng, people, 0.02, np.zeros(200), np.full((200, 2), 0.01)
    )
    np.testing.assert_allclose(plane, true(people), atol=1e-12)
    assert (scores == 1).all()


def test_level_scales_rates(rng, people):
    noise = replace(NO_NOISE, absent=0.02)
    limbs = [2, 3, 5, 6, 12, 13, 15, 16]
    half, full = (np.isnan(errors(noise, rng, people, level)[:, :, limbs]).mean() for level in (0.5, 1.0))
    assert full == pytest.approx(0.02, rel=0.3)
    assert half == pytest.approx(0.01, rel=0.4)


def test_absent_joints_are_missing_for_a_while_and_never_the_pelvis(rng, people):
    absent = np.isnan(errors(replace(NO_NOISE, absent=0.05), rng, people)[..., 0])
    assert not absent[:, :, [0, 7, 8]].any()
    stays = absent[:, 1:] & absent[:, :-1]
    assert stays.sum() / absent[:, :-1].sum() > 0.8  # episodes of 10 frames


def test_far_joints_land_a_torso_length_away(rng, people):
    disturbed = errors(replace(NO_NOISE, far=0.05), rng, people)[:, :, ANKLE]
    moved = np.abs(disturbed).max(-1) > 0
    assert moved.mean() == pytest.approx(0.05, rel=0.3)
    around = disturbed[moved] + (true(people)[0, 0, ANKLE] - true(people)[0, 0, 0]) / torso(people)
    assert around.std() == pytest.approx(1.0, rel=0.1)


@pytest.mark.parametrize("part", ["inversion", "reversal"])
def test_sides_are_exchanged(rng, people, part):
    away = people * (-1, 1, 1) + (0, 0, 0)
    away = away[:1, :, H36M17.flip] * (1, 1, -1) + (0, 0, 2 * DISTANCE)  # turned about the vertical
    swapped, _ = replace(NO_NOISE, **{part: 5.0}).apply(rng, away, 0.02, np.ones(1))
    limbs = [*range(1, 7), *range(11, 17)]
    np.testing.assert_allclose(swapped[:, :, limbs], true(away)[:, :, H36M17.flip][:, :, limbs], atol=1e-12)


def test_sides_are_swapped_more_often_if_the_face_cannot_be_seen(rng, people):
    away = people[:, :, H36M17.flip] * (1, 1, -1) + (0, 0, 2 * DISTANCE)
    shares = [
        (np.abs(errors(replace(NO_NOISE, reversal=0.05), rng, some))[:, :, ANKLE] > 0).mean() for some in (people, away)
    ]
    assert shares[0] < 0.4 * shares[1]


def test_a_joint_behind_the_body_errs_and_is_reported_with_less_confidence(rng, people):
    """A wrist is behind the trunk; other joints are not."""
    behind = people.copy()
    behind[:, :, WRIST] = (behind[:, :, 0] + behind[:, :, 8]) / 2 + (0, 0, 0.3)
    plane, scores = replace(NO_NOISE, hidden=1.0).apply(rng, behind, 0.02, np.ones(200))
    moved = np.linalg.norm(plane - true(behind), axis=-1) / torso(behind)
    assert moved[:, :, WRIST].mean() > 0.05
    assert moved[:, :, HEAD].max() < 1e-9
    assert scores[:, :, WRIST].mean() < scores[:, :, HEAD].mean() - 0.1


def test_joints_beyond_the_border_are_absent_or_guessed_with_less_confidence(rng, people):
    """The legs of people whose image ends at their knees; most detectors guess, with scores near 0."""
    half_size = np.full((200, 2), 0.4 / DISTANCE)
    plane, scores = NO_NOISE.apply(rng, people, 0.02, np.ones(200), half_size)
    absent = np.isnan(plane[:, :, ANKLE, 0])
    assert 0.1 < absent.mean() < 0.3
    assert (scores[:, :, ANKLE][absent] == 0).all()
    assert 0.35 < (scores[:, :, ANKLE][~absent] < 0.1).mean() < 0.6
    assert scores[:, :, 0].mean() > 0.9


def test_dropout_leaves_limbs_out_for_the_whole_time(rng, people):
    absent = np.isnan(errors(replace(NO_NOISE, dropout=0.2), rng, people)[..., 0])[:, :, ANKLE]
    assert (absent.all(1) == absent.any(1)).all()
    assert 0.2 < absent.mean() < 0.5  # alone, or with the knees


def test_a_swapped_limb_is_that_of_a_person_beside(rng, people):
    """The limb below hip or shoulder, or only its end, is one to two torso lengths away."""
    disturbed = errors(replace(NO_NOISE, swap=1.0), rng, people)
    knee, ankle = disturbed[:, :, 2], disturbed[:, :, 3]
    aside = np.abs(ankle[..., 0])
    assert aside.min() >= 1 - 1e-9
    assert aside.max() <= 2 + 1e-9
    whole = np.abs(knee).max((1, 2)) > 0
    assert 0.3 < whole.mean() < 0.7
    np.testing.assert_allclose(knee[whole], ankle[whole], atol=1e-12)
    np.testing.assert_array_equal(disturbed[:, :, [0, 1, 4, 8, 11, 14]], 0)


def test_errors_grow_with_the_person(rng, people):
    noise, closer = replace(NO_NOISE, jitter=0.1), people - (0, 0, DISTANCE / 2)
    near, far = (np.std(noise.apply(rng, some, 0.02, np.ones(200))[0] - true(some)) for some in (closer, people))
    assert near == pytest.approx(2 * far, rel=0.1)
