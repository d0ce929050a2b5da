"""Refinement of a stream of 3D skeletons with a fixed delay: SynSP with window averaging, or a classical filter."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from uplift_ros.models.configs import Refining
from uplift_ros.poses import Person3D, ScaleSource, SkeletonFrame, is_valid
from uplift_ros.skeleton import H36M17
from uplift_ros.streaming import uncertainty
from uplift_ros.streaming.clock import is_same_motion
from uplift_ros.streaming.filters import OneEuro, PassThrough, SavitzkyGolay, Smoother
from uplift_ros.streaming.swaa import StreamingAverage
from uplift_ros.transforms import WORLD_TO_OPTICAL

METHODS = ("savgol", "synsp", "one_euro", "none")

MAX_DELAY = 7
"""Frames: the full sliding-window average over windows of 8 (SynSP, CVPR 2024)."""

MAX_EXTENT = 10.0
"""Metres from the pelvis beyond which no joint can be; such input would make the network overflow."""


@dataclass
class _Track:
    """One person over consecutive frames.

    Attributes:
        pose: smooths (17, 4), root-relative joints and their tension, both metres.
        root: smooths (3,), the pelvis in metres.
        fit: local fit of all joints (17, 3) with its derivative, (2, 17, 3): their velocities.
        window: the newest root-relative poses (17, 3), always full.
        ready_poses, ready_roots, ready_fits: results whose frames are still held.
    """

    pose: Smoother
    root: Smoother
    fit: SavitzkyGolay
    window: deque[np.ndarray]
    ready_poses: deque[np.ndarray] = field(default_factory=deque)
    ready_roots: deque[np.ndarray] = field(default_factory=deque)
    ready_fits: deque[np.ndarray] = field(default_factory=deque)

    def push(self, estimate: np.ndarray, joints: np.ndarray, stamp: int) -> None:
        self.ready_poses.extend(self.pose.push(estimate, stamp))
        self.ready_roots.extend(self.root.push(joints[0], stamp))
        self.ready_fits.extend(self.fit.push(joints, stamp))

    def finish(self) -> None:
        self.ready_poses.extend(self.pose.flush())
        self.ready_roots.extend(self.root.flush())
        self.ready_fits.extend(self.fit.flush())


@dataclass(frozen=True)
class _Step:
    """One frame with the tracks of its persons.

    Attributes:
        frame: as received, with the usable persons only.
        tracks: of these persons, in their order.
        inputs: one per person, the input of the method: (T, 17, 3), the window that ends at this frame.
        ended: tracks of the frame before that do not continue.
        is_new_segment: no track continues from the frame before.
    """

    frame: SkeletonFrame
    tracks: list[_Track]
    inputs: list[np.ndarray]
    ended: list[_Track]
    is_new_segment: bool


class StreamingRefiner:
    """Refiner that returns every frame, in order, `delay` frames later, with its own stamp, ids and other fields.

    All people of all frames of one call go through the network in one batch, and the result does not depend on how
    the frames are cut into calls. The network reads root-relative joints, in windows of the newest frames; the
    window of a new person is filled with copies of the first pose. The pelvis itself is smoothed by a local quadratic
    fit of the same delay (by the One-Euro filter for 'one_euro'). 'one_euro' and 'none' are causal: for them the delay
    only keeps the timing of all methods equal. A new segment begins, after the frames still held are released, when
    stamps do not increase or leave a gap of more than 0.1 s, or when frame_id changes; a person starts again after any
    absence, and where the source of the scale changes.

    Velocities of joints are the derivatives of the same local fit to the joints as received, for every method.

    With SynSP, scores and covariance are updated: the expected error grows with the tension between its branches
    (streaming/uncertainty.py).

    Args:
        method: 'savgol', 'synsp', 'one_euro' or 'none'.
        delay: frames, 0 to 7; raising it smooths more, later. SynSP averages the windows that end 0 to `delay` frames
            after a frame.
        model: for 'synsp'.
        spare: loads the network that replaces `model` if its device fails.
        z_up: skeletons are in a frame with z up (REP-103), not in a camera's optical frame, in which the network was
            trained: without turning them into one the error grows by 2 of 40 mm (mocap_val).

    Attributes:
        dropped: persons left out so far because a number was not finite, a score not within [0, 1], or a joint more
            than MAX_EXTENT from the pelvis.

    Raises:
        ValueError: an argument outside its range, or a model of another skeleton or with too short windows.
    """

    def __init__(
        self,
        method: str = "savgol",
        delay: int = MAX_DELAY,
        model: Refining | None = None,
        *,
        spare: Callable[[], Refining] | None = None,
        z_up: bool = False,
    ) -> None:
        if method not in METHODS:
            raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
        if not isinstance(delay, int) or not 0 <= delay <= MAX_DELAY:
            raise ValueError(f"delay must be an integer from 0 to {MAX_DELAY} frames, got {delay!r}")
        self.method, self.delay = method, delay
        self.model = _checked(model, delay) if method == "synsp" else None
        self.spare = spare
        self.failure = ""
        """Why the spare network runs; empty if it does not."""
        self._upright = WORLD_TO_OPTICAL if z_up else np.eye(3)
        self._window = self.model.config.window if self.model else 1
        self.dropped = 0
        self.reset()

    def reset(self) -> None:
        """Forget everything, the frames still held included."""
        self._newest: _Step | None = None
        self._held: deque[_Step] = deque()

    def push(self, frames: Sequence[SkeletonFrame]) -> list[SkeletonFrame]:
        """Take the next frames, with one forward pass of the network for all of them; return those that became ready.

        As many become ready as are taken, but fewer at first, and more if a new segment begins.

        Raises:
            ValueError: another skeleton, arrays of another shape, or two persons of one id. No frame was taken.
            RuntimeError: the device of the network failed, and there is no spare. All frames are lost; the next one
                begins a new segment.
        """
        for frame in frames:
            frame.validate()
        # 1. Match people with those of the frame before.
        steps = [self._follow(frame) for frame in frames]
        # 2. One forward pass for all windows of all people.
        inputs = [poses for step in steps for poses in step.inputs]
        try:
            estimates = iter(self._estimate(inputs))
        except RuntimeError as error:
            if self.spare is None:
                self.reset()
                raise
            self.failure, self.model, self.spare = str(error), self.spare(), None
            estimates = iter(self._estimate(inputs))
        # 3. Smooth each track, and release the frames that are `delay` frames old.
        return [refined for step in steps for refined in self._advance(step, estimates)]

    def flush(self) -> list[SkeletonFrame]:
        """Return the frames still held and forget everything; the last ones are refined with fewer later frames."""
        if self._newest is not None:
            for track in self._newest.tracks:
                track.finish()
        refined = self._release()
        self.reset()
        return refined

    def _follow(self, frame: SkeletonFrame) -> _Step:
        """Match the persons of a frame with the tracks of the frame before."""
        before = self._newest
        is_new_segment = before is None or not _continues(before.frame, frame)
        known = dict(zip(map(_key, before.frame.persons), before.tracks, strict=True)) if before else {}
        persons = tuple(person for person in frame.persons if _usable(person))
        self.dropped += len(frame.persons) - len(persons)
        tracks, inputs = [], []
        for person in persons:
            pose = _relative(person)
            track = self._track(pose) if is_new_segment or _key(person) not in known else known.pop(_key(person))
            track.window.append(pose)
            tracks.append(track)
            inputs.append(np.stack(track.window))
        # Tracks that no person of this frame took have ended.
        ended = list(known.values())
        self._newest = _Step(replace(frame, persons=persons), tracks, inputs, ended, is_new_segment)
        return self._newest

    def _track(self, first: np.ndarray) -> _Track:
        window = deque([first] * self._window, self._window)
        fit = SavitzkyGolay(self.delay, with_derivative=True)
        if self.method == "synsp":
            return _Track(StreamingAverage(self.delay), SavitzkyGolay(self.delay), fit, window)
        if self.method == "savgol":
            return _Track(SavitzkyGolay(self.delay), SavitzkyGolay(self.delay), fit, window)
        if self.method == "one_euro":
            return _Track(OneEuro(), OneEuro(), fit, window)
        return _Track(PassThrough(), PassThrough(), fit, window)

    def _estimate(self, inputs: list[np.ndarray]) -> np.ndarray:
        """Joints and tension of each window, (K, T, 17, 4); of the newest poses, (K, 17, 4), for a filter."""
        if not inputs:
            return np.empty((0, len(H36M17), 4))
        windows = np.stack(inputs)
        if self.model is None:
            poses = windows[:, -1]
            return np.concatenate([poses, np.zeros_like(poses[..., :1])], -1)
        estimates = self.model(windows @ self._upright.T).astype(float)
        estimates[..., :3] = estimates[..., :3] @ self._upright
        return estimates

    def _advance(self, step: _Step, estimates: Iterator[np.ndarray]) -> list[SkeletonFrame]:
        """Push the frame's estimates to its tracks and release the frames that became ready."""
        # 1. Tracks that ended need no later frame; neither do all frames before a new segment.
        for track in step.ended:
            track.finish()
        refined = self._release() if step.is_new_segment else []
        # 2. The others take the estimates of this frame, which then waits for later ones.
        for track, person in zip(step.tracks, step.frame.persons, strict=True):
            track.push(next(estimates), person.joints.astype(float), step.frame.stamp)
        self._held.append(step)
        return refined + self._release(keep=self.delay)

    def _release(self, keep: int = 0) -> list[SkeletonFrame]:
        """Release the oldest frames until `keep` are held."""
        return [self._refined(self._held.popleft()) for _ in range(len(self._held) - keep)]

    def _refined(self, step: _Step) -> SkeletonFrame:
        persons = []
        for track, person in zip(step.tracks, step.frame.persons, strict=True):
            # 1. The smoothed pose at the smoothed pelvis, and the velocities of the joints as received.
            pose, root = track.ready_poses.popleft(), track.ready_roots.popleft()
            _, velocities = track.ready_fits.popleft()
            joints = pose[:, :3] - pose[0, :3] + root
            # 2. SynSP's tension changes what is expected of the error.
            scores, covariance = person.scores, person.covariance
            if self.model:
                scores, covariance = uncertainty.refined(scores, covariance, pose[:, 3])
            persons.append(
                replace(
                    person,
                    joints=joints.astype(person.joints.dtype),
                    scores=scores.astype(person.scores.dtype),
                    covariance=covariance,
                    velocities=velocities,
                    orientations=np.empty((0, 4)),  # those of the pose as received
                    twist_variances=np.empty(0),
                )
            )
        return replace(step.frame, persons=tuple(persons))


def _relative(person: Person3D) -> np.ndarray:
    """(17, 3) root-relative joints, in double precision, so that adding the pelvis again loses nothing."""
    joints = person.joints.astype(float)
    return joints - joints[0]


def _usable(person: Person3D) -> bool:
    return is_valid(person) and bool(np.abs(_relative(person)).max() <= MAX_EXTENT)


def _key(person: Person3D) -> tuple[str, ScaleSource]:
    """Motion that continues from frame to frame: where the source of the scale changes, size and place jump."""
    return person.id, person.scale_source


def _continues(before: SkeletonFrame, frame: SkeletonFrame) -> bool:
    return is_same_motion(frame.stamp, before.stamp) and frame.frame_id == before.frame_id


def _checked(model: Refining | None, delay: int) -> Refining:
    if model is None:
        raise ValueError("method 'synsp' needs a model, got none")
    config = model.config
    if (config.joints, config.coordinates) != (len(H36M17), 3):
        raise ValueError(
            f"model must refine 17 joints of 3 coordinates, got {config.joints} joints of {config.coordinates}"
        )
    if config.window <= delay:
        raise ValueError(f"model must have windows longer than the delay of {delay} frames, got {config.window}")
    return model
