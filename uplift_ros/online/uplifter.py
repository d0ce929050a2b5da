"""Streaming Uplift and Upsample: key-frames in, 3D skeletons for every frame out, one forward per key-frame.

Time is counted in frames of the model's rate from the first key-frame. Whether a person was seen at a frame is a fact
that is stored once; a window reads its slice of these facts, so the stride may change at any time. Pose tokens do not
depend on the window and are computed once per key-frame.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from uplift_ros.camera import CANONICAL_STATURE, Camera, canonicalise, look_at, place_root
from uplift_ros.models.uplift import UpliftUpsample
from uplift_ros.poses import Keyframe, Person2D, Person3D, ScaleSource, SkeletonFrame, Source, check_form
from uplift_ros.skeleton import H36M17

UNKNOWN_CAMERA_FOV = math.radians(60)
"""Horizontal field of view that is assumed where there are no intrinsics; the pose is hardly sensitive to it."""

FARTHEST_PIXEL = 1e6
"""A joint beyond it is taken as absent: no detector means that."""

UPSAMPLED_WORTH = 0.9
"""Scores of frames between key-frames against those of the key-frames around them."""


@dataclass(frozen=True)
class Uplifted:
    """What one key-frame brought.

    Attributes:
        final: new final frames, in order.
        live: the newest estimate, of the key-frame itself.
        velocity: m/s, of the fastest person since the key-frame before; 0 when nobody is in view.
        frame: of the key-frame, counted at the model's rate.
    """

    final: list[SkeletonFrame]
    live: SkeletonFrame
    velocity: float
    frame: int


@dataclass
class _Sighting:
    """One person at one key-frame."""

    person: Person2D
    rays: np.ndarray  # (17, 2)
    rotation: np.ndarray  # (3, 3) camera to virtual camera
    token: torch.Tensor  # (D,)
    calibrated: bool  # the intrinsics were known
    root: np.ndarray | None = None  # (3,) metres, camera optical frame; NaN where it cannot be placed


@dataclass
class _Track:
    """All sightings of one person inside the window, by token index."""

    sightings: dict[int, _Sighting] = field(default_factory=dict)

    @property
    def newest(self) -> int:
        return max(self.sightings)

    @property
    def oldest(self) -> int:
        return min(self.sightings)


@dataclass(frozen=True)
class _Motion:
    """3D of one person at every token from `first` on, as one forward sees it."""

    first: int
    joints: np.ndarray  # (K, 17, 3) root-relative, metres, camera optical frame
    roots: np.ndarray  # (K, 3) metres; NaN where nobody knows
    scores: np.ndarray  # (K, 17)
    velocity: np.ndarray  # (K,) m/s, from the token before

    def at(self, values: np.ndarray, token: float) -> np.ndarray:
        """Linear interpolation of one of the arrays at a fractional token index."""
        position = token - self.first
        before = min(int(position), len(values) - 1)
        after = min(before + 1, len(values) - 1)
        part = position - before
        return values[before] * (1 - part) + values[after] * part if part else values[before]


class StreamingUplifter:
    """Turns key-frames of any number of people into 3D skeletons at an even rate.

    Args:
        model: network in inference mode.
        latency: frames between the newest key-frame and the newest final frame: more context, better poses.
        output_rate: frames per second that come out.
        person_height: metres; scales the people, whom a single camera sees only up to scale.

    Raises:
        ValueError: an argument is outside its range; names it.
    """

    def __init__(
        self,
        model: UpliftUpsample,
        *,
        latency: int = 4,
        output_rate: float = 50.0,
        person_height: float = CANONICAL_STATURE,
    ) -> None:
        config = model.config
        if not 0 <= latency <= config.frames // 2:
            raise ValueError(f"latency must be 0 to {config.frames // 2} frames (half the window), got {latency}")
        if not 0 < output_rate <= 1000:
            raise ValueError(f"output_rate must be above 0 and at most 1000 Hz, got {output_rate}")
        if not 0.3 <= person_height <= 2.5:
            raise ValueError(f"person_height must be 0.3 to 2.5 m, got {person_height}")
        self.model, self.config, self.latency = model, config, latency
        self.frames_per_output = config.model_rate / output_rate
        self.scale = person_height / CANONICAL_STATURE
        self.skipped = 0
        """Key-frames that were no news: repeated stamps, or two within one token."""
        self.reset()

    def reset(self) -> None:
        """Forget everything: the next key-frame starts a new stream."""
        self._tracks: dict[str, _Track] = {}
        self._keyframes: list[tuple[int, int]] = []  # (token, stamp)
        self._next_output = 0

    def push(self, keyframe: Keyframe, camera: Camera | None) -> Uplifted | None:
        """Take the next key-frame.

        A stamp before the last one (a bag that loops) or later than a whole window starts a new stream.

        Args:
            camera: intrinsics of the image; without them poses stay root-relative, around the origin.

        Returns:
            What is new, or None where the key-frame was no news (counted in `skipped`).

        Raises:
            ValueError: another skeleton, keypoints or scores of another shape, or two people of one id.
        """
        check_form(keyframe.skeleton, keyframe.persons, "keypoints", 2)
        if self._keyframes and self._is_break(keyframe.stamp):
            self.reset()
        token = self._token_of(keyframe.stamp)
        if self._keyframes and token <= self._keyframes[-1][0]:
            self.skipped += 1
            return None
        previous = self._keyframes[-1][0] if self._keyframes else token
        self._keyframes.append((token, keyframe.stamp))
        self._see(keyframe, camera, token)
        self._forget(token - self.config.tokens)
        motions = self._uplift(token)
        newest = token * self.config.token_stride
        final = []
        while (frame := self._next_output * self.frames_per_output) <= newest - self.latency:
            final.append(self._compose(frame, keyframe, motions, is_final=True))
            self._next_output += 1
        live = self._compose(newest, keyframe, motions, is_final=self.latency == 0)
        velocity = max(
            (
                float(motion.velocity[previous - token :].max())
                for name, motion in motions.items()
                if self._tracks[name].newest == token
            ),
            default=0.0,
        )
        return Uplifted(final, live, velocity, newest)

    def _is_break(self, stamp: int) -> bool:
        last = self._keyframes[-1][1]
        window = self.config.frames / self.config.model_rate * 1e9
        return stamp < last or stamp - last >= window

    def _token_of(self, stamp: int) -> int:
        """Nearest token to a stamp; counted from the last key-frame, so that a camera's clock may drift."""
        if not self._keyframes:
            return 0
        token, last = self._keyframes[-1]
        return token + round((stamp - last) * self.config.model_rate / 1e9 / self.config.token_stride)

    def _stamp_of(self, frame: float) -> int:
        """A frame's own time: key-frames have their images' stamps, frames between them lie evenly in between."""
        stride = self.config.token_stride
        tokens, stamps = zip(*self._keyframes, strict=True)
        after = int(np.searchsorted(tokens, frame / stride))
        if tokens[after] * stride == frame:
            return stamps[after]
        part = (frame / stride - tokens[after - 1]) / (tokens[after] - tokens[after - 1])
        return stamps[after - 1] + round(part * (stamps[after] - stamps[after - 1]))

    @torch.inference_mode()
    def _see(self, keyframe: Keyframe, camera: Camera | None, token: int) -> None:
        """Store every person of the key-frame with the pose token."""
        seen = [person for person in keyframe.persons if (np.abs(person.keypoints[0]) < FARTHEST_PIXEL).all()]
        if not seen:
            return
        view = camera or Camera.from_fov(UNKNOWN_CAMERA_FOV, keyframe.width, keyframe.height)
        keypoints = np.stack([person.keypoints for person in seen])
        rays = view.rays(np.where(np.abs(keypoints) < FARTHEST_PIXEL, keypoints, np.nan))
        canonical = canonicalise(_fill_absent(rays))
        parameter = self.model.temporal_position
        inputs = torch.from_numpy(canonical.inputs).to(parameter.device, parameter.dtype)
        tokens = self.model.pose_tokens(inputs)
        for person, seen_at, rotation, pose_token in zip(seen, rays, canonical.rotation, tokens, strict=True):
            sighting = _Sighting(person, seen_at, rotation, pose_token, calibrated=camera is not None)
            self._tracks.setdefault(person.id, _Track()).sightings[token] = sighting

    def _forget(self, oldest: int) -> None:
        """Drop what no window will read again."""
        for track in self._tracks.values():
            track.sightings = {token: kept for token, kept in track.sightings.items() if token > oldest}
        self._tracks = {name: track for name, track in self._tracks.items() if track.sightings}
        while len(self._keyframes) > 2 and self._keyframes[1][0] <= oldest:
            self._keyframes.pop(0)

    @torch.inference_mode()
    def _uplift(self, newest: int) -> dict[str, _Motion]:
        """One forward for all people who are still to come out: the window that ends at the newest key-frame."""
        pending = self._next_output * self.frames_per_output / self.config.token_stride
        tracks = {name: track for name, track in self._tracks.items() if track.newest >= pending}
        if not tracks:
            return {}
        first = newest - self.config.tokens + 1
        mask = torch.zeros(len(tracks), self.config.tokens, dtype=torch.bool)
        cached = []
        for row, track in enumerate(tracks.values()):
            for token, sighting in sorted(track.sightings.items()):
                mask[row, token - first] = True
                cached.append(sighting.token)
        mask = mask.to(self.model.temporal_position.device)
        tokens = self.model.temporal(self.model.place(torch.stack(cached), mask), mask)
        poses = self.model.sequence(tokens).float().cpu().numpy().astype(float) * self.scale  # (B, T, 17, 3)
        return {
            name: self._motion(track, poses[row, track.oldest - first : track.newest - first + 1])
            for row, (name, track) in enumerate(tracks.items())
        }

    def _motion(self, track: _Track, poses: np.ndarray) -> _Motion:
        """Turn poses (K, 17, 3), from the oldest to the newest sighting, into the camera's frame and place them."""
        known = sorted(track.sightings)
        sightings = [track.sightings[token] for token in known]
        every = np.arange(track.oldest, track.newest + 1)
        directions = np.stack([sighting.rays[0] for sighting in sightings])
        directions = np.concatenate([interpolate(every, known, directions), np.ones((len(every), 1))], -1)
        joints = poses @ look_at(directions)  # rows times R are R^T times columns: back into the camera's frame
        joints -= joints[:, :1]  # the network's own pelvis is only nearly at the origin
        for token, sighting in zip(known, sightings, strict=True):
            if sighting.root is None:
                # Kept from the first estimate on, so that a later forward does not make the person jump.
                sighting.root = (
                    place_root(joints[token - track.oldest], sighting.rays, sighting.person.scores)
                    if sighting.calibrated
                    else np.full(3, np.nan)
                )
        roots = np.stack([sighting.root for sighting in sightings if sighting.root is not None])
        scores = np.stack([sighting.person.scores for sighting in sightings])
        steps = np.linalg.norm(np.diff(joints, axis=0), axis=-1).mean(-1)
        velocity = steps * self.config.model_rate / self.config.token_stride
        return _Motion(
            track.oldest,
            joints,
            interpolate(every, known, roots),
            interpolate(every, known, scores),
            np.concatenate([velocity[:1], velocity]) if len(velocity) else np.zeros(1),
        )

    def _compose(
        self,
        frame: float,
        keyframe: Keyframe,
        motions: dict[str, _Motion],
        is_final: bool,
    ) -> SkeletonFrame:
        """All people at a frame; somebody counts as in view from the first to the last sighting."""
        token = frame / self.config.token_stride
        persons = []
        for name, motion in motions.items():
            track = self._tracks[name]
            if not track.oldest <= token <= track.newest:
                continue
            source = self._source(track, token)
            worth = 1.0 if source is Source.KEYFRAME else UPSAMPLED_WORTH
            root = motion.at(motion.roots, token)
            placed = bool(np.isfinite(root).all())
            persons.append(
                Person3D(
                    id=name,
                    score=track.sightings[track.newest].person.score,
                    source=source,
                    scale_source=ScaleSource.PRIOR if placed else ScaleSource.NONE,
                    joints=motion.at(motion.joints, token) + (root if placed else 0.0),
                    scores=motion.at(motion.scores, token) * worth,
                    velocity=float(motion.at(motion.velocity, token)),
                )
            )
        return SkeletonFrame(self._stamp_of(frame), keyframe.frame_id, tuple(persons), is_final)

    @staticmethod
    def _source(track: _Track, token: float) -> Source:
        if token in track.sightings:
            return Source.KEYFRAME
        return Source.UPSAMPLED if token == int(token) else Source.INTERPOLATED


def _fill_absent(rays: np.ndarray) -> np.ndarray:
    """Absent joints (NaN) of (M, 17, 2) stand where their parents are; the pelvis must be there."""
    filled = rays.copy()
    for parent, child in H36M17.bones:
        filled[:, child] = np.where(np.isfinite(filled[:, child]), filled[:, child], filled[:, parent])
    return filled


def interpolate(at: np.ndarray, known: Sequence[int] | np.ndarray, values: np.ndarray) -> np.ndarray:
    """Linear interpolation of values (M, ...) along the first axis."""
    if len(known) == 1:
        return np.repeat(values, len(at), axis=0)
    after = np.clip(np.searchsorted(known, at), 1, len(known) - 1)
    left, right = np.asarray(known)[after - 1], np.asarray(known)[after]
    part = ((at - left) / (right - left)).reshape(-1, *[1] * (values.ndim - 1))
    between = values[after - 1] * (1 - part) + values[after] * part
    # At a known place its own value counts alone, also where the neighbour's is NaN.
    return np.where(part == 0, values[after - 1], np.where(part == 1, values[after], between))
