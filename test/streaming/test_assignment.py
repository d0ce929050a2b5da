import numpy as np
import pytest

from uplift_ros.streaming.assignment import best_pairs


def test_the_sum_of_all_costs_is_the_least_even_where_the_cheapest_pair_is_left():
    assert best_pairs(np.array([[1.0, 2.0], [3.0, 9.0]])) == [(0, 1), (1, 0)]


@pytest.mark.parametrize(
    ("costs", "pair"), [([[5.0]], (0, 0)), ([[3.0, 1.0, 2.0]], (0, 1)), ([[3.0], [2.0], [1.0]], (2, 0))]
)
def test_one_goes_with_the_cheapest(costs, pair):
    assert best_pairs(np.array(costs)) == [pair]


@pytest.mark.parametrize("shape", [(2, 3), (3, 2), (4, 4)])
def test_as_many_go_together_as_there_can_be(shape):
    pairs = best_pairs(np.random.default_rng(0).normal(size=shape))
    assert len(pairs) == min(shape)
    assert all(isinstance(index, int) for pair in pairs for index in pair)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0)])
def test_no_person_is_matched_with_no_person(shape):
    assert best_pairs(np.empty(shape)) == []
