"""Motion capture as a robot sees people for a day: they stand, sit, talk, walk past, and in between move fast for
seconds. Takes of motion capture have hardly any pauses; here pauses last as long as in real rooms."""

from collections.abc import Iterator, Sequence

import numpy as np

from uplift_ros import metrics
from uplift_ros.lab.data.mocap import Sequence as Motion
from uplift_ros.lab.data.mocap import runs

CALM_MPS, SHORTEST_PAUSE_S = 0.2, 1.0
"""A pause has a mean joint speed relative to the pelvis below CALM_MPS, for at least SHORTEST_PAUSE_S."""

SMOOTHED_S = 0.2
"""Time over which that speed is averaged."""

LASTING_S = (10.0, 40.0)
"""Duration of a prolonged pause, uniform."""

PASSING = 0.25
"""Probability of a visit without pause: a person walks, runs or jumps past."""


def robot_day(sequences: Sequence[Motion], minutes: float, rate: float, seed: int) -> list[Motion]:
    """Visits of people whose durations add up to at least `minutes`; each is a sequence with prolonged pauses.

    A pause is prolonged by playing its frames backward and forward: real poses at their real, slow speed.

    Args:
        sequences: at least one with a pause and one without.
        minutes: duration of the day.
        rate: frames per second.
        seed: equal seeds give equal days.

    Raises:
        ValueError: minutes not positive, or no sequence with, or none without, a pause.
    """
    if not minutes > 0:
        raise ValueError(f"day must be longer than 0 minutes, got {minutes:g}")
    found = [(sequence, pauses(sequence.joints, rate)) for sequence in sequences]
    staying = [(sequence, still) for sequence, still in found if still]
    passing = [(sequence, still) for sequence, still in found if not still]
    if not staying or not passing:
        raise ValueError(
            f"data: a day needs sequences with a pause of {SHORTEST_PAUSE_S:g} s and without one, "
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
    """Begin and end of every pause in joints (T, 17, 3), in frames."""
    width = round(SMOOTHED_S * rate)
    speed = np.convolve(metrics.velocity(joints, rate), np.ones(width) / width, "valid")
    return [(begin, end) for begin, end in runs(speed < CALM_MPS) if end - begin >= SHORTEST_PAUSE_S * rate]


def _frames(length: int, still: Sequence[tuple[int, int]], rate: float, rng: np.random.Generator) -> Iterator[int]:
    """Frames of a sequence, whose pauses are `still`, in the order of the visit."""
    done = 0
    for begin, end in still:
        yield from range(done, end)
        back_and_forth = [*range(end - 2, begin, -1), *range(begin, end)]
        lasting = rng.uniform(*LASTING_S) * rate - (end - begin)
        yield from max(1, round(lasting / len(back_and_forth))) * back_and_forth
        done = end
    yield from range(done, length)
