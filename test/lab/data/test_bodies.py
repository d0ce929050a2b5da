"""People of other proportions and motions than were captured."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from uplift_ros.lab.data.bodies import COMBINED, combined, random_body, turned_over, varied
from uplift_ros.lab.data.mocap import ANKLE_HEIGHT, CANONICAL_CHAIN, chain_length
from uplift_ros.skeleton import H36M17
from uplift_ros.sources.synthetic.motion import pose

LEGS, UPPER_BODY = slice(0, 7), slice(7, 17)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(scope="module")
def many():
    """64 windows of the synthetic person."""
    starts, frames = np.arange(64) * 0.3, np.arange(41) / 25
    return np.array([[pose(start + frame) for frame in frames] for start in starts])


def distances(joints: np.ndarray) -> np.ndarray:
    """Of all pairs of joints: what a motion of the whole body does not change."""
    return np.linalg.norm(joints[..., :, None, :] - joints[..., None, :, :], axis=-1)


def turned(joints: np.ndarray, axis: str, degrees: float) -> np.ndarray:
    """Around the origin."""
    return joints @ Rotation.from_euler(axis, degrees, degrees=True).as_matrix().T


def test_some_people_lie_or_stand_on_their_hands(rng, many):
    """On the ground, and as a body they are what they were."""
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
    """The upper body of the same person who looks elsewhere is turned back."""
    elsewhere = turned(many + 1.0, "z", 140)
    np.testing.assert_allclose(combined(many, elsewhere), many, atol=1e-9)


def test_who_lies_on_the_side_is_not_combined(many):
    lying = turned(many, "x", 90)
    np.testing.assert_array_equal(combined(lying, many), lying)
    np.testing.assert_array_equal(combined(many, lying), many)


def test_who_stands_on_the_hands_is_not_combined(many):
    """Level as the hips are."""
    handstand = turned(many, "x", 180)
    np.testing.assert_array_equal(combined(handstand, many), handstand)
    np.testing.assert_array_equal(combined(many, handstand), many)


def test_one_in_five_has_the_upper_body_of_another(many, rng, monkeypatch):
    """Without the other changes, whose legs stay and whose arms do not shows who."""
    for change in ("random_body", "bent", "swung"):
        monkeypatch.setattr(f"uplift_ros.lab.data.bodies.{change}", lambda rng, joints: joints)
    monkeypatch.setattr("uplift_ros.lab.data.bodies.FALLEN", 0.0)
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
