"""People in 2D and 3D, the data between the stages; the messages in msg/ have the same fields."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np

from uplift_ros.skeleton import H36M17

NANOSECONDS = 1_000_000_000
"""Nanoseconds in a second. All stamps are integers of nanoseconds."""


def seconds_text(stamp: int) -> str:
    """Write nanoseconds as seconds, exactly."""
    return f"{stamp // NANOSECONDS}.{stamp % NANOSECONDS:09d}"


class Source(IntEnum):
    """How a 3D pose was obtained."""

    KEYFRAME = 0
    UPSAMPLED = 1
    INTERPOLATED = 2
    PREDICTED = 3


class ScaleSource(IntEnum):
    """How the scale of a 3D pose was obtained."""

    NONE = 0
    PRIOR = 1
    DEPTH = 2


class Origin(IntEnum):
    """Why an image became a key-frame; the values are Keyframe2D's."""

    SCHEDULED = 0
    LOOK_BACK = 1


@dataclass(frozen=True)
class Person2D:
    """One person in an image.

    Attributes:
        id: stable while tracked, starts with a letter (REP-155); empty before tracking.
        score: confidence that this is a person, [0, 1].
        bbox: (4,) x, y, width, height in pixels.
        keypoints: (17, 2) pixels, NaN where absent.
        scores: (17,) detector confidence, [0, 1].
    """

    id: str
    score: float
    bbox: np.ndarray
    keypoints: np.ndarray
    scores: np.ndarray


@dataclass(frozen=True)
class Keyframe:
    """People found in one image.

    Attributes:
        stamp: nanoseconds, the image's own.
        frame_id: the image's own (camera optical frame).
        width, height: of the image as received, pixels.
        sequence: counts key-frames.
        stride: distance to the next scheduled key-frame in frames of the model's rate.
        origin: LOOK_BACK if it was requested between two scheduled ones: its stamp may be older than the last one's.
    """

    stamp: int
    frame_id: str
    width: int
    height: int
    sequence: int
    stride: int
    persons: tuple[Person2D, ...]
    skeleton: str = H36M17.name
    origin: Origin = Origin.SCHEDULED

    def validate(self) -> None:
        """Check that the networks can process the people.

        Raises:
            ValueError: an image without a size, another skeleton than h36m17, arrays of another shape, or two people of
                one id.
        """
        if self.width < 1 or self.height < 1:
            raise ValueError(f"width and height must be those of the image, got {self.width}x{self.height}")
        _check_form(self.skeleton, self.persons, "keypoints", 2)


@dataclass(frozen=True)
class Person3D:
    """One person in 3D.

    Attributes:
        joints: (17, 3) metres in the frame of the skeletons; around the origin with ScaleSource.NONE.
        scores: (17,) [0, 1].
        covariance: (17, 6) xx xy xz yy yz zz in square metres, or (0, 6) if unknown.
        velocity: mean joint speed relative to the pelvis, m/s (Uplift and Upsample, supplement, eq. 1).
        velocities: (17, 3) m/s of each joint in the frame of the joints, or (0, 3) if unknown.
        orientations: (17, 4) quaternions x, y, z, w of the bones' frames (bone_frames.py), or (0, 4) if not asked for.
        twist_variances: (17,) square radians, of the turn of each bone about itself, or (0,).
        height: metres, the stature by the person's own bone lengths; 0 if unknown.
    """

    id: str
    score: float
    source: Source
    scale_source: ScaleSource
    joints: np.ndarray
    scores: np.ndarray
    velocity: float
    covariance: np.ndarray = field(default_factory=lambda: np.empty((0, 6)))
    velocities: np.ndarray = field(default_factory=lambda: np.empty((0, 3)))
    height: float = 0.0
    orientations: np.ndarray = field(default_factory=lambda: np.empty((0, 4)))
    twist_variances: np.ndarray = field(default_factory=lambda: np.empty(0))


@dataclass(frozen=True)
class SkeletonFrame:
    """All people in 3D at one frame; `stamp` is the frame's own time in nanoseconds."""

    stamp: int
    frame_id: str
    persons: tuple[Person3D, ...]
    is_final: bool = True
    skeleton: str = H36M17.name

    def validate(self) -> None:
        """Check that the networks can process the people.

        Raises:
            ValueError: another skeleton than h36m17, arrays of another shape, or two people of one id.
        """
        _check_form(self.skeleton, self.persons, "joints", 3)


def is_valid(person: Person3D) -> bool:
    """Whether all numbers are finite and all scores within [0, 1]."""
    numbers = (
        person.score,
        person.velocity,
        person.height,
        person.joints,
        person.scores,
        person.covariance,
        person.velocities,
    )
    scores = np.append(person.scores, person.score)
    return all(np.isfinite(number).all() for number in numbers) and bool(((scores >= 0) & (scores <= 1)).all())


def _check_form(skeleton: str, persons: Sequence[Person2D] | Sequence[Person3D], points: str, dimensions: int) -> None:
    """Check the skeleton, array shapes and ids; `points` is the field of the joints."""
    if skeleton != H36M17.name:
        raise ValueError(f"skeleton must be {H36M17.name}, got {skeleton!r}")
    expected = (len(H36M17), dimensions), (len(H36M17),)
    for person in persons:
        shapes = getattr(person, points).shape, person.scores.shape
        if shapes != expected:
            raise ValueError(
                f"{points} and scores of person {person.id!r} must be {expected[0]} and {expected[1]}, "
                f"got {shapes[0]} and {shapes[1]}"
            )
        for name, columns in (("covariance", 6), ("velocities", 3)):
            values = getattr(person, name, None)
            if values is not None and values.shape not in ((len(H36M17), columns), (0, columns)):
                raise ValueError(
                    f"{name} of person {person.id!r} must be ({len(H36M17)}, {columns}) or (0, {columns}), "
                    f"got {values.shape}"
                )
    ids = [person.id for person in persons]
    if len(set(ids)) < len(ids):
        raise ValueError(f"ids of the persons in one frame must differ, got {ids}")
