"""Stages built from the parameters of the nodes (stages/build_detection.py builds the first one).

Every shell builds its stages here, so a parameter means the same in all of them. A shell that passes NodeSettings
learns which parameters had no effect, because nothing here read them. Every function raises a ValueError that names the
parameter if its value is out of range or not supported; those that load a network, and `uplifting`, which loads its
central head, also raise a FileNotFoundError if there are no such weights.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from uplift_ros.models import runtime
from uplift_ros.models.configs import Refining, UpliftConfig, Uplifting
from uplift_ros.models.mirrored import Mirrored
from uplift_ros.settings import defaults_of, names_in
from uplift_ros.stages.refinement import RefinementStage
from uplift_ros.stages.uplifting import UpliftingStage
from uplift_ros.streaming import uncertainty
from uplift_ros.streaming.body import RigidBodies
from uplift_ros.streaming.depth_scale import DepthScale
from uplift_ros.streaming.look_back import LookBackRule
from uplift_ros.streaming.overload import Load, LoadShedding
from uplift_ros.streaming.playout import Playout
from uplift_ros.streaming.refiner import StreamingRefiner
from uplift_ros.streaming.stride import AdaptiveStride, FixedStride, StrideController
from uplift_ros.streaming.target_frame import Lookup, TargetFrame
from uplift_ros.streaming.uplifter import StreamingUplifter

KEYFRAME_DELAY_FRAMES = 4
"""Frames at the network's rate by which the interval between two key-frames may exceed the stride: two images at 24
Hz."""

SCORE_TRUST = 0.5
"""Trust in the scores of a real detector, which tell less than the simulated ones of training: BlazePose gives 0.9 to
joints that are half a torso off, where those have 0.3. Errors are 1 to 3 % smaller than with 1, on a real person and on
drawn ones."""

Parameters = Mapping[str, Any]
"""Value by name, of one node."""


@dataclass(frozen=True)
class UpliftNetwork:
    """An uplifting network ready to run.

    Attributes:
        errors: its error model; None if it was not measured.
        spare: loads it again on the CPU if its device fails; None on the CPU.
    """

    model: Uplifting
    errors: uncertainty.ErrorModel | None = None
    spare: Callable[[], Uplifting] | None = None

    def mirrored(self) -> "UpliftNetwork":
        """Return the network that averages with mirrored poses."""
        load = self.spare
        return UpliftNetwork(Mirrored(self.model), self.errors, None if load is None else lambda: Mirrored(load()))


def uplift_network(parameters: Parameters) -> UpliftNetwork:
    """Load the network of the node uplift."""
    name, device = parameters["model"], parameters["device"]
    spare = None if device == "cpu" else partial(runtime.load_uplift, name)
    return UpliftNetwork(runtime.load_uplift(name, device, parameters["precision"]), uncertainty.load(name), spare)


def uplifting(
    parameters: Parameters,
    network: UpliftNetwork,
    controller: StrideController | None = None,
    look_back: LookBackRule | None = None,
    *,
    score_trust: float = SCORE_TRUST,
    is_live: bool = False,
) -> UpliftingStage:
    """Build the stage of the node uplift.

    Args:
        controller, look_back: replace those that the parameters select, if there is a controller.
        score_trust: of the detector's scores; see StreamingUplifter.
        is_live: keeps pace with a camera: an adaptive stride sheds load, and `playout` has an effect.
    """
    load = Load() if is_live else None
    if parameters["flip"]:
        network = network.mirrored()
    uplifter = StreamingUplifter(
        network.model,
        latency=parameters["latency"],
        output_rate=parameters["output_rate"],
        person_height=parameters["person_height"],
        score_trust=score_trust,
        errors=network.errors,
        spare=network.spare,
    )
    if uplifter.waits_for_centre:  # its file may be missing, and a device may take long to prepare it
        config = uplifter.config
        network.model.central(np.zeros((2, config.tokens, config.temporal_width), np.float32))
    if controller is None:
        controller = stride_controller(parameters, uplifter.config, load)
        look_back = look_back_rule(parameters, uplifter.config)
    return UpliftingStage(
        uplifter,
        controller,
        look_back=look_back,
        depth_scale=DepthScale(parameters["person_height"]) if parameters["use_depth"] else None,
        playout=Playout() if is_live and parameters["playout"] else None,
        load=load,
    )


def stride_controller(parameters: Parameters, config: UpliftConfig, load: Load | None = None) -> StrideController:
    """Build the controller that the parameters select; both modes are checked, so that a change of mode cannot fail.

    Args:
        config: of the network.
        load: of the machine, if it must keep pace with a camera.
    """
    for name in ("stride", "stride_slow", "stride_medium", "stride_fast"):
        if parameters[name] > (longest := config.frames - KEYFRAME_DELAY_FRAMES):
            raise ValueError(
                f"{name} must be at most {longest}, so that the network's window of {config.frames} frames reaches "
                f"from one key-frame to the next, got {parameters[name]}"
            )
    fixed = FixedStride(parameters["stride"], config.token_stride)
    adaptive = adaptive_stride(parameters, config)
    if parameters["stride_mode"] == "fixed":
        return fixed
    return adaptive if load is None else LoadShedding(adaptive, load, adaptive.strides, config.model_rate)


def look_back_rule(parameters: Parameters, config: UpliftConfig) -> LookBackRule | None:
    """Build the look back of the mode adaptive, down to its shortest stride; a fixed stride keeps its rate."""
    if not _may_look_back(parameters):
        return None
    shortest = _fast_stride(parameters, config) // config.token_stride
    return LookBackRule(shortest, config.model_rate / config.token_stride)


def looks_back(uplift: Parameters, pose_estimator: Parameters) -> bool:
    """Whether older images may become key-frames, so that they must be kept."""
    return _may_look_back(uplift) and pose_estimator["look_back"] > 0


def _may_look_back(uplift: Parameters) -> bool:
    may: bool = uplift["stride_mode"] == "adaptive"
    return may


def change_stride(stage: UpliftingStage, parameters: Parameters) -> None:
    """Select another stride controller and look back from the next key-frame on; after an error none is changed."""
    controller = stride_controller(parameters, stage.config, stage.load)
    stage.control(controller, look_back_rule(parameters, stage.config))


def adaptive_stride(parameters: Parameters, config: UpliftConfig) -> AdaptiveStride:
    """Build the controller of the mode adaptive."""
    return AdaptiveStride(
        parameters["stride_slow"],
        _fast_stride(parameters, config),
        parameters["velocity_threshold"],
        parameters["hold_frames"],
        parameters["stride_medium"],
        parameters["velocity_medium"],
        s_out=config.token_stride,
    )


def _fast_stride(parameters: Parameters, config: UpliftConfig) -> int:
    """The parameter stride_fast; its default is the shortest stride of a network that was not trained with it."""
    stride: int = parameters["stride_fast"]
    is_default = stride == defaults_of("uplift")["stride_fast"]
    return min(config.input_strides) if is_default and stride % config.token_stride else stride


def refinement_network(parameters: Parameters) -> Refining | None:
    """Load the network of the node refiner; None if its method has none."""
    if parameters["method"] != "synsp":
        return None
    return runtime.load_refine(parameters["model"], parameters["device"])


def further_views(parameters: Parameters) -> list[str]:
    """Topics of raw skeletons of other cameras that the node refiner fuses with its own camera's."""
    return names_in(parameters["views"])


def refinement(parameters: Parameters, network: Refining | None, lookup: Lookup | None = None) -> RefinementStage:
    """Build the stage of the node refiner.

    Args:
        lookup: returns transforms, for `target_frame`.
    """
    target, views = parameters["target_frame"], ["this camera", *further_views(parameters)]
    if len(views) > 1 and not target:
        raise ValueError("parameter views needs target_frame, in which all views are seen together, got ''")
    if target and lookup is None:
        raise ValueError(f"parameter target_frame must be empty: only nodes look up transforms, got {target!r}")
    z_up = bool(target) and "optical" not in target  # REP-103: names of frames with z forward contain "optical"
    spare = None if parameters["device"] == "cpu" else partial(runtime.load_refine, parameters["model"])
    refiner = StreamingRefiner(parameters["method"], parameters["delay"], network, spare=spare, z_up=z_up)
    targets = [TargetFrame(target, lookup) for _ in views] if lookup else []
    bodies = RigidBodies() if parameters["rigid"] else None
    if not parameters["orientations"]:
        return RefinementStage(refiner, bodies, targets, views)
    from uplift_ros.bone_frames import oriented  # slow to import

    return RefinementStage(refiner, bodies, targets, views, orient=oriented)
