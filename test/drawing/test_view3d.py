import numpy as np
import pytest
from support.people import CERTAIN, STANDING
from support.recordings import waving

from uplift_ros.drawing.view3d import SkeletonView

CENTRE = waving(0.0)[0]


@pytest.fixture
def view() -> SkeletonView:
    return SkeletonView(240, floor=0.95, distance=4.0)


def columns_of(image: np.ndarray, warm: bool) -> float:
    """Mean column of the left (warm) or right (cold) limbs."""
    difference = image[..., 0].astype(int) - image[..., 2]
    chosen = difference > 90 if warm else difference < -90
    return float(np.nonzero(chosen)[1].mean())


def test_from_the_camera_the_persons_left_is_on_the_right_when_facing_it(view):
    image = view.draw(CENTRE, 0.0, [(STANDING + CENTRE, CERTAIN)])
    assert columns_of(image, warm=True) > columns_of(image, warm=False)


def test_from_behind_left_and_right_are_swapped(view):
    image = view.draw(CENTRE, np.pi, [(STANDING + CENTRE, CERTAIN)])
    assert columns_of(image, warm=True) < columns_of(image, warm=False)


def test_the_head_is_above_the_feet(view):
    alone = view.draw(CENTRE, 0.3, [])
    image = view.draw(CENTRE, 0.3, [(STANDING + CENTRE, CERTAIN)])
    rows = np.nonzero((image != alone).any((1, 2)))[0]
    assert rows.min() < 80
    assert rows.max() > 160


def test_the_grid_stays_on_the_floor_when_the_eye_follows(view):
    still = view.draw(CENTRE, 0.0, [])
    np.testing.assert_array_equal(view.draw(CENTRE, 0.0, []), still)
    assert (view.draw(CENTRE + np.array((0.1, 0.0, 0.0)), 0.0, []) != still).any()
    np.testing.assert_array_equal(view.draw(CENTRE + np.array((0.5, 0.0, 0.0)), 0.0, []), still)  # one step of the grid


def test_a_ghost_is_fainter_than_a_skeleton(view):
    alone = view.draw(CENTRE, 0.5, []).astype(int)
    ghost = view.draw(CENTRE, 0.5, [], [STANDING + CENTRE])
    person = view.draw(CENTRE, 0.5, [(STANDING + CENTRE, CERTAIN)])
    assert 0 < np.abs(ghost - alone).sum() < 0.5 * np.abs(person - alone).sum()


def test_a_ghost_in_the_same_place_is_hidden_but_for_its_outline(view):
    person = view.draw(CENTRE, 0.5, [(STANDING + CENTRE, CERTAIN)])
    both = view.draw(CENTRE, 0.5, [(STANDING + CENTRE, CERTAIN)], [STANDING + CENTRE])
    assert (both != person).any(-1).mean() < 0.002


def test_what_is_further_away_is_darker(view):
    def brightest(z: float) -> int:
        image = view.draw(CENTRE, 0.0, [(STANDING + CENTRE + np.array((0, 0, z)), CERTAIN)])
        return int(image.max())

    assert brightest(1.0) < brightest(0.4) < brightest(0.0)
