"""Stages built from the nodes' parameters."""

import shutil

import pytest

from uplift_ros.models.configs import UpliftConfig, n351
from uplift_ros.paths import find_weights
from uplift_ros.settings import defaults_of
from uplift_ros.stages import build
from uplift_ros.streaming.overload import Load
from uplift_ros.streaming.stride import Decision, Reason, StrideController

GIVEN = {
    "stride_mode": "adaptive",
    "stride": 8,
    "stride_slow": 24,
    "stride_medium": 12,
    "stride_fast": 6,
    "velocity_threshold": 0.7,
    "velocity_medium": 0.3,
    "hold_frames": 30,
}


def controller(load: Load | None = None, **changed) -> StrideController:
    return build.stride_controller(defaults_of("uplift", **(GIVEN | changed)), UpliftConfig(), load)


def test_a_fixed_stride_heeds_neither_velocity_nor_load():
    fixed = controller(Load(9.0), stride_mode="fixed")
    assert [fixed.update(frame, 9.0) for frame in (0, 8)] == 2 * [Decision(8, Reason.FIXED)]


@pytest.mark.parametrize(
    ("velocity", "decision"),
    [
        (0.3, Decision(24, Reason.SLOW)),
        (0.31, Decision(12, Reason.FAST)),
        (0.7, Decision(12, Reason.FAST)),
        (0.71, Decision(6, Reason.FAST)),
    ],
)
def test_an_adaptive_stride_follows_the_velocity_by_the_thresholds(velocity, decision):
    assert controller().update(0, velocity) == decision


def test_a_stride_is_held_for_hold_frames():
    adaptive = controller()
    adaptive.update(0, 1.0)
    assert [adaptive.update(frame, 0.0).reason for frame in (29, 30)] == [Reason.HOLD, Reason.SLOW]


def test_a_load_too_high_for_the_stride_makes_it_longer():
    assert controller(Load(0.2)).update(0, 1.0) == Decision(12, Reason.OVERLOAD)
    assert controller(Load(0.0)).update(0, 1.0) == Decision(6, Reason.FAST)


@pytest.mark.parametrize(("mode", "wrong"), [("fixed", "stride_fast"), ("adaptive", "stride")])
def test_the_parameters_of_the_other_mode_are_checked_too(mode, wrong):
    with pytest.raises(ValueError, match=f"^{wrong} "):
        controller(stride_mode=mode, **{wrong: 5})


@pytest.mark.parametrize("name", ["stride", "stride_slow"])
def test_a_stride_longer_than_the_networks_window_is_refused(name):
    assert controller(**{name: 76}).update(0, 0.0)
    with pytest.raises(ValueError, match=rf"^{name} .* 77.* 78$"):
        controller(**{name: 78})


def test_a_network_with_other_strides_has_a_fast_stride_of_its_own():
    strides = {"stride": 10, "stride_slow": 20, "stride_medium": 10}
    parameters = defaults_of("uplift", stride_mode="adaptive")
    assert build.stride_controller(parameters, n351()).update(0, 9.0) == Decision(5, Reason.FAST)
    with pytest.raises(ValueError, match=r"^stride_fast "):
        build.stride_controller(parameters | strides | {"stride_fast": 6}, n351())


def test_a_central_head_that_is_missing_is_missed_before_the_first_key_frame(tmp_path):
    shutil.copy(find_weights("compact", ".onnx"), tmp_path / "own.onnx")
    parameters = defaults_of("uplift", model=str(tmp_path / "own.onnx"))
    network = build.uplift_network(parameters)
    build.uplifting(parameters, network)
    parameters["latency"] = network.model.config.frames // 2
    with pytest.raises(FileNotFoundError, match="central"):
        build.uplifting(parameters, network)
