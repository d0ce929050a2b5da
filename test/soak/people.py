"""Random people before a static camera: presence, motion, and times of arrival and departure."""

import numpy as np

from uplift_ros.sources.synthetic.synthetic_source import SyntheticSource

CLIPS, CLIP_FRAMES = 6, 40
SCHEDULE = 60.0
"""Seconds of the synthetic person's motions to cut clips from."""

NO_PERSON = 0.25
"""Probability that the room is dark and no person is seen."""

STAY = (1.0, 8.0)
"""Seconds for which a person stays."""


class People:
    """Images at 50 Hz, of clips that are rendered once and shown forth and back, as they are or mirrored.

    Args:
        rng: source of all randomness.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        source = SyntheticSource(moving=False)
        self._fps = source.fps
        starts = (rng.uniform(0.0, SCHEDULE, CLIPS) * source.fps).astype(int)
        clips = [[source.frame(start + number).image for number in range(CLIP_FRAMES)] for start in starts.tolist()]
        self._clips = [clip + clip[-2:0:-1] for clip in clips]
        self._dark = np.zeros_like(clips[0][0])
        self._left = 0

    def next_image(self) -> np.ndarray:
        """(480, 640, 3) uint8, RGB."""
        if self._left == 0:
            self._left = int(self._rng.uniform(*STAY) * self._fps)
            present = self._rng.random() >= NO_PERSON
            self._clip = self._clips[self._rng.integers(CLIPS)] if present else [self._dark]
            self._mirrored = self._rng.random() < 0.5
        self._left -= 1
        image = self._clip[self._left % len(self._clip)]
        return image[:, ::-1] if self._mirrored else image
