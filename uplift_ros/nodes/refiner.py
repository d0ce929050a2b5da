"""Raw skeletons in, smooth ones out, a few frames later."""

import torch

from uplift_ros.models import weights
from uplift_ros.models.synsp import SynSP
from uplift_ros.msg import Skeletons
from uplift_ros.nodes import base, convert, qos
from uplift_ros.nodes.transforms import Transforms
from uplift_ros.online.refiner import StreamingRefiner
from uplift_ros.online.target_frame import TargetFrame
from uplift_ros.poses import SkeletonFrame

QUIET = 0.002
"""Seconds without another frame after which a burst is over. A key-frame brings all frames since the one before; in
one batch they cost little more than one frame alone."""

MAX_BURST = 100


class RefinerNode(base.UpliftNode):
    """A shell around StreamingRefiner that gathers the frames of a burst."""

    def __init__(self) -> None:
        super().__init__("refiner")

    def configure(self) -> None:
        torch.set_num_threads(1)  # the cores are needed by other nodes
        method = self.parameter("method")
        model = weights.load(self.parameter("model"), SynSP, self.parameter("device")) if method == "synsp" else None
        self._refiner = StreamingRefiner(method, self.parameter("delay"), model)
        self._transforms = self._find_transforms()
        self._target = (
            TargetFrame(self.parameter("target_frame"), self._transforms.lookup) if self._transforms else None
        )
        self._refined = self.advertise(Skeletons, "skeletons", qos.poses())

    def activate(self) -> None:
        self._refiner.reset()
        self._dropped = self._refiner.dropped
        self._burst: list[SkeletonFrame] = []
        self._age_ms = 0.0
        self._quiet = self.every(QUIET, self._end_burst)
        self._quiet.cancel()
        if self._transforms and self._target:
            self._target.reset()
            self._transforms.subscribe(self, self._retry)
        self.subscribe(Skeletons, "skeletons/raw", self._take, qos.poses(), expected="skeletons")

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
        try:
            return Transforms()
        except ImportError as error:
            raise ImportError(f"parameter target_frame must be empty: tf2_ros is not installed ({error})") from error

    def _take(self, message: Skeletons) -> None:
        self._burst.append(convert.skeletons_from_msg(message))
        if len(self._burst) < MAX_BURST:
            self._quiet.reset()
        else:
            self._end_burst()

    def _retry(self) -> None:
        """There are new transforms."""
        if self._target and self._target.is_waiting:
            self._quiet.reset()

    def _end_burst(self) -> None:
        self._quiet.cancel()
        self._refine()

    def _refine(self) -> None:
        burst, self._burst = self._burst, []
        if self._target:
            burst = self._moved(burst, self._target)
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

    def _publish(self, frames: list[SkeletonFrame]) -> None:
        for frame in frames:
            self._refined.publish(convert.skeletons_to_msg(frame))
            self._age_ms = (self.get_clock().now().nanoseconds - frame.stamp) / 1e6


def main() -> int:
    return base.main(RefinerNode)


if __name__ == "__main__":
    raise SystemExit(main())
