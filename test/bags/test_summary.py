import io
import json

import numpy as np
import pytest
from rich.console import Console
from support.clocks import FRAME, MILLISECOND, START
from support.recordings import person, skeletons, waving, write_run

from uplift_ros.bags.reader import BagError
from uplift_ros.bags.summary import print_table, summarise
from uplift_ros.bags.writer import BagWriter

KEYS = [
    "source",
    "seconds",
    "images",
    "keyframes",
    "keyframe_hz",
    "detected_ratio",
    "raw",
    "refined",
    "mpjpe_mm",
    "p_mpjpe_mm",
    "accel_mm",
    "stride_switches",
    "age_ms",
    "estimate_ms",
    "uplift_ms",
    "refine_ms",
    "dropped",
]


def stretched(t: float) -> np.ndarray:
    """The waving person with the right wrist 34 mm to the side and all of it 0.5 m further away."""
    joints = waving(t) + np.array((0.0, 0.0, 0.5))
    joints[16, 0] -= 0.034
    return joints


def test_the_summary_has_exactly_the_keys_of_the_contract(tmp_path):
    assert list(summarise(write_run(tmp_path / "run.mcap"))) == KEYS


def test_counts_and_rates_of_a_second(tmp_path):
    summary = summarise(write_run(tmp_path / "run.mcap", frames=51), source="synthetic")
    expected = {"source": "synthetic", "seconds": 1.0, "images": 51, "keyframes": 6, "raw": 51, "refined": 51}
    assert {key: summary[key] for key in expected} == expected
    assert summary["keyframe_hz"] == pytest.approx(6.0)


def test_without_images_camera_info_is_counted(tmp_path):
    assert summarise(write_run(tmp_path / "run.mcap", frames=20, images=False))["images"] == 20


def test_errors_are_root_relative_and_in_millimetres(tmp_path):
    summary = summarise(write_run(tmp_path / "run.mcap", predict=stretched))
    assert summary["mpjpe_mm"] == {"raw": 2.0, "refined": 2.0}


def test_a_person_of_another_size_has_no_procrustes_error(tmp_path):
    summary = summarise(write_run(tmp_path / "run.mcap", predict=lambda t: 1.1 * waving(t)))
    assert summary["mpjpe_mm"]["refined"] > 30
    assert summary["p_mpjpe_mm"] == {"raw": 0.0, "refined": 0.0}


def test_an_error_that_stays_has_no_acceleration(tmp_path):
    assert summarise(write_run(tmp_path / "run.mcap", predict=stretched))["accel_mm"] == {"raw": 0.0, "refined": 0.0}


@pytest.mark.parametrize("period", [FRAME, 2 * FRAME])
def test_acceleration_is_per_frame_at_50_hz_whatever_the_recorded_rate(tmp_path, period):
    def accelerating(t: float) -> np.ndarray:
        joints = waving(t)
        joints[16, 1] += 0.5 * 2.125 * t**2  # metres: 2.125 m/s^2 at one of 17 joints, 0.05 mm/frame^2 on average
        return joints

    summary = summarise(write_run(tmp_path / "run.mcap", predict=accelerating, period=period))
    assert summary["accel_mm"]["refined"] == pytest.approx(2125 / 17 / 2500, abs=1e-3)


def test_without_ground_truth_the_errors_are_null(tmp_path):
    summary = summarise(write_run(tmp_path / "run.mcap", truth=None))
    for key in ("mpjpe_mm", "p_mpjpe_mm", "accel_mm"):
        assert summary[key] == {"raw": None, "refined": None}


def test_truth_between_two_frames_is_interpolated(tmp_path):
    def moving(t: float) -> np.ndarray:
        joints = waving(0.0)
        joints[16, 0] += t
        return joints

    with BagWriter(tmp_path / "run.mcap") as writer:
        for i in range(10):
            stamp = START + i * FRAME
            writer.write("/ground_truth", stamp, skeletons(stamp, person(moving(i * 0.02))))
            between = stamp + 5 * MILLISECOND
            writer.write("/skeletons", between, skeletons(between, person(moving(i * 0.02 + 0.005))))
    assert summarise(tmp_path / "run.mcap")["mpjpe_mm"]["refined"] == pytest.approx(0.0, abs=0.01)


def test_two_people_are_compared_with_their_own_truth(tmp_path):
    left, right = waving(0.0) - np.array((1.0, 0.0, 0.0)), waving(0.7) + np.array((1.0, 0.0, 0.0))
    with BagWriter(tmp_path / "run.mcap") as writer:
        writer.write("/ground_truth", START, skeletons(START, person(left, "a"), person(right, "b")))
        writer.write("/skeletons", START, skeletons(START, person(right, "p1"), person(left, "p2")))
    assert summarise(tmp_path / "run.mcap")["mpjpe_mm"]["refined"] == 0.0


def test_the_detected_ratio_is_the_share_of_keyframes_with_a_person(tmp_path):
    summary = summarise(write_run(tmp_path / "run.mcap", frames=40, absent=range(0, 10)))
    assert summary["detected_ratio"] == 0.75


def test_stride_switches_have_time_strides_and_reason(tmp_path):
    summary = summarise(write_run(tmp_path / "run.mcap", frames=60, strides=[(0, 20), (20, 4), (40, 20)]))
    assert summary["stride_switches"] == [
        {"t": 0.4, "stride": 4, "velocity": 0.4, "reason": "fast"},
        {"t": 0.8, "stride": 20, "velocity": 2.0, "reason": "fast"},
    ]


def test_age_is_log_time_minus_stamp(tmp_path):
    summary = summarise(write_run(tmp_path / "run.mcap", age=120 * MILLISECOND))
    assert summary["age_ms"] == {"p50": 120.0, "p99": 120.0}


def test_times_and_drops_come_from_rate_state(tmp_path):
    summary = summarise(write_run(tmp_path / "run.mcap"))
    assert [summary[key] for key in ("estimate_ms", "uplift_ms", "refine_ms", "dropped")] == [18.0, 9.0, 4.0, 0]


def test_a_bag_without_topics_of_the_graph_is_refused(tmp_path):
    with BagWriter(tmp_path / "run.mcap") as writer:
        writer.write("/left/skeletons", START, skeletons(START, person(waving(0.0))))
    with pytest.raises(BagError, match="/left/skeletons"):
        summarise(tmp_path / "run.mcap")


def test_a_summary_is_json(tmp_path):
    summary = summarise(write_run(tmp_path / "run.mcap", truth=None))
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary


@pytest.mark.parametrize("truth", [waving, None])
def test_the_table_shows_counts_errors_and_switches(tmp_path, truth):
    run = write_run(tmp_path / "run.mcap", predict=stretched, truth=truth, strides=[(0, 20), (20, 4)])
    console = Console(file=io.StringIO(), width=120)
    print_table(summarise(run, source="clip.mp4"), console)
    text = console.file.getvalue()
    assert "clip.mp4" in text
    assert "0.4 s → 4 (fast)" in text
    assert ("2.0" in text.split("MPJPE")[1]) == (truth is not None)
