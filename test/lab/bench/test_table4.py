"""`uplift bench --table4`: the six rows of the paper's table."""

import numpy as np
from support.commands import rows_of

from uplift_ros.lab.bench import table4


def test_all_six_flop_figures_are_the_papers_and_poses_are_counted_as_output_frames(tmp_path, monkeypatch):
    monkeypatch.setattr(table4, "MEASURED_BATCH", 1)
    monkeypatch.setattr(table4, "measure", lambda call, seconds: (call(), np.array([20.0]))[1])
    rows = rows_of(tmp_path, "bench", "--table4", "--seconds", "0.01")
    assert [row["name"] for row in rows] == [
        *("n81 s_in 4", "n81 s_in 10", "n81 s_in 20"),
        *("n351 s_in 5", "n351 s_in 10", "n351 s_in 20"),
    ]
    assert [round(row["flops"] / 1e6) for row in rows] == [564, 543, 535, 1062, 999, 966]
    assert [row["published_mflops"] for row in rows] == [564, 543, 535, 1062, 999, 966]
    assert [round(row["poses_per_second"]) for row in rows] == [100] * 3 + [250] * 3  # 50 forwards per second
