"""Raw skeletons in, smooth ones out, a few frames later."""

import torch

from uplift_ros.models import weights
from uplift_ros.models.synsp import SynSP
from uplift_ros.msg import Skeletons
from uplift_ros.nodes import base, convert, qos
from uplift_ros.online.refiner import StreamingRefiner
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
        self._refined = self.advertise(Skeletons, "skeletons", qos.poses())

    def activate(self) -> None:
        self._refiner.reset()
        self._dropped = self._refiner.dropped
        self._burst: list[SkeletonFrame] = []
        self._quiet = self.every(QUIET, self._refine)
        self._quiet.cancel()
        self.subscribe(Skeletons, "skeletons/raw", self._take, qos.poses())

    def deactivate(self) -> None:
        if self._burst:
            self._refine()
        self._publish(self._refiner.flush())

    def cleanup(self) -> None:
        del self._refiner

    def _take(self, message: Skeletons) -> None:
        self._burst.append(convert.skeletons_from_msg(message))
        if len(self._burst) < MAX_BURST:
            self._quiet.reset()
        else:
            self._refine()

    def _refine(self) -> None:
        self._quiet.cancel()
        burst, self._burst = self._burst, []
        with self.timed(len(burst)):
            refined = self._refiner.push_many(burst)
        if self._refiner.dropped > self._dropped:
            self._dropped = self._refiner.dropped
            self.report("unusable", f"{self._dropped} persons left out so far: joints or scores are not finite")
        self._publish(refined)

    def _publish(self, frames: list[SkeletonFrame]) -> None:
        for frame in frames:
            self._refined.publish(convert.skeletons_to_msg(frame))


def main() -> int:
    return base.main(RefinerNode)


if __name__ == "__main__":
    raise SystemExit(main())
