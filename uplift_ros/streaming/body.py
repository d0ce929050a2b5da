"""Rigid bodies: each person's bone lengths, estimated online, and skeletons that keep them.

The network estimates every pose on its own, so that the limbs of one person vary by 5 to 8 % over time; real ones do
not. A person's lengths are the weighted mean of all that was seen of them, left and right together, and of a prior on
proportions. Every pose is then moved to these lengths, each joint as little as its covariance allows.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from uplift_ros.camera import CANONICAL_STATURE
from uplift_ros.poses import NANOSECONDS, Person3D, ScaleSource, SkeletonFrame
from uplift_ros.skeleton import H36M17, MEAN_LENGTHS
from uplift_ros.streaming.clock import BODY_MEMORY_NS, MAX_SKELETON_GAP_NS
from uplift_ros.transforms import SMALLEST_DEVIATION, own_covariances

BONE_PARENTS, BONE_CHILDREN = np.transpose(H36M17.bones)

FROM = np.append(BONE_PARENTS, H36M17.index("thorax"))
TO = np.append(BONE_CHILDREN, H36M17.index("head"))
"""Joints between which lengths are estimated: all bones, and the head's height above the thorax, for the stature."""

MIRRORED = np.array([list(TO).index(joint) for joint in H36M17.flip[BONE_CHILDREN]] + [len(BONE_CHILDREN)])
"""Index of the length of the other side."""

HEAD_ABOVE_THORAX = 0.264
"""Metres, of the body of MEAN_LENGTHS."""

PROPORTIONS = np.array(
    [MEAN_LENGTHS[H36M17.joints[joint].split("_")[-1]] for joint in BONE_CHILDREN] + [HEAD_ABOVE_THORAX]
)

DEVIATIONS = PROPORTIONS * np.where(np.isin(TO, [H36M17.index(name) for name in ("nose", "head")]), 0.1, 0.05)
"""Standard deviations of PROPORTIONS: 5 % among adults (Winter; ANSUR), twice as much for nose and head."""

STATURE_WEIGHTS = np.array([0.5] * 2 * 3 + [1, 1, 0, 0] + [0] * 6 + [1])
STATURE_WEIGHTS[np.isin(TO, H36M17.index("right_hip")) | np.isin(TO, H36M17.index("left_hip"))] = 0
"""Weights of the lengths in the chain from the ankles to the head, both legs averaged, which measures stature."""

CORRELATION_S = 0.8
"""Seconds of frames that count as one observation: the network misjudges a pose for about as long as it lasts. Raising
it trusts the mean proportions more; between 0.1 and 0.8 s the error differs by 0.1 mm (mocap_test, noisy detector)."""

MEMORY_S = 60.0
"""Time constant with which older observations lose weight: a tracker may take one person for another."""

RESIZED = 0.05
"""Relative change of all lengths, between two frames of different sources of scale, that is a new measurement of the
size; smaller ones are noise of the two poses."""

HUBER = 1.0
"""Standard deviations from the present estimate beyond which an observation loses weight (Huber, 1964)."""

ITERATIONS = 3
"""Gauss-Newton steps; after three the lengths are within 0.1 % of those wanted."""

MAX_STEP = 0.2
"""Share of a bone's length by which a step changes it at most: the linear approximation of larger ones is poor."""

LENGTH_EPS = 1e-6
"""Metres, below which lengths are not divided by."""


@dataclass
class BoneLengths:
    """Estimate of one person's lengths between FROM and TO.

    A length is Gaussian around the body's size times PROPORTIONS, and each observation is Gaussian around the length,
    with the variance that the covariances of both joints have along the bone. So bones across the line of sight, which
    one camera measures well, count most; those seen end-on hardly.

    Attributes:
        information: (17,) sums of the observations' weights, 1/m^2.
        weighted: (17,) sums of weight times length, 1/m.
        lengths: (17,) metres, the estimate.
        stamp, scale_source, total: of the newest observation; its stamp in nanoseconds, the sum of its lengths.
    """

    information: np.ndarray = field(default_factory=lambda: np.zeros(len(TO)))
    weighted: np.ndarray = field(default_factory=lambda: np.zeros(len(TO)))
    lengths: np.ndarray = field(default_factory=lambda: np.zeros(len(TO)))
    stamp: int = 0
    scale_source: ScaleSource = ScaleSource.NONE
    total: float = 0.0

    def observe(self, person: Person3D, covariances: np.ndarray, stamp: int) -> None:
        """Take the person's next frame; covariances (17, 3, 3) are those of `own_covariances`."""
        bones = person.joints[TO] - person.joints[FROM]
        observed = np.linalg.norm(bones, axis=-1)
        is_first = self.total == 0.0
        if not is_first and person.scale_source is not self.scale_source:
            factor = float(observed.sum()) / self.total
            if abs(factor - 1) > RESIZED:
                self._rescale(factor)
        # 1. Weights: the variance along the bone, the time that the frame stands for, and Huber's for outliers.
        along = bones / np.maximum(observed, LENGTH_EPS)[:, None]
        spread = covariances[TO] + covariances[FROM]
        variance = np.maximum((along[:, None] @ spread @ along[..., None])[:, 0, 0], SMALLEST_DEVIATION**2)
        seconds = min(stamp - self.stamp, MAX_SKELETON_GAP_NS) / NANOSECONDS if not is_first else CORRELATION_S
        weights = seconds / CORRELATION_S / variance
        if not is_first:
            surprise = np.abs(observed - self.lengths) / np.sqrt(variance)
            weights = weights / np.maximum(surprise / HUBER, 1.0)
        # 2. Both sides observe one length; what was observed long ago fades.
        kept = 1.0 - seconds / MEMORY_S
        self.information = kept * self.information + weights + weights[MIRRORED]
        self.weighted = kept * self.weighted + weights * observed + (weights * observed)[MIRRORED]
        # 3. The size is the weighted least-squares factor of PROPORTIONS; lengths deviate from it by DEVIATIONS.
        mean = self.weighted / self.information
        trust = 1.0 / (1.0 / self.information + DEVIATIONS**2)
        size = float((trust * PROPORTIONS * mean).sum() / (trust * PROPORTIONS**2).sum())
        prior = 1.0 / (max(size, LENGTH_EPS) * DEVIATIONS) ** 2
        self.lengths = (self.weighted + prior * size * PROPORTIONS) / (self.information + prior)
        self.stamp, self.scale_source, self.total = stamp, person.scale_source, float(observed.sum())

    @property
    def height(self) -> float:
        """Stature in metres: the chain from the ankles to the head, relative to that of the canonical body."""
        return float(CANONICAL_STATURE * (STATURE_WEIGHTS @ self.lengths) / (STATURE_WEIGHTS @ PROPORTIONS))

    def _rescale(self, factor: float) -> None:
        """Change the size, not the proportions: another source of scale has resized the person from frame to frame."""
        self.weighted = self.weighted * factor
        self.lengths = self.lengths * factor


