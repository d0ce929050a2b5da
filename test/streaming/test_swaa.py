"""Sliding-window averaging of streams against its definition."""

import numpy as np
import pytest

from uplift_ros.lab.whole_sequence import average_windows, pad_front, sliding_windows
from uplift_ros.streaming.swaa import StreamingAverage

T = 8
RNG = np.random.default_rng(3)


def delayed_definition(windows: np.ndarray, delay: int) -> np.ndarray:
    """Frame t is the mean over the windows that end at t..t+delay; window i ends at frame i."""
    count = len(windows)
    return np.stack(
        [
            np.mean([windows[end, T - 1 - (end - t)] for end in range(t, min(t + delay, count - 1) + 1)], axis=0)
            for t in range(count)
        ]
    )


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
