"""The whole chain in one place, without ROS: images in, smooth 3D skeletons out.

    image ──> estimator, tracker ── Keyframe ──> uplifter ── SkeletonFrame (raw) ──> refiner ── SkeletonFrame
                  ^  2D, every s_in-th frame         │           50 Hz, upsampled       SynSP, smooth
                  └──────────── stride ──────────────┘  velocity above 0.5 m/s: s_in 20 -> 4, back after a hold

The ROS nodes put the same parts into separate processes, `uplift process` its three steps into threads.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from uplift_ros.camera import Camera
from uplift_ros.estimators import PoseEstimator
from uplift_ros.poses import Keyframe, SkeletonFrame
from uplift_ros.streaming.keyframes import KeyframeSchedule
from uplift_ros.streaming.refiner import StreamingRefiner
from uplift_ros.streaming.stride import Decision, StrideController
from uplift_ros.streaming.tracker import PersonTracker
from uplift_ros.streaming.uplifter import StreamingUplifter


@dataclass(frozen=True)
class Step:
    """What one image brought, or the end of the stream; empty where it was no key-frame.

    Attributes:
        keyframe: 2D people of this image.
        raw: new final frames of the uplifter.
        refined: frames that the refiner has finished.
        velocity: m/s, of the fastest person.
        decision: the stride from here on, and why.
    """

    keyframe: Keyframe | None = None
    raw: list[SkeletonFrame] = field(default_factory=list)
    refined: list[SkeletonFrame] = field(default_factory=list)
    velocity: float = 0.0
    decision: Decision | None = None


class Pipeline:
    """One camera's images to skeletons.

    Args:
        estimator, uplifter, refiner: see above.
        controller: chooses the stride.
        schedule: tells which images are key-frames, with a stride until the controller's first decision.
    """

    def __init__(
        self,
        estimator: PoseEstimator,
        uplifter: StreamingUplifter,
        refiner: StreamingRefiner,
        controller: StrideController,
        schedule: KeyframeSchedule,
    ) -> None:
        self.estimator, self.uplifter, self.refiner = estimator, uplifter, refiner
        self.controller, self.schedule = controller, schedule
        self.tracker = PersonTracker()
        self.sequence = 0

    def push(self, stamp: int, frame_id: str, camera: Camera | None, image: Callable[[], np.ndarray]) -> Step:
        """Take the next image: all three steps. Intrinsics of another image size are not used."""
        keyframe = self.detect(stamp, frame_id, image)
        return Step() if keyframe is None else self.refine(self.uplift(keyframe, camera))

    def detect(self, stamp: int, frame_id: str, image: Callable[[], np.ndarray]) -> Keyframe | None:
        """The people in an image, which `image` decodes, (H, W, 3) uint8 RGB; None where it is no key-frame."""
        if not self.schedule.is_due(stamp):
            return None
        self.schedule.take(stamp)
        pixels = image()
        height, width = pixels.shape[:2]
        persons = self.tracker.update(stamp, self.estimator.estimate(pixels))
        self.sequence += 1
        return Keyframe(stamp, frame_id, width, height, self.sequence - 1, self.schedule.stride, persons)

    def uplift(self, keyframe: Keyframe, camera: Camera | None) -> Step:
        """Raw skeletons, and the stride from here on."""
        fits = camera is not None and (camera.width, camera.height) == (keyframe.width, keyframe.height)
        uplifted = self.uplifter.push(keyframe, camera if fits else None)
        if uplifted is None:
            return Step(keyframe)
        decision = self.controller.update(uplifted.frame, uplifted.velocity)
        self.schedule.stride = decision.stride
        return Step(keyframe, uplifted.final, [], uplifted.velocity, decision)

    def refine(self, step: Step) -> Step:
        """Smooth skeletons, as far as the raw ones bring them."""
        return replace(step, refined=self.refiner.push_many(step.raw))

    def flush(self) -> Step:
        """The frames that uplifter and refiner still hold, at the end of a stream."""
        step = self.refine(Step(raw=self.uplifter.flush()))
        return replace(step, refined=step.refined + self.refiner.flush())
