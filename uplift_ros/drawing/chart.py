"""Strip chart of a run: velocity and stride over time, with every key-frame."""

import cv2
import numpy as np

from uplift_ros.drawing.skeletons import Colour, text

BACKGROUND: Colour = (17, 19, 25)
FRAME: Colour = (60, 66, 80)
LABEL: Colour = (150, 158, 174)
BRIGHT: Colour = (236, 238, 242)
VELOCITY: Colour = (94, 214, 178)
STRIDE: Colour = (255, 196, 84)
KEYFRAME: Colour = (150, 158, 174)

MARGIN = 10
LEGEND_WIDTH = 150
FUTURE = 0.35
"""Brightness of the chart to the right of the cursor."""


class StripChart:
    """Chart of the whole run, with a cursor that moves through it.

    Args:
        width, height: pixels.
        seconds: length of the time axis.
        velocities: (N, 2) time in seconds and m/s; NaN if no person was detected.
        strides: (M, 2) time in seconds and the stride from then on.
        keyframes: (K,) seconds.
    """

    def __init__(
        self,
        width: int,
        height: int,
        seconds: float,
        velocities: np.ndarray,
        strides: np.ndarray,
        keyframes: np.ndarray,
    ) -> None:
        self._seconds = max(seconds, 1e-3)
        self._velocities, self._strides = velocities, strides
        self._left, self._right = LEGEND_WIDTH, width - MARGIN
        self._image = np.full((height, width, 3), BACKGROUND, np.uint8)
        middle, bottom = round(0.58 * height), height - MARGIN - 6
        self._draw_velocity(MARGIN, middle - 6)
        self._draw_strides(middle + 6, bottom)
        for x in self._x(keyframes):
            cv2.line(self._image, (x, bottom + 2), (x, bottom + 6), KEYFRAME, 1)
        self._rows = (MARGIN + 14, middle + 20)
        self._faded = (self._image * FUTURE + np.array(BACKGROUND) * (1 - FUTURE)).astype(np.uint8)

    def at(self, seconds: float) -> np.ndarray:
        """Chart (height, width, 3) uint8 RGB with the cursor at a time."""
        image = self._image.copy()
        x = int(self._x(np.array([seconds]))[0])
        image[:, x + 1 :] = self._faded[:, x + 1 :]
        cv2.line(image, (x, MARGIN - 4), (x, image.shape[0] - MARGIN), BRIGHT, 1)
        velocity, stride = _latest(self._velocities, seconds), _latest(self._strides, seconds)
        text(image, "velocity", (MARGIN, self._rows[0]), VELOCITY)
        text(image, "stride", (MARGIN, self._rows[1]), STRIDE)
        text(image, "-" if np.isnan(velocity) else f"{velocity:.2f} m/s", (MARGIN + 66, self._rows[0]), BRIGHT)
        text(image, "-" if np.isnan(stride) else f"{stride:.0f}", (MARGIN + 66, self._rows[1]), BRIGHT)
        return image

    def _x(self, seconds: np.ndarray) -> np.ndarray:
        share = np.clip(np.asarray(seconds) / self._seconds, 0, 1)
        return np.round(self._left + share * (self._right - self._left)).astype(int)

    def _draw_velocity(self, top: int, bottom: int) -> None:
        known = self._velocities[np.isfinite(self._velocities[:, 1])]
        highest = max(1.0, float(np.ceil(known[:, 1].max(initial=0) * 2) / 2))
        cv2.rectangle(self._image, (self._left, top), (self._right, bottom), FRAME, 1)
        text(self._image, f"{highest:.1f}", (self._left + 4, top + 12), LABEL, 0.35)
        if not len(known):
            return
        y = np.round(bottom - known[:, 1] / highest * (bottom - top)).astype(int)
        curve = np.stack([self._x(known[:, 0]), y], -1)
        area = np.concatenate([[(curve[0, 0], bottom)], curve, [(curve[-1, 0], bottom)]])
        shaded = self._image.copy()
        cv2.fillPoly(shaded, [area], VELOCITY)
        cv2.addWeighted(shaded, 0.25, self._image, 0.75, 0, self._image)
        cv2.polylines(self._image, [curve], False, VELOCITY, 1, cv2.LINE_AA)

    def _draw_strides(self, top: int, bottom: int) -> None:
        cv2.rectangle(self._image, (self._left, top), (self._right, bottom), FRAME, 1)
        if not len(self._strides):
            return
        highest = self._strides[:, 1].max()
        y = np.round(bottom - self._strides[:, 1] / highest * (bottom - top - 4)).astype(int)
        x = np.append(self._x(self._strides[:, 0]), self._right)
        steps = [(x[i + end], y[i]) for i in range(len(y)) for end in (0, 1)]
        cv2.polylines(self._image, [np.array(steps)], False, STRIDE, 1)
        changed = np.append(True, np.diff(self._strides[:, 1]) != 0)
        for stride, left, height in zip(self._strides[changed, 1], x[:-1][changed], y[changed], strict=True):
            above = height > (top + bottom) / 2
            text(self._image, f"{stride:.0f}", (int(left) + 4, int(height) + (-4 if above else 12)), LABEL, 0.35)


def _latest(series: np.ndarray, seconds: float) -> float:
    """Value of an (N, 2) series at a time, NaN before its first entry."""
    index = int(np.searchsorted(series[:, 0], seconds, side="right")) - 1
    return float(series[index, 1]) if index >= 0 else float("nan")
