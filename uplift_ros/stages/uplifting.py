"""Stage 2: key-frames to 3D skeletons at full rate, and the stride of the next key-frames."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from uplift_ros.camera import Camera
from uplift_ros.intrinsics import Calibration, Intrinsics
from uplift_ros.poses import Keyframe, Origin, SkeletonFrame
from uplift_ros.stages.problem import Problem, device_lost
from uplift_ros.streaming.clock import check_time, is_pause, is_resting
from uplift_ros.streaming.depth_scale import DepthScale
from uplift_ros.streaming.look_back import LookBackRule
from uplift_ros.streaming.overload import Load
from uplift_ros.streaming.playout import Playout
from uplift_ros.streaming.rates import Rates, StampRate
from uplift_ros.streaming.side_guard import SideGuard
from uplift_ros.streaming.stride import Decision, FixedStride, Reason, StrideController
from uplift_ros.streaming.uplifter import StreamingUplifter

DepthLookup = Callable[[], np.ndarray | None]
"""Returns the depth image of a key-frame's time, (H, W) metres, aligned with its image; None if there is none. Raises
ValueError if it cannot be read."""


@dataclass(frozen=True)
class UpliftingResult:
    """Result of one key-frame.

    Attributes:
        raw: final skeletons to publish now, in order, in the size that depth measured.
        live: the key-frame itself, before it is final; None for one that was requested, stale or duplicate.
        decision: the stride from this key-frame on, and why; None likewise.
        rates: what RateState reports; None likewise. Values that a clock or another process measures are left at 0.
        wanted: stamps of older images that should become key-frames, the oldest first.
        problems: what was missing or wrong.
    """

    raw: list[SkeletonFrame] = field(default_factory=list)
    live: SkeletonFrame | None = None
    decision: Decision | None = None
    rates: Rates | None = None
    wanted: list[int] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


class UpliftingStage:
    """Uplifting of the key-frames of one camera.

    Args:
        uplifter: the network over time.
        controller: chooses the stride.
        look_back: requests older images; None requests none.
        depth_scale: measures people with depth images; None leaves them the size of `person_height`.
        playout: releases raw skeletons at an even rate, see `play`; None releases them as soon as they are final.
        load: processing time of a key-frame, which the controller may read; the shell keeps it up to date.

    Attributes:
        is_answered: requests are answered; the shell keeps it up to date.
    """

    def __init__(
        self,
        uplifter: StreamingUplifter,
        controller: StrideController,
        *,
        look_back: LookBackRule | None = None,
        depth_scale: DepthScale | None = None,
        playout: Playout | None = None,
        load: Load | None = None,
    ) -> None:
        self.config = uplifter.config
        self.load = load or Load()
        self.is_answered = True
        self._uplifter, self._controller, self._look_back = uplifter, controller, look_back
        self._depth_scale, self._playout = depth_scale, playout
        self._side_guard = SideGuard()
        self.reset()

    def reset(self) -> None:
        """Forget the stream, frames that wait included. The controller keeps its state."""
        self._uplifter.reset()
        self._side_guard.reset()
        if self._depth_scale:
            self._depth_scale.reset()
        if self._playout:
            self._playout.flush()
        self._newest: int | None = None
        self._unanswered_at: int | None = None
        self._last_sequence: int | None = None
        self._gaps = 0
        self._stride_reached = self._is_overloaded = False
        self._keyframe_rate, self._output_rate = StampRate(), StampRate()

    @property
    def fixed_stride(self) -> int | None:
        """Stride, if it is fixed; None if it may change."""
        return self._controller.decision.stride if isinstance(self._controller, FixedStride) else None

    def control(self, controller: StrideController, look_back: LookBackRule | None) -> None:
        """Replace the controller and the look back from the next key-frame on."""
        self._controller, self._look_back, self._stride_reached = controller, look_back, False

    def push(
        self, keyframe: Keyframe, intrinsics: Intrinsics | None, depth: DepthLookup | None = None
    ) -> UpliftingResult:
        """Take the next key-frame, scheduled or requested.

        Args:
            intrinsics: the newest ones; they are used only if they are of images of this size.
            depth: looked up if people are to be measured.

        Raises:
            ValueError: another skeleton, arrays of another shape, two people of one id, or a stamp that is no time.
                Nothing was taken.
        """
        keyframe.validate()
        check_time(keyframe.stamp, self._newest)
        if keyframe.origin is Origin.LOOK_BACK:
            return self._fill(keyframe, intrinsics)
        problems = self._stride_problems(keyframe)
        # 1. After a pause and at the end of a stream, the frames that still wait are final, in the size known so far.
        final: list[SkeletonFrame] = []
        paused = self._newest is not None and is_pause(keyframe.stamp, self._newest)
        if paused or self._uplifter.breaks_at(keyframe):
            final = self._sized(self._uplifter.flush())
        # 2. The camera of these images.
        camera = _fitting(intrinsics, keyframe, problems)
        # 3. Correct left and right if they contradict the motion.
        keyframe = self._guarded(keyframe, problems)
        # 4. 2D to 3D.
        rests = self._unanswered_at is not None and is_resting(keyframe.stamp, self._unanswered_at)
        may_ask = self.is_answered and not self._is_overloaded and not rests
        self._uplifter.look_back = self._look_back if may_ask else None
        unanswered, unplaced = self._uplifter.unanswered, self._uplifter.unplaced
        uplifted = self._uplifter.push(keyframe, camera)
        self._note_push(keyframe, problems)
        if self._uplifter.unanswered > unanswered:
            self._unanswered_at = keyframe.stamp
            message = f"{self._uplifter.unanswered} requested images so far did not become key-frames in time"
            problems.append(Problem("unanswered", message))
        if self._uplifter.unplaced > unplaced:
            message = f"{self._uplifter.unplaced} persons of key-frames left out so far: they have no pelvis"
            problems.append(Problem("unplaced", message))
        if uplifted is None:
            token_ms = 1000 * self.config.token_stride / self.config.model_rate
            message = f"key-frame {keyframe.sequence} must be {token_ms:.0f} ms later than the one before: left out"
            problems.append(Problem("repeated", message))
            return UpliftingResult(self._leave(final), problems=problems)
        self._newest = keyframe.stamp
        # 5. The size of people, measured with depth.
        if self._depth_scale:
            problems += _measure(self._depth_scale, keyframe, uplifted.live, depth)
        (live,) = self._sized([uplifted.live])
        raw = self._leave(final + self._sized(uplifted.final))
        # 6. The stride of the next key-frames, and the rates.
        factor = self._depth_scale.factor if self._depth_scale else lambda _: 1.0
        velocity = max((factor(name) * each for name, each in uplifted.velocities.items()), default=0.0)
        decision = self._decide(keyframe, uplifted.frame, velocity)
        self._keyframe_rate.add(keyframe.stamp)
        rates = Rates(
            stamp=keyframe.stamp,
            frame_id=keyframe.frame_id,
            stride=decision.stride,
            reason=decision.reason,
            velocity=velocity,
            keyframe_hz=self._keyframe_rate.per_second,
            output_hz=self._output_rate.per_second,
            dropped=self._gaps,
        )
        return UpliftingResult(raw, live, decision, rates, uplifted.wanted, problems)

    def _fill(self, keyframe: Keyframe, intrinsics: Intrinsics | None) -> UpliftingResult:
        """Take a key-frame of an older image."""
        problems: list[Problem] = []
        keyframe = self._guarded(keyframe, problems)
        filled = self._uplifter.fill(keyframe, _fitting(intrinsics, keyframe, problems))
        self._note_push(keyframe, problems)
        if filled is None or self._newest is None:
            message = f"key-frame {keyframe.sequence} of an older image left out: outside the window, or not the first"
            return UpliftingResult(problems=[*problems, Problem("repeated", message)])
        self._keyframe_rate.add(self._newest)
        return UpliftingResult(self._leave(self._sized(filled.final)), wanted=filled.wanted, problems=problems)

    def play(self) -> list[SkeletonFrame]:
        """Release the skeletons of one period of the output rate, with a playout."""
        return self._counted(self._playout.take() if self._playout else [])

    def pause(self) -> list[SkeletonFrame]:
        """Release the frames that wait, because no key-frame arrived for PAUSE_NS. The stream may continue."""
        return self._leave(self._sized(self._uplifter.flush()))

    def flush(self) -> list[SkeletonFrame]:
        """End the stream; return all frames that wait, for key-frames or in the playout."""
        paused = self.pause()
        return paused + self._counted(self._playout.flush() if self._playout else [])

    def _guarded(self, keyframe: Keyframe, problems: list[Problem]) -> Keyframe:
        """Correct swapped sides; each correction is added to the problems."""
        guarded = self._side_guard.mend(keyframe)
        pairs = zip(keyframe.persons, guarded.persons, strict=True)
        if names := [after.id for before, after in pairs if after is not before]:
            message = f"key-frame {keyframe.sequence}: left and right of {', '.join(names)} are exchanged"
            problems.append(Problem("swapped_sides", message))
        return guarded

    def _stride_problems(self, keyframe: Keyframe) -> list[Problem]:
        if keyframe.stride % self.config.token_stride == 0:
            return []
        message = (
            f"key-frames come with a stride of {keyframe.stride}, which is no multiple of {self.config.token_stride} "
            "(the model's s_out): poses are moved to the nearest frame that the model knows"
        )
        return [Problem("odd_stride", message)]

    def _note_push(self, keyframe: Keyframe, problems: list[Problem]) -> None:
        """Count lost key-frames, and report a lost device. An estimator that restarted has its own stride again."""
        if self._last_sequence is not None:
            self._gaps += max(0, keyframe.sequence - self._last_sequence - 1)
            self._stride_reached &= keyframe.sequence >= self._last_sequence
        self._last_sequence = keyframe.sequence
        if self._uplifter.failure:
            problems.append(device_lost(self._uplifter.failure))

    def _sized(self, frames: list[SkeletonFrame]) -> list[SkeletonFrame]:
        return [self._depth_scale.apply(frame) for frame in frames] if self._depth_scale else frames

    def _leave(self, final: list[SkeletonFrame]) -> list[SkeletonFrame]:
        """Return the new final frames, or pass them to the playout."""
        if self._playout is None:
            return self._counted(final)
        self._playout.push(final)
        return []

    def _counted(self, leaving: list[SkeletonFrame]) -> list[SkeletonFrame]:
        for frame in leaving:
            self._output_rate.add(frame.stamp)
        return leaving

    def _decide(self, keyframe: Keyframe, frame: int, velocity: float) -> Decision:
        """Decide the stride. A fixed stride that key-frames had and then lost was changed by hand, and is kept."""
        decision = self._controller.update(frame, velocity)
        self._is_overloaded = decision.reason is Reason.OVERLOAD
        if decision.reason is Reason.FIXED:
            reached = keyframe.stride == decision.stride
            if self._stride_reached and not reached:
                return Decision(keyframe.stride, Reason.MANUAL)
            self._stride_reached |= reached
        return decision


def _fitting(intrinsics: Intrinsics | None, keyframe: Keyframe, problems: list[Problem]) -> Camera | None:
    """Camera of the key-frame's images; None if unknown, and the problem is added."""
    without = "skeletons stay around the origin, without scale"
    if intrinsics is None:
        problems.append(Problem("no_camera_info", f"no intrinsics in camera_info: {without}"))
        return None
    size = keyframe.width, keyframe.height
    try:
        camera = intrinsics.for_image(*size)
        if isinstance(intrinsics, Calibration) and (guess := intrinsics.guess(*size)):
            problems.append(Problem("exchanged_camera_info", guess))
        return camera
    except ValueError as error:
        problems.append(Problem("wrong_camera_info", f"{error}: {without}"))
        return None


def _measure(
    depth_scale: DepthScale, keyframe: Keyframe, live: SkeletonFrame, depth: DepthLookup | None
) -> list[Problem]:
    try:
        image = depth() if depth else None
        if image is None:
            message = f"no depth image of the time of key-frame {keyframe.sequence}: no person is measured"
            return [Problem("no_depth", message)]
        depth_scale.measure(keyframe, live, image)
    except ValueError as error:
        return [Problem("wrong_depth", str(error))]
    return []
