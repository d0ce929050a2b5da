"""A robot's day in front of people, from motion capture: they stand, sit, talk, walk past, and move fast for seconds in
between. Takes of motion capture have hardly any pauses; here each pause lasts as long as in a room."""

from collections.abc import Iterator, Sequence

import numpy as np

from uplift_ros import metrics
from uplift_ros.lab.data.mocap import Sequence as Motion
from uplift_ros.lab.data.mocap import runs

CALM, SHORTEST = 0.2, 1.0
"""A pause has a mean joint speed relative to the pelvis below CALM, in m/s, for at least SHORTEST, in seconds."""

SMOOTHED = 0.2
"""Seconds over which that speed is averaged."""

LASTING = (10.0, 40.0)
"""Seconds that a pause lasts, uniform."""

PASSING = 0.25
"""Probability of a visit without pause: a person walks, runs or jumps past."""


def robot_day(sequences: Sequence[Motion], minutes: float, rate: float, seed: int) -> list[Motion]:
    """Visits of people until their time adds up to `minutes`; each is one sequence, its pauses prolonged.

    A pause is prolonged by playing its frames backward and forward: real poses at their real, slow speed.

    Args:
        sequences: at least one with a pause and one without.
        rate: frames per second.
        seed: equal seeds give equal days.

    Raises:
        ValueError: minutes not positive, or no sequence with, or none without, a pause.
    """
    if not minutes > 0:
        raise ValueError(f"day must be more than 0 minutes, got {minutes:g}")
    found = [(sequence, pauses(sequence.joints, rate)) for sequence in sequences]
    staying = [(sequence, still) for sequence, still in found if still]
    passing = [(sequence, still) for sequence, still in found if not still]
    if not staying or not passing:
        raise ValueError(
            f"data: a day needs sequences with a pause of {SHORTEST:g} s and without one, "
            f"got {len(staying)} and {len(passing)}"
        )
    rng = np.random.default_rng(seed)
    visits: list[Motion] = []
    remaining = minutes * 60 * rate
    while remaining > 0:
        kind = passing if rng.random() < PASSING else staying
        sequence, still = kind[rng.integers(len(kind))]
        frames = list(_frames(len(sequence.joints), still, rate, rng))
        visits.append(Motion(sequence.name, sequence.joints[frames]))
        remaining -= len(frames)
    return visits


def pauses(joints: np.ndarray, rate: float) -> list[tuple[int, int]]:
    """Begin and end of every pause in (T, 17, 3)."""
    width = round(SMOOTHED * rate)
    speed = np.convolve(metrics.velocity(joints, rate), np.ones(width) / width, "valid")
    return [(begin, end) for begin, end in runs(speed < CALM) if end - begin >= SHORTEST * rate]


def _frames(length: int, still: Sequence[tuple[int, int]], rate: float, rng: np.random.Generator) -> Iterator[int]:
    """Frames of a sequence, whose pauses are `still`, in the order of the visit."""
    done = 0
    for begin, end in still:
        yield from range(done, end)
        back_and_forth = [*range(end - 2, begin, -1), *range(begin, end)]
        lasting = rng.uniform(*LASTING) * rate - (end - begin)
        yield from max(1, round(lasting / len(back_and_forth))) * back_and_forth
        done = end
    yield from range(done, length)
