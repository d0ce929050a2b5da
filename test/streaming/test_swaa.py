"""Sliding-window averaging against its definition."""

import numpy as np
import pytest

from uplift_ros.streaming.swaa import StreamingAverage, average_windows, pad_front, sliding_windows

T = 8
RNG = np.random.default_rng(3)


def definition(windows: np.ndarray) -> np.ndarray:
    """SynSP, CVPR 2024: y_t = 1/n_t sum_i o_i[t - i]."""
    length = windows.shape[1]
    frames = len(windows) + length - 1
    average = np.zeros((frames, *windows.shape[2:]))
    for t in range(frames):
        covering = range(max(0, t - length + 1), min(t, frames - length) + 1)
        average[t] = sum(windows[i, t - i] for i in covering) / len(covering)
    return average


def delayed_definition(windows: np.ndarray, delay: int) -> np.ndarray:
    """Frame t is the mean over the windows that end at t..t+delay; window i ends at frame i."""
    count = len(windows)
    return np.stack(
        [
            np.mean([windows[end, T - 1 - (end - t)] for end in range(t, min(t + delay, count - 1) + 1)], axis=0)
            for t in range(count)
        ]
    )


@pytest.mark.parametrize("frames", range(T, 41))
def test_batch_form_equals_the_definition_for_every_length(frames):
    windows = RNG.normal(size=(frames - T + 1, T, 17, 3))
    np.testing.assert_allclose(average_windows(windows), definition(windows), atol=1e-12)


@pytest.mark.parametrize("frames", [1, 2, 7, 8, 9, 13, 14, 15, 200])
def test_agreeing_windows_give_the_sequence_back(frames):
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


@pytest.mark.parametrize("count", [1, 2, 5])
def test_fewer_windows_than_frames_in_one_are_averaged_too(count):
    windows = RNG.normal(size=(count, T, 3))
    np.testing.assert_allclose(average_windows(windows), definition(windows), atol=1e-12)


def test_precision_of_the_windows_is_kept():
    assert average_windows(np.ones((5, T, 17, 3), np.float32)).dtype == np.float32


@pytest.mark.parametrize("delay", range(T))
def test_streaming_form_equals_the_definition_for_every_length_and_delay(delay):
    for frames in range(1, 41):
        windows = RNG.normal(size=(frames, T, 5))
        average = StreamingAverage(delay)
        streamed = [pose for window in windows for pose in average.push(window)] + average.flush()
        np.testing.assert_allclose(streamed, delayed_definition(windows, delay), atol=1e-12)


@pytest.mark.parametrize("delay", range(T))
def test_streaming_form_equals_the_batch_form_of_windows_cut_to_the_delay(delay):
    sequence = RNG.normal(size=(30, 5))
    windows = sliding_windows(pad_front(sequence, T - 1), T) + RNG.normal(size=(30, T, 5))
    average = StreamingAverage(delay)
    streamed = [pose for window in windows for pose in average.push(window)] + average.flush()
    np.testing.assert_allclose(streamed, average_windows(windows[:, T - 1 - delay :])[delay:], atol=1e-12)


def test_a_stream_that_ended_before_it_began_has_nothing_left():
    assert StreamingAverage(3).flush() == []


@pytest.mark.parametrize("delay", [0, 3, 7])
def test_a_frame_comes_exactly_delay_frames_later(delay):
    average = StreamingAverage(delay)
    counts = [len(average.push(np.zeros((T, 5)))) for _ in range(12)]
    assert counts == [0] * delay + [1] * (12 - delay)
    assert len(average.flush()) == delay


def test_a_delay_beyond_the_window_is_refused():
    with pytest.raises(ValueError, match="delay"):
        StreamingAverage(8).push(np.zeros((T, 5)))
    with pytest.raises(ValueError, match="delay"):
        StreamingAverage(-1)
