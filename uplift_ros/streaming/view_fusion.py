"""Fusion of several cameras that see the same people: association of identities, and one skeleton per person.

A single camera measures across its line of sight far better than along it. So every camera's estimate is weighted in
each direction by the inverse of its covariance: what one camera sees as depth, another sees as width. Four simulated
cameras reduce the error of a single one by 38 to 43 %, their plain mean by 28 % (lab/studies/several_views.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from uplift_ros.poses import Person3D, ScaleSource, SkeletonFrame, is_valid
from uplift_ros.streaming.assignment import IMPOSSIBLE, best_pairs
from uplift_ros.streaming.clock import VIEW_MEMORY_NS
from uplift_ros.transforms import COLUMNS, ROWS, SMALLEST_DEVIATION, about_line, positive_definite, symmetric

DEEPER = 1.35
"""Factor on the standard deviation of root-relative joints along their longest axis, the line of sight: errors of depth
last for many frames. Two and four cameras have 4 % smaller errors with it (lab/studies/several_views.py, mocap_val)."""

FARTHEST = 1e6
"""Metres, and square metres of covariance, beyond which no person can be: such numbers would make matrices singular."""


def with_covariance(
    frame: SkeletonFrame,
    *,
    across_m: float = 0.031,
    along_m: float = 0.066,
    place_across: float = 0.004,
    place_along: float = 0.052,
) -> SkeletonFrame:
    """Add the covariance of a single camera to people without one.

    The defaults were measured on mocap_val with a noisy detector. Raising one makes other cameras count for more in
    its direction.

    Args:
        frame: in the camera's optical frame.
        across_m, along_m: standard deviations of root-relative joints across and along the line of sight.
        place_across, place_along: the same of the pelvis, as fractions of its distance to the camera.
    """

    def covariance(joints: np.ndarray) -> np.ndarray:
        """(17, 6): that of the pelvis, which all joints share, and their own."""
        distance = float(np.linalg.norm(joints[0]))
        sight = joints[0] / max(distance, SMALLEST_DEVIATION)
        place = distance**2 * about_line(sight, place_across, place_along)
        own = np.array([0.0] + [1.0] * (len(joints) - 1))[:, None, None] * about_line(sight, across_m, along_m)
        return (place + own)[:, ROWS, COLUMNS]

    persons = (p if len(p.covariance) else replace(p, covariance=covariance(p.joints)) for p in frame.persons)
    return replace(frame, persons=tuple(persons))


@dataclass
class _Body:
    """One person, fused from several cameras, in information form.

    Attributes:
        members: pairs of camera and person.
        information: (18, 3, 3) sums of inverse covariances, of the pelvis's position and of the root-relative joints.
        weights: (18, 3, 3) sums of the weights of values: inverse covariances, those of joints deepened.
        weighted: (18, 3) sums of weight times value.
    """

    members: list[tuple[int, Person3D]] = field(default_factory=list)
    information: np.ndarray = field(default_factory=lambda: np.zeros((18, 3, 3)))
    weights: np.ndarray = field(default_factory=lambda: np.zeros((18, 3, 3)))
    weighted: np.ndarray = field(default_factory=lambda: np.zeros((18, 3)))

    def add(self, camera: int, person: Person3D) -> None:
        """Add the estimate of one camera: information matrices and weighted values sum up."""
        values, covariances = _place_and_pose(person)
        weights = np.linalg.inv(np.concatenate([covariances[:1], _deepened(covariances[1:])]))
        self.members.append((camera, person))
        self.information += np.linalg.inv(covariances)
        self.weights += weights
        self.weighted += (weights @ values[..., None])[..., 0]

    def distances(self, person: Person3D) -> tuple[float, float]:
        """Squared Mahalanobis distance of the positions, and mean distance of joints, to another camera's person."""
        values, covariances = _place_and_pose(person)
        covariance = covariances[0] + np.linalg.inv(self.information[0])
        gap = self.values - values
        place = float(gap[0] @ np.linalg.solve(covariance, gap[0]))
        return place, float(np.linalg.norm(gap[1:], axis=-1).mean())

    @property
    def values(self) -> np.ndarray:
        """(18, 3): the pelvis's position, and the root-relative joints."""
        fused: np.ndarray = np.linalg.solve(self.weights, self.weighted[..., None])[..., 0]
        return fused

    def person(self, name: str) -> Person3D:
        values = self.values
        # The errors of the cameras are correlated, because they share one network: covariance intersection with equal
        # weights assumes no independent information.
        covariance = np.linalg.inv(self.information / len(self.members))
        persons = [person for _, person in self.members]
        return Person3D(
            id=name,
            score=max(person.score for person in persons),
            source=min(person.source for person in persons),
            scale_source=min(person.scale_source for person in persons),
            joints=values[1:] + values[0],
            scores=np.max([person.scores for person in persons], axis=0),
            velocity=float(np.mean([person.velocity for person in persons])),
            covariance=(covariance[1:] + covariance[0])[:, ROWS, COLUMNS],
        )


def _is_placed(person: Person3D) -> bool:
    near = all((np.abs(part) < FARTHEST).all() for part in (person.joints, person.covariance))
    return near and is_valid(person) and person.scale_source is not ScaleSource.NONE


