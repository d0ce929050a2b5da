"""Correction of swapped sides: detectors that see no face may swap left and right of a whole person for a while.

The evidence is the vector from each right joint to its left one (their separation). A swap reverses the separations at
once; a body has to turn for that, which takes time, and turning about the vertical does not change heights. A
two-state hidden Markov model accumulates this evidence from key-frame to key-frame, causally: the likeliest sequence of
"as detected" and "swapped" so far decides about the newest key-frame (Viterbi's forward pass).
"""

from dataclasses import dataclass, replace

import numpy as np

from uplift_ros.poses import NANOSECONDS, Keyframe, Origin, Person2D
from uplift_ros.skeleton import H36M17
from uplift_ros.streaming.clock import MAX_DISORDER_NS, SIDES_MEMORY_NS

TORSO, OUTER = ("shoulder", "hip"), ("elbow", "wrist", "knee", "ankle")
LEFT_JOINTS, RIGHT_JOINTS = ([H36M17.index(f"{side}_{joint}") for joint in TORSO + OUTER] for side in ("left", "right"))
PELVIS, THORAX = H36M17.index("pelvis"), H36M17.index("thorax")

LIMB_WEIGHT = 0.3
"""Weight of limbs against the torso: they cross and alternate while the body faces the same way."""

SEPARATION = 0.02
"""Product of two separations, as fractions of the person's size, that is one unit of evidence: shoulders 14 % of the
size apart in both key-frames. Raising it trusts the detector more."""

TURN_S, LIMB_S = 0.1, 0.12
"""Time constant of a body that turns to its other side: raising it accepts more fast turns, and corrects fewer swaps of
people who stand upright at long strides. And of the intervals between key-frames up to which limbs count: raising it
takes more of the alternating limbs of people who walk for swaps."""

SWITCH_COST = 0.4
"""Evidence that a change between correct and swapped must exceed; raising it reacts to fewer swaps."""

BELIEF_S = 2.0
"""After that long the detector is trusted again; raising it corrects longer swaps, and trusts a wrong first key-frame
for longer."""

PAIR_LIMIT, LIMIT = 0.6, 1.0
"""Largest evidence of one pair of joints and of all, in units of SEPARATION: one outlier joint is no swap, and no
single key-frame overrules a long history."""

FIRST_COST = 0.2
"""Cost of a first key-frame that is swapped: detectors are right more often than not."""

UPRIGHT = 0.5
"""Cosine between the trunk and the vertical above which a person turns about the vertical."""


@dataclass(frozen=True)
class _Memory:
    """A person at the newest key-frame that saw them.

    Attributes:
        separations: (6, 2) left minus right, as fractions of the person's size, as detected.
        trunk: (2,) unit vector from pelvis to thorax.
        costs: (2,) of the likeliest sequences that end as detected and swapped; the smaller is 0.
    """

    stamp: int
    separations: np.ndarray
    trunk: np.ndarray
    costs: np.ndarray

    @property
    def is_swapped(self) -> bool:
        return bool(self.costs[1] < self.costs[0])


class SideGuard:
    """Guard that corrects key-frames whose left and right contradict the motion of the person."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget all people."""
        self._memory: dict[str, _Memory] = {}
        self._frame_id = ""

    def mend(self, keyframe: Keyframe) -> Keyframe:
        """Exchange the sides of swapped people, identified by id; all other people stay the same objects.

        A key-frame of an older image, or a repeated one, is compared with the newest one, which stays as it is.
        """
        if keyframe.frame_id != self._frame_id:
            self.reset()
            self._frame_id = keyframe.frame_id
        stamp, is_next = keyframe.stamp, keyframe.origin is Origin.SCHEDULED
        if is_next:
            oldest, latest = stamp - SIDES_MEMORY_NS, stamp + MAX_DISORDER_NS
            self._memory = {id: memory for id, memory in self._memory.items() if oldest <= memory.stamp <= latest}
            is_next = all(memory.stamp < stamp for memory in self._memory.values())
        seen = {person.id: self._follow(person, stamp) for person in keyframe.persons}
        if is_next:
            self._memory |= seen
        persons = (_exchanged(person) if seen[person.id].is_swapped else person for person in keyframe.persons)
        return replace(keyframe, persons=tuple(persons))

    def _follow(self, person: Person2D, stamp: int) -> _Memory:
        """Update the costs with one more key-frame (a step of Viterbi's forward pass)."""
        separations, trunk = _shape(person.keypoints)
        before = self._memory.get(person.id)
        if before is None:
            return _Memory(stamp, separations, trunk, np.array([0.0, FIRST_COST]))
        seconds = abs(stamp - before.stamp) / NANOSECONDS
        evidence = self._evidence(before, separations, trunk, seconds)
        stay, change = before.costs - evidence / 2, before.costs[::-1] + evidence / 2 + SWITCH_COST
        costs = np.minimum(stay, change)
        costs[1] += seconds / BELIEF_S
        return _Memory(stamp, separations, trunk, costs - costs.min())

    def _evidence(self, before: _Memory, separations: np.ndarray, trunk: np.ndarray, seconds: float) -> float:
        """Evidence: positive if the sides are those of the key-frame before, negative if one is swapped; within LIMIT.

        The product of two separations is half the difference of squared motions: with sides exchanged in between, less
        with sides kept.
        """
        products = np.nan_to_num(separations * before.separations)
        # Evidence for equal sides counts fully; evidence against them only if the body had no time to turn.
        turned = np.exp(-((seconds / TURN_S) ** 2))
        weight = np.full((len(LEFT_JOINTS), 2), LIMB_WEIGHT * np.exp(-((seconds / LIMB_S) ** 2)))
        weight[: len(TORSO)] = 1.0
        against = weight.copy()
        against[: len(TORSO)] = turned
        if min(-trunk[1], -before.trunk[1]) > UPRIGHT:
            against[: len(TORSO), 1] = np.exp(-(seconds**2))  # heights stay in a turn about the vertical
        against *= max(0.0, float(np.nan_to_num(trunk @ before.trunk)))  # a cartwheel reverses separations as well
        pairs = np.where(products < 0, against * products, weight * products).sum(-1) / SEPARATION
        pairs = pairs.clip(-PAIR_LIMIT, PAIR_LIMIT)
        torso, limbs = pairs[: len(TORSO)].sum(), pairs[len(TORSO) :].sum()
        # Limbs seen from the side alternate with every step: they only confirm what the torso says.
        return float(np.clip(torso + max(limbs, min(torso, 0.0)), -LIMIT, LIMIT))


def _shape(keypoints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Separations and trunk of keypoints (17, 2), see `_Memory`; NaN where joints are absent."""
    seen = keypoints[np.isfinite(keypoints).all(-1)]
    size = np.ptp(seen, axis=0).max() if len(seen) else 0.0
    trunk = keypoints[THORAX] - keypoints[PELVIS]
    separations = (keypoints[LEFT_JOINTS] - keypoints[RIGHT_JOINTS]) / max(size, 1e-9)
    return separations, trunk / max(float(np.linalg.norm(trunk)), 1e-9)


def _exchanged(person: Person2D) -> Person2D:
    return replace(person, keypoints=person.keypoints[H36M17.flip], scores=person.scores[H36M17.flip])