class RigidBodies:
    """Gives every person of a stream of skeletons constant bone lengths and a height, from the first frame on.

    An id keeps its lengths until it is unseen for BODY_MEMORY_NS, or stamps go back.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget all people."""
        self._bodies: dict[str, BoneLengths] = {}
        self._stamp = 0

    def keep(self, frames: Sequence[SkeletonFrame]) -> list[SkeletonFrame]:
        """Move the people of the next frames to their own lengths; scores and covariances stay."""
        people = [(frame, person) for frame in frames for person in frame.persons]
        if not people:
            return list(frames)
        covariances = own_covariances([person for _, person in people])
        lengths, heights = [], []
        for (frame, person), own in zip(people, covariances, strict=True):
            body = self._body(person.id, frame.stamp)
            body.observe(person, own, frame.stamp)
            lengths.append(body.lengths[: len(BONE_CHILDREN)])
            heights.append(body.height if person.scale_source is not ScaleSource.NONE else 0.0)
        joints = with_lengths(np.stack([person.joints for _, person in people]), covariances, np.stack(lengths))
        moved = iter(zip(joints, heights, strict=True))
        return [
            replace(frame, persons=tuple(_changed(person, *next(moved)) for person in frame.persons))
            for frame in frames
        ]

    def _body(self, name: str, stamp: int) -> BoneLengths:
        if stamp < self._stamp:
            self.reset()
        self._stamp = stamp
        self._bodies = {key: body for key, body in self._bodies.items() if stamp - body.stamp <= BODY_MEMORY_NS}
        return self._bodies.setdefault(name, BoneLengths(stamp=stamp))


def _changed(person: Person3D, joints: np.ndarray, height: float) -> Person3D:
    return replace(person, joints=joints.astype(person.joints.dtype), height=height)


def with_lengths(joints: np.ndarray, covariances: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Move poses to the given bone lengths, the pelvis fixed: the nearest poses in the metric of the covariances.

    It minimises sum_j (x_j - y_j)^T C_j^-1 (x_j - y_j) subject to |x_child - x_parent| = length for all bones, by
    Gauss-Newton: with the Jacobian A of the bones and their errors g, each step is C A^T (A C A^T)^-1 g. A last pass
    from the pelvis outwards sets every bone exactly.

    Args:
        joints: (N, 17, 3) metres.
        covariances: (N, 17, 3, 3), those of `own_covariances`.
        lengths: (N, 16) metres, of H36M17.bones.
    """
    moved = joints.astype(float)
    rows = np.arange(len(BONE_CHILDREN))
    for _ in range(ITERATIONS):
        directions, present = _directions(moved)
        jacobian = np.zeros((len(moved), len(BONE_CHILDREN), *moved.shape[1:]))
        jacobian[:, rows, BONE_CHILDREN], jacobian[:, rows, BONE_PARENTS] = directions, -directions
        spread = np.einsum("njab,nkjb->nkja", covariances, jacobian)  # C A^T
        flat = (len(moved), len(BONE_CHILDREN), -1)
        metric = jacobian.reshape(flat) @ np.swapaxes(spread.reshape(flat), 1, 2)
        metric[:, rows, rows] += SMALLEST_DEVIATION**4  # a bone without a length has no direction
        errors = np.clip(lengths - present, -MAX_STEP * present, MAX_STEP * present)
        multipliers = np.linalg.solve(metric, errors[..., None])
        moved += (multipliers[..., None] * spread).sum(1)
    directions, present = _directions(moved)
    for bone, (parent, child) in enumerate(H36M17.bones):
        moved[:, child] = moved[:, parent] + lengths[:, bone, None] * directions[:, bone]
    return moved


def _directions(joints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors (N, 16, 3) along the bones, 0 if they have no length, and the lengths (N, 16)."""
    bones = joints[:, BONE_CHILDREN] - joints[:, BONE_PARENTS]
    lengths = np.linalg.norm(bones, axis=-1)
    return bones / np.maximum(lengths, LENGTH_EPS)[..., None], lengths
