"""The stride controller that a node's parameters ask for."""

from uplift_ros.streaming.overload import Load, LoadShedding
from uplift_ros.streaming.stride import AdaptiveStride, FixedStride, StrideController

STRIDE_PARAMETERS = (
    "stride_mode",
    "stride",
    "stride_slow",
    "stride_medium",
    "stride_fast",
    "velocity_threshold",
    "velocity_medium",
    "hold_frames",
)
"""Parameters of the node uplift that `stride_controller` takes."""


def stride_controller(
    stride_mode: str,
    stride: int,
    stride_slow: int,
    stride_medium: int,
    stride_fast: int,
    velocity_threshold: float,
    velocity_medium: float,
    hold_frames: int,
    *,
    s_out: int,
    model_rate: float,
    load: Load | None = None,
) -> StrideController:
    """The controller that the parameters of the node uplift ask for.

    Args:
        load: what the machine has to do, where it must keep pace with a camera.

    Raises:
        ValueError: names the parameter out of range. Both modes are checked, so that a change of the mode cannot fail.
    """
    fixed = FixedStride(stride, s_out)
    adaptive = AdaptiveStride(
        stride_slow, stride_fast, velocity_threshold, hold_frames, stride_medium, velocity_medium, s_out=s_out
    )
    if stride_mode == "fixed":
        return fixed
    return adaptive if load is None else LoadShedding(adaptive, load, adaptive.strides, model_rate)
