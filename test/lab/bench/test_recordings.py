"""Rows of `uplift bench` for whole recordings."""

import numpy as np
import pytest

from uplift_ros.lab.bench import recordings
from uplift_ros.lab.whole_sequence import average_windows


@pytest.mark.parametrize("count", [1, 2, 5, 7, 8, 9, 40])
def test_the_fast_average_is_the_definition(count):
    """SynSP, CVPR 2024: y_t = 1/n_t sum_i o_i[t - i]."""
    windows = np.random.default_rng(0).normal(size=(count, 8, 17, 3))
    np.testing.assert_allclose(recordings.naive_average(windows), average_windows(windows), atol=1e-12)


def test_process_is_compared_with_real_time_and_with_the_shortest_stride(estimator, monkeypatch):
    monkeypatch.setattr(recordings, "CLIP_DURATION_S", 0.5)
    rows = list(recordings.process_rows())
    assert [(row.name, row.ratio_to) for row in rows] == [
        ("process, stride 20", "real time"),
        ("process, stride 2", "real time"),
        ("process, stride 20", "process, stride 2"),
    ]
    assert all(row.batch == 25 for row in rows)
    assert rows[0].ratio == pytest.approx(rows[0].per_second / 50)
    assert rows[2].ratio == pytest.approx(rows[0].ratio / rows[1].ratio)


def test_averaging_is_compared_with_the_loop_before_the_whole_process(estimator, monkeypatch):
    monkeypatch.setattr(recordings, "SWAA_FRAMES", 40)
    monkeypatch.setattr(recordings, "CLIP_DURATION_S", 0.5)
    naive, strided, *process = recordings.rows(0.0)
    assert [(row.name, row.ratio_to, row.batch) for row in (naive, strided)] == [
        ("swaa naive", "", 40),
        ("swaa strided", "swaa naive", 40),
    ]
    assert strided.ratio == pytest.approx(strided.per_second / naive.per_second)
    assert len(process) == 3
