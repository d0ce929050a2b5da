"""Streaming Uplift and Upsample: key-frames in, 3D skeletons for every frame out.

Observations are stored once, by token; a window reads its slice of them, so the stride may change at any time. Pose
tokens do not depend on the window and are computed once per key-frame.
"""

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from uplift_ros.camera import CANONICAL_STATURE, Camera, normalise
from uplift_ros.models.configs import Uplifting
from uplift_ros.poses import Keyframe, Person2D, Person3D, ScaleSource, SkeletonFrame, Source
from uplift_ros.streaming.timeline import Timeline
from uplift_ros.streaming.track import Motion, Observation, Track
from uplift_ros.streaming.uncertainty import ErrorModel

UNKNOWN_CAMERA_FOV = math.radians(60)
"""Horizontal field of view that is assumed without intrinsics; the pose is hardly sensitive to it."""

FARTHEST_PIXEL = 1e6
"""A joint beyond it is taken as absent: it is a detector's error."""

FARTHEST_RAY = 1e3
"""On the plane z = 1; a farther ray is perpendicular to the optical axis, or the distortion cannot be inverted."""

UPSAMPLED_SCORE_FACTOR = 0.9
"""Scores of frames between key-frames, relative to those of the key-frames around them, for a network without an error
model."""


@dataclass(frozen=True)
class Uplifted:
    """Result of one key-frame.

    Attributes:
        final: new final frames, in order.
        live: the estimate at the key-frame itself, before it is final.
        velocity: m/s, of the fastest person, mean since the key-frame before; 0 when no person is in view.
        frame: of the key-frame, counted at the model's rate.
    """

    final: list[SkeletonFrame]
    live: SkeletonFrame
    velocity: float
    frame: int


