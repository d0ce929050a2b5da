"""People of other proportions and motions than were captured."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from uplift_ros.lab.data import augmentation
from uplift_ros.lab.data.augmentation import (
    COMBINED,
    FEMALE,
    KNEE_DEG,
    SEGMENTS,
    STRAIGHTEST,
    bent,
    combined,
    random_body,
    segment_lengths,
    swung,
    turned_over,
    varied,
)
from uplift_ros.lab.data.mocap import ANKLE_HEIGHT, CANONICAL_CHAIN, chain_length
from uplift_ros.skeleton import H36M17, LIMBS
from uplift_ros.sources.synthetic.motion import pose

LEGS, UPPER_BODY = slice(0, 7), slice(7, 17)


@pytest.fixture(scope="module")
def many():
    """64 windows of the synthetic person."""
    starts, frames = np.arange(64) * 0.3, np.arange(41) / 25
    return np.array([[pose(start + frame) for frame in frames] for start in starts])


def distances(joints: np.ndarray) -> np.ndarray:
    """Distances of all pairs of joints, which rigid motion does not change."""
    return np.linalg.norm(joints[..., :, None, :] - joints[..., None, :, :], axis=-1)


def turned(joints: np.ndarray, axis: str, degrees: float) -> np.ndarray:
    """Around the origin."""
    return joints @ Rotation.from_euler(axis, degrees, degrees=True).as_matrix().T


def test_some_people_lie_or_stand_on_their_hands(rng, many):
    """Bodies are on the ground, and their shape is unchanged."""
    turned = turned_over(rng, many)
    upright = turned[..., 8, 2] - turned[..., 0, 2]
    assert (upright < 0).mean() > 0.3
    np.testing.assert_allclose(turned[..., 2].min((1, 2)), ANKLE_HEIGHT, atol=1e-6)
    np.testing.assert_allclose(turned[:, :, 0, :2], many[:, :, 0, :2], atol=1e-6)
    lengths = [np.linalg.norm(joints[:, :, 1:] - joints[:, :, :1], axis=-1) for joints in (turned, many)]
    np.testing.assert_allclose(*lengths, atol=1e-5)


def test_two_motions_are_combined_at_the_pelvis(many):
    legs, upper = many[:32], many[32:] + 3.0
    person = combined(legs, upper)
    np.testing.assert_array_equal(person[:, :, LEGS], legs[:, :, LEGS])
    trunk = [0, *range(7, 17)]
    np.testing.assert_allclose(distances(person[:, :, trunk]), distances(upper[:, :, trunk]), atol=1e-9)
    np.testing.assert_allclose(
        person[..., UPPER_BODY, 2] - person[..., :1, 2], upper[..., UPPER_BODY, 2] - upper[..., :1, 2], atol=1e-9
    )


def test_both_halves_of_a_combined_person_face_the_same_way(many):
    """The upper body of the same person, who looks elsewhere, is turned back."""
    elsewhere = turned(many + 1.0, "z", 140)
    np.testing.assert_allclose(combined(many, elsewhere), many, atol=1e-9)


def test_a_person_who_lies_on_the_side_is_not_combined(many):
    lying = turned(many, "x", 90)
    np.testing.assert_array_equal(combined(lying, many), lying)
    np.testing.assert_array_equal(combined(many, lying), many)


def test_a_person_who_stands_on_the_hands_is_not_combined(many):
    """Even if the hips are level."""
    handstand = turned(many, "x", 180)
    np.testing.assert_array_equal(combined(handstand, many), handstand)
    np.testing.assert_array_equal(combined(many, handstand), many)


def test_one_in_five_has_the_upper_body_of_another(many, rng, monkeypatch):
    """Other changes are off, so that unchanged legs and changed arms identify combined people."""
    for change in ("random_body", "bent", "swung"):
        monkeypatch.setattr(f"uplift_ros.lab.data.augmentation.{change}", lambda rng, joints: joints)
    monkeypatch.setattr("uplift_ros.lab.data.augmentation.FALLEN", 0.0)
    people = np.concatenate([varied(rng, many) for _ in range(20)])
    captured = distances(np.concatenate([many] * 20))
    shapes = [distances(people), distances(people[:, :, H36M17.flip])]
    legs, arms = (
        np.min([np.abs(shape - captured)[..., part, part].max((1, 2, 3)) for shape in shapes], axis=0) < 1e-6
        for part in (LEGS, UPPER_BODY)
    )
    assert legs.all()
    assert (~arms).mean() == pytest.approx(COMBINED, abs=0.05)


def test_bodies_vary_in_their_proportions_alike_on_both_sides(many, rng):
    bodies = random_body(rng, many)
    np.testing.assert_allclose(chain_length(bodies).mean(1), CANONICAL_CHAIN)
    grown = distances(bodies)[:, 0] / np.maximum(distances(many)[:, 0], 1e-9)
    shins = grown[:, 2, 3], grown[:, 5, 6]
    np.testing.assert_allclose(*shins)
    assert 0.02 < np.std(shins) < 0.1


def test_a_few_people_are_turned_over_and_the_captured_ones_stay_as_they_are(many, rng):
    captured = many.copy()
    people = np.concatenate([varied(rng, many) for _ in range(20)])
    np.testing.assert_array_equal(many, captured)
    upside_down = (people[..., 8, 2] < people[..., 0, 2]).all(1).mean()
    assert 0.02 < upside_down < 0.07


def flexion(joints, limb):
    upper, lower = joints[..., limb[1], :] - joints[..., limb[0], :], joints[..., limb[2], :] - joints[..., limb[1], :]
    cosine = (upper * lower).sum(-1) / np.linalg.norm(upper, axis=-1) / np.linalg.norm(lower, axis=-1)
    return np.degrees(np.arccos(np.clip(cosine, -1, 1)))


def test_knees_are_bent_by_a_constant_of_the_window_and_bones_keep_their_lengths(many, rng):
    changed = bent(rng, many)
    for parent, child in H36M17.bones:
        lengths = [
            np.linalg.norm(joints[..., child, :] - joints[..., parent, :], axis=-1) for joints in (changed, many)
        ]
        np.testing.assert_allclose(*lengths, atol=1e-9)
    difference = flexion(changed, LIMBS[0]) - flexion(many, LIMBS[0])
    free = flexion(changed, LIMBS[0]).min(1) > np.degrees(STRAIGHTEST) + 0.1
    assert np.ptp(difference[free], axis=1).max() < 1e-3
    assert KNEE_DEG - 2 < np.abs(difference[free]).max() <= KNEE_DEG + 1e-6
    assert flexion(changed, LIMBS[0]).min() > 0.9


def test_a_straight_knee_bends_forwards(many):
    standing = many[:1].copy()
    for hip, knee, ankle in LIMBS[:2]:
        standing[:, :, knee] = standing[:, :, hip] - (0, 0, 0.4)
        standing[:, :, ankle] = standing[:, :, hip] - (0, 0, 0.8)
    left = standing[:, :, 4] - standing[:, :, 1]
    forwards = np.cross(left, standing[:, :, 8] - standing[:, :, 0])
    augmentation._flex(standing, LIMBS[0], np.array([0.5]), forwards)
    knee = standing[:, :, 2] - (standing[:, :, 1] + standing[:, :, 3]) / 2
    assert ((knee * forwards).sum(-1) > 0).all()


def test_swung_limbs_keep_their_lengths_and_the_others_their_place(many, rng, monkeypatch):
    monkeypatch.setattr(augmentation, "LEANING", 0.0)
    monkeypatch.setattr(augmentation, "SWUNG", (1.0, 0.0, 0.0, 0.5))
    changed = swung(rng, many)
    moved = np.abs(changed - many).max((1, 3))
    assert (moved[:, [2, 3]] > 1e-3).all()
    assert (moved[:, [1, 4, 5, 6, 12, 13]] < 1e-9).all()
    assert 0.3 < (moved[:, 16] > 1e-3).mean() < 0.7
    for parent, child in ((1, 2), (2, 3), (14, 15), (15, 16)):
        lengths = [
            np.linalg.norm(joints[..., child, :] - joints[..., parent, :], axis=-1) for joints in (changed, many)
        ]
        np.testing.assert_allclose(*lengths, atol=1e-9)


def test_an_upper_body_that_leans_stays_rigid_on_legs_that_stay(many, rng, monkeypatch):
    monkeypatch.setattr(augmentation, "LEANING", 1.0)
    monkeypatch.setattr(augmentation, "SWUNG", (0.0, 0.0, 0.0, 0.0))
    changed = swung(rng, many)
    moved = np.abs(changed - many).max((1, 3))
    assert (moved[:, UPPER_BODY] > 1e-4).all()
    assert (moved[:, LEGS] == 0).all()
    upper_body = [0, *range(UPPER_BODY.start, UPPER_BODY.stop)]
    np.testing.assert_allclose(distances(changed[:, :, upper_body]), distances(many[:, :, upper_body]), atol=1e-9)


def test_people_have_the_proportions_of_norms_and_children_larger_heads(rng, monkeypatch):
    monkeypatch.setattr(augmentation, "CHILD_SHARE", 0.0)
    adults = segment_lengths(rng, 20000)
    for index, ((mean, deviation), female) in enumerate(zip(SEGMENTS.values(), FEMALE, strict=True)):
        assert np.median(adults[:, index]) == pytest.approx(mean, rel=0.02)
        assert np.std(np.log(adults[:, index])) == pytest.approx(np.hypot(deviation, female / 2), rel=0.03)
    arm, forearm, head = (list(SEGMENTS).index(name) for name in ("upper_arm", "forearm", "head"))
    assert np.corrcoef(np.log(adults[:, arm]), np.log(adults[:, forearm]))[0, 1] > 0.3
    monkeypatch.setattr(augmentation, "CHILD_SHARE", 1.0)
    assert np.median(segment_lengths(rng, 20000)[:, head]) > 1.1 * np.median(adults[:, head])
