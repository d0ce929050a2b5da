"""Raw skeletons of one camera, or of several that see the same people, in; smooth ones out, a few frames later."""

from functools import partial

import torch

from uplift_ros.messages.conversion import ros_messages, skeletons_from_msg
from uplift_ros.models import weights
from uplift_ros.models.synsp import SynSP
from uplift_ros.msg import Skeletons
from uplift_ros.nodes import qos
from uplift_ros.nodes.lifecycle import base
from uplift_ros.nodes.lifecycle.spin import spin
from uplift_ros.nodes.links.optional import needed
from uplift_ros.nodes.links.synchroniser import Synchroniser
from uplift_ros.nodes.links.transforms import Transforms
from uplift_ros.poses import SkeletonFrame
from uplift_ros.settings import names_in
from uplift_ros.streaming.refiner import StreamingRefiner
from uplift_ros.streaming.target_frame import TargetFrame
from uplift_ros.streaming.view_fusion import ViewFusion, with_covariance

QUIET = 0.002
"""Seconds without another frame after which a burst is over. A key-frame brings all frames since the one before; in
one batch they cost little more than one frame alone."""

MAX_BURST = 100


class RefinerNode(base.ManagedNode):
    """A shell around StreamingRefiner that gathers the frames of a burst, and before it ViewFusion where there are
    several views."""

    def __init__(self) -> None:
        super().__init__("refiner")

    def configure(self) -> None:
        torch.set_num_threads(1)  # the cores are needed by other nodes
        method = self.parameter("method")
        model = weights.load(self.parameter("model"), SynSP, self.parameter("device")) if method == "synsp" else None
        target = self.parameter("target_frame")
        z_up = bool(target) and "optical" not in target  # REP-103 names frames with z forward so
        self._refiner = StreamingRefiner(method, self.parameter("delay"), model, z_up=z_up)
        self._transforms = self._find_transforms()
        self._topics = ["skeletons/raw", *names_in(self.parameter("views"))]
        self._targets = [TargetFrame(target, self._transforms.lookup) for _ in self._topics if self._transforms]
        self._synchroniser, self._fusion = self._find_synchroniser(), ViewFusion()
        self._refined = self.advertise(Skeletons, "skeletons", qos.poses())

    def activate(self) -> None:
        self._refiner.reset()
        self._dropped = self._refiner.dropped
        self._bursts: list[list[SkeletonFrame]] = [[] for _ in self._topics]
        self._age_ms = 0.0
        self._quiet = self.every(QUIET, self._end_burst)
        self._quiet.cancel()
        if self._transforms:
            for target in self._targets:
                target.reset()
            self._transforms.subscribe(self, self._retry)
        if self._synchroniser:
            self._synchroniser.reset()
            self._fusion.reset()
            self._left_out = self._fusion.left_out
        for view, topic in enumerate(self._topics):
            expected = topic if view else "skeletons"
            self.subscribe(Skeletons, topic, partial(self._take, view), qos.poses(), expected=expected)

    def deactivate(self) -> None:
        self._refine()
        self._publish(self._refiner.flush())

    def cleanup(self) -> None:
        del self._refiner

    def figures(self) -> dict[str, object]:
        return {"age_ms": f"{self._age_ms:.0f}"}

    def _find_transforms(self) -> Transforms | None:
        if not self.parameter("target_frame"):
            return None
        with needed("tf2_ros", "target_frame", otherwise="empty"):
            return Transforms()

    def _find_synchroniser(self) -> Synchroniser | None:
        if len(self._topics) == 1:
            return None
        if not self._targets:
            raise ValueError("parameter views needs target_frame, in which all views are seen together, got ''")
        with needed("message_filters", "views", otherwise="empty"):
            return Synchroniser(len(self._topics))

    def _take(self, view: int, message: Skeletons) -> None:
        frame = skeletons_from_msg(message)
        frame.check_form()  # here, where it costs no other frame of the burst
        self._bursts[view].append(frame)
        if len(self._bursts[view]) < MAX_BURST:
            self._quiet.reset()
        else:
            self._end_burst()

    def _retry(self) -> None:
        """There are new transforms."""
        if any(target.is_waiting for target in self._targets):
            self._quiet.reset()

    def _end_burst(self) -> None:
        self._quiet.cancel()
        self._refine()

    def _refine(self) -> None:
        bursts, self._bursts = self._bursts, [[] for _ in self._topics]
        if self._synchroniser:
            bursts = [[with_covariance(frame) for frame in burst] for burst in bursts]
        if self._targets:
            bursts = [self._moved(burst, target) for burst, target in zip(bursts, self._targets, strict=True)]
        burst = self._fused(bursts, self._synchroniser) if self._synchroniser else bursts[0]
        if not burst:
            return
        with self.timed(len(burst)):
            refined = self._refiner.push_many(burst)
        if self._refiner.dropped > self._dropped:
            self._dropped = self._refiner.dropped
            self.report("unusable", f"{self._dropped} persons left out so far: joints or scores are not finite")
        self._publish(refined)

    def _moved(self, burst: list[SkeletonFrame], target: TargetFrame) -> list[SkeletonFrame]:
        lost = target.lost
        ready = target.move(burst)
        if target.lost > lost:
            self.report("no_transform", f"{target.lost} frames given up so far: {target.reason}")
        return ready

    def _fused(self, bursts: list[list[SkeletonFrame]], synchroniser: Synchroniser) -> list[SkeletonFrame]:
        together = [views for camera, burst in enumerate(bursts) for views in synchroniser.push(camera, burst)]
        burst = [self._fusion.fuse(views) for views in together]
        if self._fusion.left_out > self._left_out:
            self._left_out = self._fusion.left_out
            self.report("unplaced", f"{self._left_out} persons left out so far: no camera_info, or not finite")
        return burst

    def _publish(self, frames: list[SkeletonFrame]) -> None:
        for frame in frames:
            self._refined.publish(ros_messages().skeletons(frame))
            self._age_ms = (self.get_clock().now().nanoseconds - frame.stamp) / 1e6


def main() -> int:
    return spin(RefinerNode)


if __name__ == "__main__":
    raise SystemExit(main())