def _place_and_pose(person: Person3D) -> tuple[np.ndarray, np.ndarray]:
    """Values (18, 3) and covariances (18, 3, 3) of the pelvis's position and of the root-relative joints.

    The covariance of every joint includes that of the pelvis, which is subtracted.
    """
    joints = symmetric(person.covariance)
    covariances = np.concatenate([joints[:1], joints - joints[0]])
    return np.concatenate([person.joints[:1], person.joints - person.joints[0]]), positive_definite(covariances)


def _deepened(covariances: np.ndarray) -> np.ndarray:
    """Covariances (K, 3, 3) with DEEPER times the standard deviation along their longest axis."""
    variances, axes = np.linalg.eigh(covariances)
    longest = axes[..., -1]
    added = (DEEPER**2 - 1) * variances[..., -1]
    deepened: np.ndarray = covariances + added[:, None, None] * longest[:, :, None] * longest[:, None, :]
    return deepened


class ViewFusion:
    """Fuses the frames that several cameras took at one time into one frame.

    People are matched by position and pose; a pair that was one person is preferred. A person seen by only one camera
    is passed on as that camera sees them. Ids are new ones, 'p1', 'p2', ..., and stay while any camera tracks the
    person.

    Args:
        max_deviation: standard deviations between the positions from two cameras beyond which they are two people.
            Raising it joins more, also people who stand close together.
        pose_tolerance_m: mean joint distance that costs as much as one standard deviation of the position. Raising it
            lets positions decide.
        continuity_bonus: subtracted from the cost of a pair that was one person at the previous fusion. Raising it
            keeps ids longer, also wrong ones.

    Attributes:
        left_out: people left out so far: their position is unknown (SCALE_NONE, no intrinsics) or out of range.
    """

    def __init__(
        self, *, max_deviation: float = 4.0, pose_tolerance_m: float = 0.1, continuity_bonus: float = 4.0
    ) -> None:
        self._max_deviation, self._pose_tolerance_m = max_deviation, pose_tolerance_m
        self._continuity_bonus = continuity_bonus
        self.left_out = 0
        self._known: dict[tuple[int, str], tuple[str, int]] = {}
        self._next_id = 0

    def reset(self) -> None:
        """Forget identities; ids are not used again."""
        self._known.clear()

    def fuse(self, views: Sequence[SkeletonFrame]) -> SkeletonFrame:
        """Fuse one frame of each camera; the result has the stamp of the first.

        Args:
            views: one frame of each camera, in one coordinate frame; people have a covariance.

        Raises:
            ValueError: the coordinate frames differ; another skeleton, other shapes, or two people of one id.
        """
        for frame in views:
            frame.validate()
        frames = {frame.frame_id for frame in views}
        if len(frames) != 1:
            raise ValueError(f"frame_id of all views must be one, got {', '.join(sorted(frames))}")
        # 1. Join the people of one camera after the other to the bodies of those before.
        bodies: list[_Body] = []
        for camera, frame in enumerate(views):
            placed = [person for person in frame.persons if _is_placed(person)]
            self.left_out += len(frame.persons) - len(placed)
            self._join(bodies, camera, placed)
        # 2. Name the bodies, and take the mean of each weighted by information.
        names = self._names(bodies, views[0].stamp)
        return replace(
            views[0],
            persons=tuple(body.person(name) for body, name in zip(bodies, names, strict=True)),
            is_final=all(frame.is_final for frame in views),
        )

    def _join(self, bodies: list[_Body], camera: int, persons: Sequence[Person3D]) -> None:
        """Add the persons of another camera to the bodies that they match, and new bodies for the unmatched ones."""
        costs = np.array([[self._cost(body, camera, person) for person in persons] for body in bodies])
        pairs = best_pairs(costs.reshape(len(bodies), len(persons)))
        matched = {person: bodies[body] for body, person in pairs}
        for index, person in enumerate(persons):
            body = matched.get(index)
            if body is None:
                body = _Body()
                bodies.append(body)
            body.add(camera, person)

    def _cost(self, body: _Body, camera: int, person: Person3D) -> float:
        place, pose_m = body.distances(person)
        if place > self._max_deviation**2:
            return IMPOSSIBLE
        name = self._name(camera, person)
        were_one = name is not None and name in (self._name(*member) for member in body.members)
        return place + (pose_m / self._pose_tolerance_m) ** 2 - self._continuity_bonus * were_one

    def _name(self, camera: int, person: Person3D) -> str | None:
        known = self._known.get((camera, person.id))
        return known[0] if known else None

    def _names(self, bodies: Sequence[_Body], stamp: int) -> list[str]:
        """Assign an id to each body: that of its first member who had one, or a new one."""
        names: list[str] = []
        # 1. Each body keeps the id of a member, or gets a new one.
        for body in bodies:
            had = (self._name(*member) for member in body.members)
            name = next((name for name in had if name is not None and name not in names), None)
            if name is None:
                self._next_id += 1
                name = f"p{self._next_id}"
            names.append(name)
        # 2. Remember the id of every member for the next frame; forget old ones.
        for body, name in zip(bodies, names, strict=True):
            for camera, person in body.members:
                self._known[camera, person.id] = name, stamp
        self._known = {key: known for key, known in self._known.items() if abs(stamp - known[1]) <= VIEW_MEMORY_NS}
        return names
