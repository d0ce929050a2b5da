"""Streaming Uplift and Upsample: key-frames in, 3D skeletons for every frame out.

Observations are stored once, by token; a window reads its slice of them, so the stride may change at any time, and
key-frames of older images may follow. Pose tokens do not depend on the window and are computed once per key-frame.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from uplift_ros.camera import CANONICAL_STATURE, Camera, normalise
from uplift_ros.models.configs import Uplifting
from uplift_ros.poses import Keyframe, SkeletonFrame
from uplift_ros.streaming.look_back import LookBackRule, OpenRequests
from uplift_ros.streaming.timeline import Timeline
from uplift_ros.streaming.track import Track, observations
from uplift_ros.streaming.uncertainty import ErrorModel


@dataclass(frozen=True)
class Uplifted:
    """Result of one scheduled key-frame.

    Attributes:
        final: new final frames, in order.
        live: the estimate at the key-frame itself, before it is final.
        velocities: m/s, of each person in the key-frame, by id, mean since the key-frame before.
        frame: of the key-frame, counted at the model's rate.
        wanted: stamps of older images that should become key-frames, the oldest first.
    """

    final: list[SkeletonFrame]
    live: SkeletonFrame
    velocities: dict[str, float]
    frame: int
    wanted: list[int]


@dataclass(frozen=True)
class Filled:
    """Result of one key-frame that was requested; attributes as in Uplifted."""

    final: list[SkeletonFrame]
    wanted: list[int]


class StreamingUplifter:
    """Streaming uplifter: key-frames of any number of people to 3D skeletons at an even rate.

    A frame is final as soon as a key-frame lies `latency` frames or more after it. Its pose is that of the sequence
    head, in the window that ends at that key-frame; with a latency of half the window, that of the central head, in
    the window around it, as in the paper. No window ends after the newest observation of its person.

    With a look-back rule, frames between two scheduled key-frames wait until all older images that were requested
    between them have arrived, at most until `latency` frames after the next scheduled one. Their order does not matter:
    one forward pass follows the last of them, and decides whether more are needed.

    Args:
        latency: frames of the model's rate between the newest key-frame and the newest final frame; raising it gives
            better poses, later.
        output_rate: skeletons per second of stream time; raising it interpolates between the network's frames.
        person_height: metres; scales the people, whom a single camera sees only up to scale.
        score_trust: of the detector's scores, from 0 to 1: what a score takes away from 1 counts as much for the
            network. Raising it trusts them more.
        errors: error model of the network; without it scores are the detector's, and there is no covariance.
        spare: loads the network that replaces this one if its device fails.

    Attributes:
        look_back: decides which older images are requested; None requests none. May be changed at any time.

    Raises:
        ValueError: an argument is outside its range; names it.
    """

    def __init__(
        self,
        network: Uplifting,
        *,
        latency: int = 4,
        output_rate: float = 50.0,
        person_height: float = CANONICAL_STATURE,
        score_trust: float = 1.0,
        errors: ErrorModel | None = None,
        spare: Callable[[], Uplifting] | None = None,
    ) -> None:
        config = network.config
        if not config.temporal:
            raise ValueError(
                "model must have its temporal stage, whose poses of every token streams read, got one without"
            )
        if not 0 <= latency <= config.frames // 2:
            raise ValueError(f"latency must be 0 to {config.frames // 2} frames (half the window), got {latency}")
        if not 0 < output_rate <= 1000:
            raise ValueError(f"output_rate must be above 0 and at most 1000 Hz, got {output_rate}")
        if not 0.3 <= person_height <= 2.5:
            raise ValueError(f"person_height must be 0.3 to 2.5 m, got {person_height}")
        self.network, self.config, self.latency, self.errors = network, config, latency, errors
        if not 0 <= score_trust <= 1:
            raise ValueError(f"score_trust must be 0 to 1, got {score_trust}")
        self.output_rate, self.score_trust = output_rate, score_trust
        self.scale = person_height / CANONICAL_STATURE
        self.spare = spare
        self.failure = ""
        """Why the spare network runs; empty if it does not."""
        self.look_back: LookBackRule | None = None
        self.unanswered = 0
        """Older images that were requested and did not arrive in time."""
        self.unplaced = 0
        """People of key-frames that were left out, because they have no pelvis."""
        self.reset()

    def reset(self) -> None:
        """Forget everything: the next key-frame starts a new stream."""
        self._timeline = Timeline(self.config)
        self._tracks: dict[str, Track] = {}
        self._next_output = 0
        self._frame_id = ""
        self._requests = OpenRequests(math.ceil(self.latency / self.config.token_stride))

    def push(self, keyframe: Keyframe, camera: Camera | None) -> Uplifted | None:
        """Take the next scheduled key-frame.

        A stamp far before the last one (a bag that loops), one a whole window later, or another frame_id ends the
        stream, whose last frames are returned first, and starts a new one.

        Args:
            camera: intrinsics of the image; without them poses stay root-relative, around the origin.

        Returns:
            The result, or None if the key-frame was stale or duplicate: a repeated or late stamp, or a second one at
            one token.

        Raises:
            ValueError: another skeleton, keypoints or scores of another shape, or two people of one id.
        """
        keyframe.validate()
        # 1. A jump in time or another camera ends the stream.
        final: list[SkeletonFrame] = []
        if self.breaks_at(keyframe):
            final = self.flush()
            self.reset()
        # 2. Stale and duplicate key-frames are skipped.
        token, previous = self._timeline.token(keyframe.stamp), self._timeline.newest
        if token <= previous:
            return None
        # 3. Store the key-frame and run the network.
        self.unanswered += self._requests.expire(token)
        before_window = token - self.config.tokens
        if self._pending < before_window + 1:
            final = self.flush()  # the new window does not cover these frames any more
        self._timeline.add(keyframe.stamp)
        self._frame_id = keyframe.frame_id
        seen = self._see(keyframe, camera, token)
        wanted = self._update(previous, [(previous, token)] if previous >= 0 else [])
        # 4. Compose the frames that are final now, and the newest one.
        final += self._finalise()
        newest = token * self.config.token_stride
        live = self._compose(newest, is_final=self._next_frame > newest)
        velocities = {
            name: float(track.motion.velocity[previous - token :].mean())
            for name, track in seen.items()
            if track.motion
        }
        self._forget(before_window)
        return Uplifted(final, live, velocities, newest, wanted)

    def fill(self, keyframe: Keyframe, camera: Camera | None) -> Filled | None:
        """Take a key-frame of an older image, requested or not; arguments and errors as in `push`.

        Returns:
            The result, or None if there already is a key-frame at its token, if it lies outside the window, or is of
            another camera.
        """
        keyframe.validate()
        token, newest = self._timeline.token(keyframe.stamp), self._timeline.newest
        if keyframe.frame_id != self._frame_id or not newest - self.config.tokens < token < newest:
            return None
        # 1. Store it, unless there is one at its token.
        begin = self._requests.answer(token)
        if is_new := not self._timeline.has(token):
            self._timeline.add(keyframe.stamp)
            self._see(keyframe, camera, token)
        if begin is None:
            return Filled([], []) if is_new else None
        # 2. After the last one of an interval, run the network, which may request more.
        if is_new:
            self._requests.fill(begin, token)
        filled = self._requests.complete(begin)
        if filled is None:
            return Filled([], [])
        wanted = self._update(begin, [half for token in filled for half in self._timeline.halves(token)])
        return Filled(self._finalise(), wanted)

    def breaks_at(self, keyframe: Keyframe) -> bool:
        """Whether a key-frame ends the stream and starts a new one."""
        another_camera = self._timeline.newest >= 0 and keyframe.frame_id != self._frame_id
        return another_camera or self._timeline.breaks_at(keyframe.stamp)

    def flush(self) -> list[SkeletonFrame]:
        """Return the frames up to the newest key-frame that still wait for newer ones; the stream may continue."""
        self.unanswered += self._requests.clear()
        return self._advance(self._timeline.newest * self.config.token_stride)

    @property
    def _next_frame(self) -> float:
        """The next frame to be final; a whole number without rounding errors if it is one."""
        return self._next_output * self.config.model_rate / self.output_rate

    @property
    def _pending(self) -> float:
        """Token of the next frame to be final."""
        return self._next_frame / self.config.token_stride

    def _finalise(self) -> list[SkeletonFrame]:
        """Compose the frames that are final now: those of an interval wait while images of it are requested."""
        last, held = self._timeline.newest * self.config.token_stride - self.latency, self._requests.held
        return self._advance(last if held is None else min(last, held * self.config.token_stride))

    def _advance(self, last: float) -> list[SkeletonFrame]:
        """Compose the next final frames, up to `last`."""
        final, newest = [], 0.0
        while (frame := self._next_frame) <= last:
            final.append(self._compose(frame, is_final=True))
            newest = frame
            self._next_output += 1
        if final:
            for track in self._tracks.values():
                track.fix_roots(newest / self.config.token_stride)
        return final

    def _update(self, begin: int, intervals: Sequence[tuple[int, int]]) -> list[int]:
        """Uplift people with new observations; return the stamps of images that are wanted in parts of an interval."""
        tracks = [track for track in self._tracks.values() if track.is_new]
        before = [track.motion for track in tracks]
        try:
            self._uplift(tracks)
        except RuntimeError as error:
            if self.spare is None:
                raise
            self.failure, self.network, self.spare = str(error), self.spare(), None
            for track in self._tracks.values():
                for observation in track.observations.values():
                    observation.pose_token = None  # another device rounds differently
            self._uplift(tracks)
        if self.look_back is None:
            self._requests.ask(begin, set())
            return []
        motions = [(track.motion, motion) for track, motion in zip(tracks, before, strict=True) if track.motion]
        middles = (self.look_back.middle(left, right, motions) for left, right in intervals)
        wanted = [middle for middle in middles if middle is not None]
        self._requests.ask(begin, set(wanted))
        return [self._timeline.stamp(token * self.config.token_stride) for token in wanted]

    def _see(self, keyframe: Keyframe, camera: Camera | None, token: int) -> dict[str, Track]:
        """Store an observation of every person of the key-frame; return their tracks by id."""
        tracks = {}
        seen = observations(keyframe, camera)
        self.unplaced += len(keyframe.persons) - len(seen)
        for observation in seen:
            name = observation.person.id
            track = self._tracks.get(name)
            if track is None or token - track.newest >= self.config.tokens:
                track = self._tracks[name] = Track()
            track.observations[token] = observation
            track.is_new = True
            tracks[name] = track
        return tracks

    def _uplift(self, tracks: list[Track]) -> None:
        """Run one forward pass for people with new observations. The motion of others does not change."""
        if not tracks:
            return
        config = self.config
        # 1. The windows to compute, each by its track and its last token.
        windows = [(track, end) for track in tracks for end in self._ends(track)]
        # 2. The observations inside each window, by row and column.
        inside = [
            (row, token - end + config.tokens - 1, observation)
            for row, (track, end) in enumerate(windows)
            for token, observation in sorted(track.observations.items())
            if end - config.tokens < token <= end
        ]
        # 3. Only new observations need a pose token. Indices: 0 is none, then the new ones, then the known ones.
        distinct = {id(observation): observation for _, _, observation in inside}.values()
        new = [observation for observation in distinct if observation.pose_token is None]
        known = [observation for observation in distinct if observation.pose_token is not None]
        number = {id(observation): index for index, observation in enumerate((*new, *known), 1)}
        indices = np.zeros((len(windows), config.tokens), int)
        for row, column, observation in inside:
            indices[row, column] = number[id(observation)]
        # 4. Forward pass; keep the new pose tokens.
        scores = None
        if config.scores:
            scores = 1 - self.score_trust * (1 - np.stack([observation.person.scores for observation in new]))
        lifted = self.network(
            normalise(np.stack([observation.rays for observation in new]), config.normalisation, scores),
            np.array([observation.pose_token for observation in known]),
            indices,
        )
        for observation, pose_token in zip(new, lifted.tokens, strict=True):
            observation.pose_token = pose_token
        # 5. With a latency of half the window, the central head finalises the centre of each window.
        if self.waits_for_centre:
            central = self._metres(self.network.central(lifted.hidden))
            for (track, end), pose in zip(windows, central, strict=True):
                track.finalised[end - self._after_centre] = pose
        # 6. The window that ends at the newest observation updates the motion.
        newest = [row for row, (track, end) in enumerate(windows) if end == track.newest]
        for track, poses in zip(tracks, self._metres(lifted.sequence[newest]), strict=True):
            track.move(poses, config.model_rate / config.token_stride, config.normalisation)

    @property
    def waits_for_centre(self) -> bool:
        """The central head gives the final poses."""
        return self.latency == self.config.frames // 2

    @property
    def _after_centre(self) -> int:
        """Tokens of a window after its centre."""
        return self.config.tokens - 1 - self.config.centre

    def _ends(self, track: Track) -> range:
        """Last tokens of the windows to compute: at the newest observation, and of the windows around final frames."""
        newest = track.newest
        if not self.waits_for_centre:
            return range(newest, newest + 1)
        first_around = max(track.oldest, math.floor(self._pending)) + self._after_centre
        return range(min(first_around, newest), newest + 1)

    def _metres(self, poses: np.ndarray) -> np.ndarray:
        return poses.astype(float) * self.scale

    def _compose(self, frame: float, is_final: bool) -> SkeletonFrame:
        """Compose the frame of all people; a person is in view from the first to the last observation."""
        token, per_second = frame / self.config.token_stride, self.config.model_rate / self.config.token_stride
        composed = (
            track.person(name, token, per_second, self.errors, self.scale) for name, track in self._tracks.items()
        )
        persons = tuple(person for person in composed if person is not None)
        return SkeletonFrame(self._timeline.stamp(frame), self._frame_id, persons, is_final)

    def _forget(self, oldest: int) -> None:
        """Drop what no later window or frame reads again: later frames lie after `oldest`."""
        self._timeline.forget(oldest)
        for track in self._tracks.values():
            track.forget(oldest)
        self._tracks = {name: track for name, track in self._tracks.items() if track.newest > oldest}
