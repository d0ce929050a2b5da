"""Stage 3: raw skeletons to refined ones, of one camera or of several that see the same people."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from uplift_ros.poses import SkeletonFrame
from uplift_ros.stages.problem import Problem, device_lost
from uplift_ros.streaming.body import RigidBodies
from uplift_ros.streaming.refiner import StreamingRefiner
from uplift_ros.streaming.target_frame import TargetFrame
from uplift_ros.streaming.view_fusion import ViewFusion, with_covariance
from uplift_ros.streaming.view_synchroniser import ViewSynchroniser


@dataclass(frozen=True)
class RefinementResult:
    """Result of some frames.

    Attributes:
        frames: skeletons, in order.
        problems: what was left out.
    """

    frames: list[SkeletonFrame] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


class RefinementStage:
    """Refinement of the raw skeletons of all views: `join` makes one stream of them, `push` smooths it.

    Args:
        refiner: smooths the stream.
        bodies: gives each person constant bone lengths; None leaves the poses as they are smoothed.
        targets: one per view, transforms its skeletons into the common frame; empty leaves them in the camera's.
        views: names of the views; several are synchronised and fused.
        orient: adds the orientations of bones to a frame; None leaves them out.
    """

    def __init__(
        self,
        refiner: StreamingRefiner,
        bodies: RigidBodies | None = None,
        targets: Sequence[TargetFrame] = (),
        views: Sequence[str] = ("",),
        *,
        orient: Callable[[SkeletonFrame], SkeletonFrame] | None = None,
    ) -> None:
        self._refiner, self._bodies = refiner, bodies
        self._targets, self._views, self._orient = targets, views, orient
        self._synchroniser = ViewSynchroniser(len(views)) if len(views) > 1 else None
        self._fusion = ViewFusion()

    def reset(self) -> None:
        """Forget the stream, frames that wait included."""
        self._refiner.reset()
        if self._bodies:
            self._bodies.reset()
        for target in self._targets:
            target.reset()
        if self._synchroniser:
            self._synchroniser.reset()
        self._fusion.reset()

    @property
    def is_waiting(self) -> bool:
        """Whether frames wait for transforms: then `join` may return frames without new ones."""
        return any(target.is_waiting for target in self._targets)

    def join(self, views: Sequence[list[SkeletonFrame]]) -> RefinementResult:
        """Join the next frames of every view, which may be none, into one stream."""
        problems: list[Problem] = []
        if self._synchroniser:
            views = [[with_covariance(frame) for frame in frames] for frames in views]
        if self._targets:
            views = [_moved(frames, target, problems) for frames, target in zip(views, self._targets, strict=True)]
        if self._synchroniser is None:
            (frames,) = views
            return RefinementResult(frames, problems)
        together = self._synchroniser.push(views)
        if lost := [self._views[camera] for camera in self._synchroniser.lost]:
            problems.append(Problem("lost_view", f"no skeletons of these views, fused without them: {', '.join(lost)}"))
        return RefinementResult(self._fused(together, problems), problems)

    def push(self, frames: Sequence[SkeletonFrame]) -> RefinementResult:
        """Smooth the next frames of the stream.

        Raises:
            ValueError: another skeleton, arrays of another shape, or two persons of one id. No frame was taken.
        """
        dropped = self._refiner.dropped
        refined = self._completed(self._refiner.push(frames))
        problems = []
        if self._refiner.failure:
            problems.append(device_lost(self._refiner.failure))
        if self._refiner.dropped > dropped:
            message = f"{self._refiner.dropped} persons left out so far: joints or scores are not finite"
            problems.append(Problem("unusable", message))
        return RefinementResult(refined, problems)

    def flush(self) -> list[SkeletonFrame]:
        """End the stream; return the frames that wait for later ones."""
        return self._completed(self._refiner.flush())

    def _completed(self, frames: list[SkeletonFrame]) -> list[SkeletonFrame]:
        """Smoothed frames with bone lengths that are kept, and with orientations, as the parameters say."""
        if self._bodies:
            frames = self._bodies.keep(frames)
        return [self._orient(frame) for frame in frames] if self._orient else frames

    def _fused(self, together: Sequence[tuple[SkeletonFrame, ...]], problems: list[Problem]) -> list[SkeletonFrame]:
        left_out = self._fusion.left_out
        fused = [self._fusion.fuse(seen) for seen in together]
        if self._fusion.left_out > left_out:
            message = f"{self._fusion.left_out} persons left out so far: no camera_info, or not finite"
            problems.append(Problem("unplaced", message))
        return fused


def _moved(frames: list[SkeletonFrame], target: TargetFrame, problems: list[Problem]) -> list[SkeletonFrame]:
    lost = target.lost
    moved = target.move(frames)
    if target.lost > lost:
        problems.append(Problem("no_transform", f"{target.lost} frames given up so far: {target.reason}"))
    return moved
