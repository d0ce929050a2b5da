"""The gate of accuracy tables."""

import pytest

from uplift_ros.lab.evaluation.gate import failures


def row(mpjpe: float, upsample: str = "model", stride: object = 10, hz: float = 5.0, **more: object) -> dict:
    return {"model": "m", "stride": stride, "upsample": upsample, "mpjpe": mpjpe, "keyframe_hz": hz} | more


@pytest.mark.parametrize("spline", ["linear", "cubic"])
def test_a_row_behind_a_spline_through_its_own_key_frames_fails_by_name(spline):
    assert failures([row(50.0), row(50.04, spline)]) == []
    (line,) = failures([row(50.0), row(49.9, spline)])
    assert "stride 10" in line
    assert spline in line


def test_rows_are_compared_with_splines_of_the_same_refinement_and_stride_only():
    others = [row(40.0, "linear", refine="synsp"), row(40.0, "cubic", stride=4), row(40.0, "linear", noise="detector")]
    assert failures([row(50.0, refine="none"), *others]) == []


@pytest.mark.parametrize(("mpjpe", "count"), [(54.9, 0), (55.2, 1)])
def test_an_adaptive_stride_must_not_be_behind_a_fixed_one_of_its_rate(mpjpe, count):
    fixed = [row(50.0, stride=4, hz=12.5), row(60.0, stride=20, hz=2.5)]
    lines = failures([*fixed, row(mpjpe, stride="adaptive", hz=7.5)])
    assert len(lines) == count
    assert all("fixed stride 55.00" in line for line in lines)


def test_the_detector_s_own_rows_are_no_baselines():
    assert failures([row(50.0), row(40.0, "linear", model="detector")]) == []
