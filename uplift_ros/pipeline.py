"""Complete pipeline: images in, smooth 3D skeletons out.

    image ──> detection ── Keyframe ──> uplifting ── SkeletonFrame (raw) ──> refinement ── SkeletonFrame
                  ^  2D, every s_in-th frame │         50 Hz, upsampled         SynSP, smooth
                  ├──────── stride ──────────┤  velocity above 0.5 m/s: s_in 20 -> 4, back after a hold
                  └────── older images ──────┘  look back: key-frames where people moved much between two others

`uplift process` and the online evaluation run it. On a robot every stage is a node, and topics are the arrows.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from uplift_ros.intrinsics import Intrinsics
from uplift_ros.poses import Keyframe, SkeletonFrame
from uplift_ros.stages.detection import DetectionStage
from uplift_ros.stages.refinement import RefinementResult, RefinementStage
from uplift_ros.stages.uplifting import DepthLookup, UpliftingResult, UpliftingStage


@dataclass(frozen=True)
class Step:
    """Result of one image, or of the end of the stream; empty for an image that is no key-frame.

    Attributes:
        keyframe: scheduled.
        older: key-frames of older images that it requested, in the order of detection.
    """

    keyframe: Keyframe | None = None
    older: tuple[Keyframe, ...] = ()
    uplifting: UpliftingResult = field(default_factory=UpliftingResult)
    refining: RefinementResult = field(default_factory=RefinementResult)

    @property
    def raw(self) -> list[SkeletonFrame]:
        """New final frames of the uplifting."""
        return self.uplifting.raw

    @property
    def refined(self) -> list[SkeletonFrame]:
        """Frames that the refinement has finished."""
        return self.refining.frames


@dataclass(frozen=True)
class Pipeline:
    """Images of one camera to skeletons, in three stages (built by stages/build.py)."""

    detection: DetectionStage
    uplifting: UpliftingStage
    refinement: RefinementStage

    def push(self, stamp: int, frame_id: str, camera: Intrinsics | None, image: Callable[[], np.ndarray]) -> Step:
        """Process the next image, which `image` decodes if it is a key-frame: (H, W, 3) uint8 RGB."""
        keyframe = self.detection.push(stamp, frame_id, image)
        return Step() if keyframe is None else self.refine(self.uplift(keyframe, camera))

    def uplift(self, keyframe: Keyframe, camera: Intrinsics | None, depth: DepthLookup | None = None) -> Step:
        """Uplift a key-frame to raw skeletons, with those of older images that it requests.

        The decided stride applies to the next key-frame.
        """
        uplifting = self.uplifting.push(keyframe, camera, depth)
        if uplifting.decision is not None:
            self.detection.stride = uplifting.decision.stride
        step = Step(keyframe, uplifting=uplifting)
        for older in self.detection.look_back(uplifting.wanted):
            step = _joined(step, self.uplift(older, camera))
        return step

    def refine(self, step: Step) -> Step:
        """Refine the raw skeletons of a step; the result has a delay."""
        return replace(step, refining=self.refinement.push(step.raw))

    def flush(self) -> Step:
        """End the stream; return the frames that the stages still hold."""
        step = self.refine(Step(uplifting=UpliftingResult(self.uplifting.flush())))
        refining = step.refining
        return replace(step, refining=replace(refining, frames=refining.frames + self.refinement.flush()))


def _joined(step: Step, older: Step) -> Step:
    """Add the results of an older image to those of the key-frame that requested it."""
    ours, theirs = step.uplifting, older.uplifting
    uplifting = replace(
        ours, raw=ours.raw + theirs.raw, wanted=ours.wanted + theirs.wanted, problems=ours.problems + theirs.problems
    )
    keyframes = (older.keyframe,) if older.keyframe else ()
    return replace(step, uplifting=uplifting, older=step.older + keyframes + older.older)