class StreamingUplifter:
    """Streaming uplifter: key-frames of any number of people to 3D skeletons at an even rate.

    A frame is final as soon as a key-frame lies `latency` frames or more after it. Its pose is that of the sequence
    head, in the window that ends at that key-frame; with a latency of half the window, that of the central head, in
    the window around it, as in the paper. No window ends after the newest observation of its person.

    Args:
        latency: frames of the model's rate between the newest key-frame and the newest final frame; raising it gives
            better poses, later.
        output_rate: skeletons per second of stream time; raising it interpolates between the network's frames.
        person_height: metres; scales the people, whom a single camera sees only up to scale.
        errors: error model of the network; without it scores are the detector's, and there is no covariance.
        spare: loads the network that replaces this one if its device fails.

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
        errors: ErrorModel | None = None,
        spare: Callable[[], Uplifting] | None = None,
    ) -> None:
        config = network.config
        if not 0 <= latency <= config.frames // 2:
            raise ValueError(f"latency must be 0 to {config.frames // 2} frames (half the window), got {latency}")
        if not 0 < output_rate <= 1000:
            raise ValueError(f"output_rate must be above 0 and at most 1000 Hz, got {output_rate}")
        if not 0.3 <= person_height <= 2.5:
            raise ValueError(f"person_height must be 0.3 to 2.5 m, got {person_height}")
        self.network, self.config, self.latency, self.errors = network, config, latency, errors
        self.frames_per_output = config.model_rate / output_rate
        self.scale = person_height / CANONICAL_STATURE
        self.spare = spare
        self.failure = ""
        """Why the spare network runs; empty if it does not."""
        self.skipped = 0
        """Key-frames that were stale or duplicate: repeated or late stamps, or two within one token."""
        self.reset()

    def reset(self) -> None:
        """Forget everything: the next key-frame starts a new stream."""
        self._timeline = Timeline(self.config)
        self._tracks: dict[str, Track] = {}
        self._next_output = 0
        self._frame_id = ""

    def push(self, keyframe: Keyframe, camera: Camera | None) -> Uplifted | None:
        """Take the next key-frame.

        A stamp far before the last one (a bag that loops), one a whole window later, or another frame_id ends the
        stream, whose last frames are returned first, and starts a new one.

        Args:
            camera: intrinsics of the image; without them poses stay root-relative, around the origin.

        Returns:
            The result, or None if the key-frame was stale or duplicate (counted in `skipped`).

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
            self.skipped += 1
            return None
        # 3. Store the key-frame and run the network.
        before_window = token - self.config.tokens
        if self._pending <= before_window:
            final = self.flush()  # the new window does not cover these frames any more
        self._timeline.add(keyframe.stamp)
        self._frame_id = keyframe.frame_id
        seen = self._take(keyframe, camera, token)
        # 4. Compose the frames that are final now, and the newest one.
        newest = token * self.config.token_stride
        final += self._advance(newest - self.latency)
        live = self._compose(newest, is_final=self.latency == 0)
        moved = [track.motion.velocity[previous - token :].mean() for track in seen if track.motion]
        self._forget(before_window)
        return Uplifted(final, live, float(max(moved, default=0.0)), newest)

    def breaks_at(self, keyframe: Keyframe) -> bool:
        """Whether a key-frame ends the stream and starts a new one."""
        another_camera = self._timeline.newest >= 0 and keyframe.frame_id != self._frame_id
        return another_camera or self._timeline.breaks_at(keyframe.stamp)

    def flush(self) -> list[SkeletonFrame]:
        """Return the frames up to the newest key-frame that still wait for newer ones; the stream may continue."""
        return self._advance(self._timeline.newest * self.config.token_stride)

    @property
    def _pending(self) -> float:
        """Token of the next frame to be final."""
        return self._next_output * self.frames_per_output / self.config.token_stride

    def _advance(self, last: float) -> list[SkeletonFrame]:
        """Compose the next final frames, up to `last`."""
        final = []
        while (frame := self._next_output * self.frames_per_output) <= last:
            final.append(self._compose(frame, is_final=True))
            self._next_output += 1
        return final

    def _take(self, keyframe: Keyframe, camera: Camera | None, token: int) -> list[Track]:
        """Store and uplift the people of the key-frame; return their tracks."""
        seen = self._see(keyframe, camera, token)
        try:
            self._uplift(seen)
        except RuntimeError as error:
            if self.spare is None:
                raise
            self.failure, self.network, self.spare = str(error), self.spare(), None
            for track in self._tracks.values():
                for observation in track.observations.values():
                    observation.pose_token = None  # another device rounds differently
            self._uplift(seen)
        return seen

    def _see(self, keyframe: Keyframe, camera: Camera | None, token: int) -> list[Track]:
        """Store an observation of every person of the key-frame; return their tracks."""
        if not keyframe.persons:
            return []
        view = camera or Camera.from_fov(UNKNOWN_CAMERA_FOV, keyframe.width, keyframe.height)
        keypoints = np.stack([person.keypoints for person in keyframe.persons])
        rays = view.rays(np.where(np.abs(keypoints) < FARTHEST_PIXEL, keypoints, np.nan))
        rays = np.where(np.abs(rays) < FARTHEST_RAY, rays, np.nan)
        placed = np.isfinite(rays[:, 0]).all(-1)
        tracks = []
        for person, seen_at in zip(itertools.compress(keyframe.persons, placed), rays[placed], strict=True):
            track = self._tracks.get(person.id)
            if track is None or token - track.newest >= self.config.tokens:
                track = self._tracks[person.id] = Track()
            track.observations[token] = Observation(_with_valid_scores(person), seen_at, calibrated=camera is not None)
            tracks.append(track)
        return tracks

    def _uplift(self, tracks: list[Track]) -> None:
        """Run one forward pass for all people of the newest key-frame. The motion of others does not change."""
        if not tracks:
            return
        config = self.config
        # 1. The windows to compute, each by its track and its last token.
        windows = [(track, end) for track in tracks for end in self._ends(track)]
        # 2. The observations inside each window, by row and column.
        inside = [
            (row, token - end + config.tokens - 1, observation)
            for row, (track, end) in enumerate(windows)
            for token, observation in track.observations.items()
            if end - config.tokens < token <= end
        ]
        # 3. Only new observations need a pose token. Indices: 0 is none, then the new ones, then the known ones.
        observations = {id(observation): observation for _, _, observation in inside}.values()
        new = [observation for observation in observations if observation.pose_token is None]
        known = [observation for observation in observations if observation.pose_token is not None]
        number = {id(observation): index for index, observation in enumerate((*new, *known), 1)}
        indices = np.zeros((len(windows), config.tokens), int)
        for row, column, observation in inside:
            indices[row, column] = number[id(observation)]
        # 4. Forward pass; keep the new pose tokens.
        scores = np.stack([observation.person.scores for observation in new]) if config.scores else None
        lifted = self.network(
            normalise(np.stack([observation.rays for observation in new]), config.normalisation, scores).inputs,
            np.array([observation.pose_token for observation in known]),
            indices,
        )
        for observation, pose_token in zip(new, lifted.tokens, strict=True):
            observation.pose_token = pose_token
        # 5. With a latency of half the window, the central head finalises the centre of each window.
        if self._waits_for_centre:
            central = self._metres(self.network.central(lifted.hidden))
            for (track, end), pose in zip(windows, central, strict=True):
                track.finalised[end - self._after_centre] = pose
        # 6. The window that ends at the newest observation updates the motion.
        newest = [row for row, (track, end) in enumerate(windows) if end == track.newest]
        for track, poses in zip(tracks, self._metres(lifted.sequence[newest]), strict=True):
            track.move(poses, config.model_rate / config.token_stride, config.normalisation)

    @property
    def _waits_for_centre(self) -> bool:
        return self.latency == self.config.frames // 2

    @property
    def _after_centre(self) -> int:
        """Tokens of a window after its centre."""
        return self.config.tokens - 1 - self.config.centre

    def _ends(self, track: Track) -> range:
        """Last tokens of the windows to compute: at the newest observation, and of the windows around final frames."""
        newest = track.newest
        if not self._waits_for_centre or track.previous is None:
            return range(newest, newest + 1)
        first_around = max(track.oldest, math.floor(self._pending)) + self._after_centre
        return range(min(max(track.previous + 1, first_around), newest), newest + 1)

    def _metres(self, poses: np.ndarray) -> np.ndarray:
        return poses.astype(float) * self.scale

    def _compose(self, frame: float, is_final: bool) -> SkeletonFrame:
        """Compose the frame of all people; a person is in view from the first to the last observation."""
        token = frame / self.config.token_stride
        persons = tuple(
            self._person(name, track, track.motion, token)
            for name, track in self._tracks.items()
            if track.motion and track.motion.covers(token)
        )
        return SkeletonFrame(self._timeline.stamp(frame), self._frame_id, persons, is_final)

    def _person(self, name: str, track: Track, motion: Motion, token: float) -> Person3D:
        if token in motion.observed:
            source = Source.KEYFRAME
        else:
            source = Source.UPSAMPLED if token == int(token) else Source.INTERPOLATED
        root, joints = motion.at(motion.roots, token), motion.at(motion.joints, token)
        scores, covariance = motion.at(motion.scores, token), np.empty((0, 6))
        if self.errors:
            seconds = motion.distance_to_observation(token) * self.config.token_stride / self.config.model_rate
            speeds = motion.at(motion.speeds, token)
            scores, covariance = self.errors.predict(joints, root, speeds, seconds, scores)
        elif source is not Source.KEYFRAME:
            scores = scores * UPSAMPLED_SCORE_FACTOR
        placed = bool(np.isfinite(root).all())
        return Person3D(
            id=name,
            score=track.observations[track.newest].person.score,
            source=source,
            scale_source=ScaleSource.PRIOR if placed else ScaleSource.NONE,
            joints=joints + (root if placed else 0.0),
            scores=scores,
            velocity=float(motion.at(motion.velocity, token)),
            covariance=covariance,
        )

    def _forget(self, oldest: int) -> None:
        """Drop what no later window or frame reads again: later frames lie after `oldest`."""
        self._timeline.forget(oldest)
        for track in self._tracks.values():
            track.forget(oldest)
        self._tracks = {name: track for name, track in self._tracks.items() if track.newest > oldest}


def _with_valid_scores(person: Person2D) -> Person2D:
    """Clip scores to [0, 1]; NaN becomes 0."""
    score, scores = (np.nan_to_num(np.clip(value, 0.0, 1.0)) for value in (person.score, person.scores))
    return replace(person, score=float(score), scores=scores)
