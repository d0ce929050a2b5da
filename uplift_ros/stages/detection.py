"""Stage 1: images to key-frames: the schedule, requests for older images, the people in an image, their identities."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, Protocol

import numpy as np

from uplift_ros.estimators import PoseEstimator
from uplift_ros.poses import NANOSECONDS, Keyframe, Origin, Person2D
from uplift_ros.sources.synthetic.synthetic_source import SyntheticSource
from uplift_ros.streaming.assignment import best_pairs
from uplift_ros.streaming.clock import check_time, is_break
from uplift_ros.streaming.image_history import ImageHistory
from uplift_ros.streaming.keyframes import KeyframeSchedule
from uplift_ros.streaming.rates import AskedRate
from uplift_ros.streaming.tracker import PersonTracker

QUICK_NS = 2 * NANOSECONDS
"""After an image had to wait for the estimator, images are estimated in quick mode for this long: the queue grows when
people move fast, and then fresh key-frames matter more than accurate ones."""


class Tracker(Protocol):
    """Tracker that assigns ids to the people of an image."""

    def reset(self) -> None: ...

    def update(self, stamp: int, persons: Sequence[Person2D]) -> tuple[Person2D, ...]: ...

    def update_between(self, stamp: int, persons: Sequence[Person2D]) -> tuple[Person2D, ...]: ...


class DetectionStage:
    """Detection in the images of one camera, in order of arrival; the others are never decoded.

    `take` and `request` may run in one thread, `take_requested` and `detect` in another: the first two only read
    stamps, the last does all the work.

    Args:
        estimator: finds people in an image.
        stride: frames between key-frames. Raising it costs fewer estimates, and leaves more to upsample.
        model_rate: frames per second in which the stride is counted.
        look_back: seconds of images that are kept, undecoded, for requests; 0 answers no request.
        phase: see `KeyframeSchedule`.
        tracker: assigns ids; None is a `PersonTracker`.

    Attributes:
        history: the images that are kept.
        dropped: key-frames so far that had to wait for a later image, because the estimator was busy.
        rate: of the key-frames, against the rate that the stride asks for.

    Raises:
        ValueError: stride, model_rate or phase out of range.
    """

    def __init__(
        self,
        estimator: PoseEstimator,
        stride: int,
        model_rate: float,
        look_back: float = 0.0,
        phase: float | None = None,
        tracker: Tracker | None = None,
    ) -> None:
        self._estimator, self._model_rate, self._phase = estimator, model_rate, phase
        self._tracker = tracker or PersonTracker()
        self._schedule = KeyframeSchedule(stride, model_rate, phase)
        self.history: ImageHistory[Any] = ImageHistory(look_back)
        self._sequence = 0
        self.dropped = 0
        self.reset()

    def reset(self) -> None:
        """Forget images and people; the count of key-frames continues."""
        self._schedule = KeyframeSchedule(self.stride, self._model_rate, self._phase)
        self.history.clear()
        self._tracker.reset()
        self._dropped_keyframe: int | None = None
        self._previous: int | None = None
        self._is_taken = False
        self._quick_until = 0
        self.rate = AskedRate()

    def warm_up(self, max_persons: int) -> None:
        """Run the estimator once, so that lazy loading does not delay the first key-frames."""
        image = SyntheticSource().frame(0).image
        for quick in (False, True):
            self._estimator.estimate(image, quick=quick)
        if max_persons > 1:
            best_pairs(np.eye(2))

    @property
    def is_quick(self) -> bool:
        """Images are estimated with the faster network at present."""
        return (self._previous or 0) < self._quick_until

    @property
    def stride(self) -> int:
        """Frames between key-frames, from the next multiple on."""
        return self._schedule.stride

    @stride.setter
    def stride(self, stride: int) -> None:
        self._schedule.stride = stride

    def push(self, stamp: int, frame_id: str, image: Callable[[], np.ndarray], size: int = 0) -> Keyframe | None:
        """Take the next image; arguments as in `take` and `detect`. None if it is no key-frame."""
        stride = self.take(stamp, (frame_id, image), size)
        return None if stride is None else self.detect(stamp, frame_id, image, stride)

    def look_back(self, stamps: Sequence[int]) -> Iterator[Keyframe]:
        """Detect in the images nearest to stamps, which `push` took before; images that are gone are left out."""
        self.history.request(stamps)
        while (requested := self.take_requested()) is not None:
            stamp, (frame_id, image) = requested
            with suppress(ValueError):  # it is counted
                yield self.detect(stamp, frame_id, image, self.stride, Origin.LOOK_BACK)

    def take(self, stamp: int, image: object = None, size: int = 0, is_busy: bool = False) -> int | None:
        """Decide whether the image at `stamp`, nanoseconds, becomes a key-frame.

        Args:
            image: undecoded, kept for requests, with its size in bytes.
            is_busy: the estimator cannot take it: a later image will be the key-frame, which counts as dropped once,
                and estimates are quick for a while.

        Returns:
            The stride of the key-frame, for `detect`; None if the image is no key-frame.

        Raises:
            ValueError: the stamp is no time; the image is not taken.
        """
        check_time(stamp, self._previous)
        if self._previous is not None and is_break(stamp, self._previous, QUICK_NS):
            self._quick_until = 0
        self._previous = stamp
        self.history.add(stamp, image, size)
        if not self._schedule.is_due(stamp):
            return None
        if is_busy:
            self._quick_until = stamp + QUICK_NS
            keyframe = self._schedule.multiple(self._schedule.frame(stamp))
            self.dropped += keyframe != self._dropped_keyframe
            self._dropped_keyframe = keyframe
            return None
        self._schedule.take(stamp)
        self.history.use(stamp)
        self._is_taken = True
        return self.stride

    def take_requested(self, estimate_seconds: float = 0.0) -> tuple[int, Any] | None:
        """Take the next image that was requested, with its stamp; None if none waits, or a scheduled key-frame does.

        Args:
            estimate_seconds: duration of `detect`; None is also returned if the next scheduled key-frame is due before
                it ends.
        """
        if self._is_taken:
            return None
        newest = self.history.newest
        if self._schedule.seconds_until_due(newest) < estimate_seconds:
            if self.history.waiting:
                self._quick_until = newest + QUICK_NS
            return None
        return self.history.take()

    def detect(
        self, stamp: int, frame_id: str, image: Callable[[], np.ndarray], stride: int, origin: Origin = Origin.SCHEDULED
    ) -> Keyframe:
        """Detect the people in an image that was taken.

        Args:
            image: decodes it, (H, W, 3) uint8 RGB; if it raises ValueError, the next image becomes the key-frame.
        """
        is_scheduled = origin is Origin.SCHEDULED
        if is_scheduled:
            self._is_taken = False
        try:
            pixels = image()
        except ValueError:
            if is_scheduled:
                self._schedule.give_back(stamp)
            else:
                self.history.refused["undecodable"] += 1
            raise
        identify = self._tracker.update if is_scheduled else self._tracker.update_between
        persons = identify(stamp, self._estimator.estimate(pixels, quick=stamp < self._quick_until))
        height, width = pixels.shape[:2]
        keyframe = Keyframe(stamp, frame_id, width, height, self._sequence, stride, persons, origin=origin)
        self._sequence += 1
        if is_scheduled:
            self.rate.add(stamp, self._model_rate / stride)
        return keyframe
