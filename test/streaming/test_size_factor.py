"""Body size from one depth image and one key-frame, on depth made joint by joint."""

import numpy as np
import pytest
from support.people import person2d

from uplift_ros.camera import CANONICAL_STATURE
from uplift_ros.streaming.depth_scale import SURFACE, size_factor

DISTANCE = 3.0
AT = np.stack([20 + 30 * np.arange(17), np.full(17, 50)], -1).astype(float)


def factor_of(
    factors,
    at=AT,
    scores=1.0,
    height: float = CANONICAL_STATURE,
    hole: int = 0,
    unknown=np.nan,
    distance: float = DISTANCE,
) -> float | None:
    """Depth of a person whose skin is `distance` away everywhere; beside the joints it is so many times as large.

    The first `hole` pixels of every 21 x 21 around a joint are unknown.
    """
    depth = np.repeat(distance * np.broadcast_to(factors, 17), 30)[None].repeat(100, 0)
    depth = np.pad(depth, ((0, 0), (5, 125)), "edge")
    for column, row in at[np.isfinite(at).all(-1)].astype(int) if hole else ():
        patch = depth[row - 10 : row + 11, column - 10 : column + 11]
        patch.flat[:hole] = unknown
    return measured_on(depth, at, scores, height, distance)


def measured_on(depth, at, scores=1.0, height: float = CANONICAL_STATURE, distance: float = DISTANCE) -> float | None:
    """Joints of a person whose skin would be `distance` away everywhere."""
    joints = np.full((17, 3), distance)
    joints[:, 2] += np.nan_to_num(SURFACE) * height / CANONICAL_STATURE
    person = person2d(at, scores=np.broadcast_to(scores, 17))
    return size_factor(person, joints, depth, height)


def first(count: int, of: float, others: float) -> np.ndarray:
    return np.where(np.arange(17) < count, of, others)


@pytest.mark.parametrize(("sure", "factor"), [(first(5, 0.5, 0.49), 1.1), (first(4, 0.5, 0.49), None)])
def test_five_joints_that_the_detector_is_half_sure_of_are_enough(sure, factor):
    assert factor_of(1.1, scores=sure) == (factor and pytest.approx(factor))


@pytest.mark.parametrize(
    ("near", "far", "eighth", "factor"), [(4, 4, 1.09, 1.0), (4, 4, 1.11, None), (4, 4, 0.89, None), (4, 5, 1.0, None)]
)
@pytest.mark.parametrize("size", [0.5, 1.0, 1.4])
def test_half_of_the_joints_must_agree_within_a_tenth(near, far, eighth, factor, size):
    """Of 16 joints, for the nose's skin is not known to be before or behind it."""
    ones = 15 - near - far
    factors = [*[0.7] * near, *[1.4] * far, *[1.0] * ones, eighth]
    factors.insert(9, 5.0)
    assert factor_of(size * np.array(factors)) == (factor and pytest.approx(size * factor))


@pytest.mark.parametrize(("stature", "fits"), [(0.299, False), (0.301, True), (2.49, True), (2.51, False)])
def test_statures_are_those_of_people(stature, fits):
    assert (factor_of(stature / 1.5, height=1.5) is not None) is fits


@pytest.mark.parametrize("unknown", [np.nan, np.inf, 0.0, -1.0])
@pytest.mark.parametrize(("hole", "measured"), [(220, True), (221, False)])
def test_depth_counts_where_it_is_known_for_half_of_the_pixels(hole, measured, unknown):
    assert factor_of(1.1, hole=hole, unknown=unknown) == (pytest.approx(1.1) if measured else None)


@pytest.mark.parametrize("unknown", [np.nan, np.inf, 0.0, -1.0])
def test_unknown_depth_does_not_shift_the_median(unknown):
    depth, at = np.full((3, 15), np.nan), np.full((17, 2), np.nan)
    for joint in range(5):
        around = [unknown] * 4 + [DISTANCE * factor for factor in (1.0, 1.0, 1.1, 1.2, 1.2)]
        depth[:, 3 * joint : 3 * joint + 3] = np.reshape(around, (3, 3))
        at[joint] = 3 * joint + 1, 1
    assert measured_on(depth, at) == pytest.approx(1.1)


@pytest.mark.parametrize(("corner", "factor"), [((639.9, 99.9), 1.1), ((640.0, 50.0), None), ((300.0, 100.0), None)])
def test_all_of_the_image_counts_and_nothing_beside_it(corner, factor):
    at = np.full((17, 2), np.nan)
    at[:5] = (0, 0), (639.9, 0), (0, 99.9), (320, 50), corner
    assert factor_of(1.1, at) == (factor and pytest.approx(factor))


@pytest.mark.parametrize("distance", [0.3, 3.0, 30.0])
@pytest.mark.parametrize("height", [0.5, 2.2])
def test_skin_is_nearer_than_the_joint_by_a_part_of_the_stature(distance, height):
    assert factor_of(1.1, height=height, distance=distance) == pytest.approx(1.1)


@pytest.mark.parametrize("away", [-0.5, 0.0])
def test_joints_that_cannot_be_in_front_of_the_camera_do_not_count(away):
    assert factor_of(1.1, distance=away) is None


@pytest.mark.parametrize(
    ("torso", "filled", "is_person"),
    [(80, 3, True), (80, 2, False), (8, 1, True), (8, 0, False), (800, 7, True), (800, 6, False)],
)
def test_depth_is_the_median_within_a_twentieth_of_the_torso_from_one_pixel_to_ten(torso, filled, is_person):
    """A person fills a square around each joint: more than half of 9 x 9, 3 x 3 or 21 x 21 pixels, or less."""
    at = np.full((17, 2), np.nan)
    at[0], at[8] = (20, 25), (20 + torso, 25)
    at[1:6] = [(20 + 40 * joint, 75) for joint in range(5)]
    depth = np.full((100, 900), 1.3 * DISTANCE)
    for column, row in at[np.isfinite(at).all(-1)].astype(int):
        depth[row - filled : row + filled + 1, column - filled : column + filled + 1] = DISTANCE
    assert measured_on(depth, at) == pytest.approx(1.0 if is_person else 1.3)


@pytest.mark.parametrize("edge", ["left", "top", "right", "bottom"])
def test_at_the_edge_depth_is_the_median_of_what_is_inside_the_image(edge):
    """Of six pixels around each joint the three at the edge are known."""
    depth = np.full((100, 100), np.nan)
    places = 10.0 * np.arange(1, 6)
    at = np.full((17, 2), np.nan)
    if edge in ("left", "right"):
        column = 0 if edge == "left" else 99
        depth[:, column], at[1:6, 0], at[1:6, 1] = DISTANCE, column, places
    else:
        row = 0 if edge == "top" else 99
        depth[row], at[1:6, 0], at[1:6, 1] = DISTANCE, places, row
    assert measured_on(depth, at) == pytest.approx(1.0)
