"""Sliding-window averages of whole sequences against the definition."""

import numpy as np
import pytest

from uplift_ros.lab.whole_sequence import average_windows, sliding_windows

T = 8
RNG = np.random.default_rng(3)


@pytest.mark.parametrize("frames", [1, 2, 7, 8, 9, 13, 14, 15, 200])
def test_the_average_of_agreeing_windows_is_the_sequence(frames):
    sequence = RNG.normal(size=(frames, 17, 3))
    averaged = average_windows(sliding_windows(sequence, T))
    np.testing.assert_allclose(averaged[-frames:], sequence, atol=1e-12)


def test_a_short_sequence_makes_one_window_that_begins_with_its_first_frame():
    sequence = RNG.normal(size=(3, 2))
    windows = sliding_windows(sequence, T)
    assert windows.shape == (1, T, 2)
    np.testing.assert_array_equal(windows[0, :6], np.repeat(sequence[:1], 6, 0))
    np.testing.assert_array_equal(windows[0, 5:], sequence)


def test_windows_of_an_empty_sequence_are_refused():
    with pytest.raises(ValueError, match="frames"):
        sliding_windows(np.empty((0, 17, 3)), T)


def test_precision_of_the_windows_is_kept():
    assert average_windows(np.ones((5, T, 17, 3), np.float32)).dtype == np.float32
