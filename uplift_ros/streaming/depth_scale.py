"""People's true size, measured with a depth image that is aligned with the colour image.

One camera sees a person only up to scale: a person twice as tall and twice as far away gives the same image. The
measured distance of the skin resolves the scale. All joints of a person, root included, are multiplied by one factor,
which leaves their projection as it is.
"""

from collections import deque
from dataclasses import dataclass, field, replace

import numpy as np

from uplift_ros.camera import CANONICAL_STATURE
from uplift_ros.poses import Keyframe, Person2D, Person3D, ScaleSource, SkeletonFrame
from uplift_ros.skeleton import H36M17
from uplift_ros.streaming.clock import FRESH_SIZE_NS, SIZE_MEMORY_NS
from uplift_ros.streaming.uncertainty import error_of, score_of

SURFACE = np.array(
    [0.10, 0.09, 0.06, 0.05, 0.09, 0.06, 0.05, 0.10, 0.08, np.nan, 0.09, 0.06, 0.04, 0.03, 0.06, 0.04, 0.03]
)
"""Metres from the skin or clothes that a camera sees to the joint behind, of a body of canonical stature: half the
thickness of the part. The nose joint lies on either side of the skin, depending on where the person looks."""

MIN_SCORE = 0.5
"""A joint with a lower score is probably occluded: the depth there is that of another person, or of an own arm."""

MIN_JOINTS = 5
AGREEMENT = 0.1
"""At least half of the joints, and no fewer than MIN_JOINTS, must agree with the factor within this fraction of it."""

MIN_STATURE, MAX_STATURE = 0.3, 2.5
"""Metres of stature, the range of the parameter person_height."""

PATCH = 0.05
"""Half the side of the square around a joint whose median depth is taken, in torso lengths as seen."""

MAX_PATCH = 10
"""Pixels: a person who fills the image need not be measured at every pixel."""

KEPT_DEPTH_IMAGES = 15
"""Newest depth images kept, undecoded: half a second at 30 Hz, longer than a key-frame is on its way."""

AVERAGED = 30
"""A size is the median of this many measurements: it is constant, and single measurements err by a few percent."""


@dataclass
class _Size:
    stamp: int
    factors: deque[float] = field(default_factory=lambda: deque(maxlen=AVERAGED))

    @property
    def factor(self) -> float:
        return float(np.median(self.factors))


class DepthScale:
    """Estimates the size of each person in a stream of key-frames, and scales skeletons to it.

    Args:
        person_height: metres, the stature that incoming skeletons have.
    """

    def __init__(self, person_height: float = CANONICAL_STATURE) -> None:
        self._person_height = person_height
        self.reset()

    def reset(self) -> None:
        """Forget all people."""
        self._sizes: dict[str, _Size] = {}
        self._stamp = 0

    def measure(self, keyframe: Keyframe, placed: SkeletonFrame, depth: np.ndarray) -> None:
        """Measure the people of a key-frame.

        Args:
            placed: 3D people at the key-frame, of the stature `person_height`.
            depth: (height, width) metres along the optical axis; NaN, infinite or not positive where unknown.

        Raises:
            ValueError: the depth image has another size than the key-frame's image.
        """
        if depth.shape != (keyframe.height, keyframe.width):
            height, width = depth.shape
            raise ValueError(
                f"depth must be aligned with the image and have its size, {keyframe.width}x{keyframe.height}, "
                f"got {width}x{height}"
            )
        if keyframe.stamp < self._stamp:
            self.reset()
        self._stamp = keyframe.stamp
        self._sizes = {
            name: size for name, size in self._sizes.items() if keyframe.stamp - size.stamp <= SIZE_MEMORY_NS
        }
        in_space = {person.id: person for person in placed.persons}
        for person in keyframe.persons:
            factor = None
            if person.id in in_space and in_space[person.id].scale_source is not ScaleSource.NONE:
                factor = size_factor(person, in_space[person.id].joints, depth, self._person_height)
            if factor is not None:
                size = self._sizes.setdefault(person.id, _Size(keyframe.stamp))
                size.stamp = keyframe.stamp
                size.factors.append(factor)

    def factor(self, name: str) -> float:
        """Measured size of a person relative to `person_height`; 1 if it was not measured."""
        size = self._sizes.get(name)
        return size.factor if size else 1.0

    def apply(self, frame: SkeletonFrame) -> SkeletonFrame:
        """Scale all people who have been measured to their measured size."""
        return replace(frame, persons=tuple(self._sized(person, frame.stamp) for person in frame.persons))

    def _sized(self, person: Person3D, stamp: int) -> Person3D:
        size = self._sizes.get(person.id)
        if size is None or person.scale_source is ScaleSource.NONE:
            return person
        fresh = stamp - size.stamp <= FRESH_SIZE_NS
        scores = person.scores
        if len(person.covariance):  # then scores are of errors in metres
            scores = score_of(size.factor * error_of(scores))
        return replace(
            person,
            joints=person.joints * size.factor,
            velocity=person.velocity * size.factor,
            covariance=person.covariance * size.factor**2,
            scores=scores,
            scale_source=ScaleSource.DEPTH if fresh else ScaleSource.PRIOR,
        )


def size_factor(person: Person2D, joints: np.ndarray, depth: np.ndarray, person_height: float) -> float | None:
    """Factor by which a person is larger than assumed, or None if too few joints agree.

    A joint at z, scaled by the factor k, lies at k z; its skin lies half a body part nearer, which scales as well:
    depth = k (z - surface). The median over the joints rejects those where the background, or an object in front of
    the person, was seen.

    Args:
        person: in the image that the depth is aligned with.
        joints: (17, 3) metres, optical frame, placed for a body of `person_height`.
        depth: (height, width) metres.
    """
    torso = np.linalg.norm(person.keypoints[H36M17.index("thorax")] - person.keypoints[H36M17.index("pelvis")])
    reach = int(np.clip(np.nan_to_num(PATCH * torso), 1, MAX_PATCH))
    seen = np.where(person.scores >= MIN_SCORE, _depth_at(depth, person.keypoints, reach), np.nan)
    unscaled = joints[:, 2] - SURFACE * person_height / CANONICAL_STATURE
    factors = seen / np.where(unscaled > 0, unscaled, np.nan)
    factors = factors[np.isfinite(factors)]
    if len(factors) < MIN_JOINTS:
        return None
    factor = float(np.median(factors))
    agreeing = np.count_nonzero(np.abs(factors - factor) <= AGREEMENT * factor)
    possible = MIN_STATURE <= factor * person_height <= MAX_STATURE
    return factor if possible and agreeing >= max(MIN_JOINTS, len(factors) / 2) else None


def _depth_at(depth: np.ndarray, pixels: np.ndarray, reach: int) -> np.ndarray:
    """(J,) median depth in squares around pixels (J, 2); NaN outside the image, or if less than half is known."""
    found = np.full(len(pixels), np.nan)
    height, width = depth.shape
    for joint, pixel in enumerate(pixels):
        if not (0 <= pixel[0] < width and 0 <= pixel[1] < height):  # false for NaN, too
            continue
        column, row = pixel.astype(int)
        patch = depth[max(row - reach, 0) : row + reach + 1, max(column - reach, 0) : column + reach + 1]
        known = patch[np.isfinite(patch) & (patch > 0)]
        if 2 * known.size >= patch.size:
            found[joint] = np.median(known)
    return found
