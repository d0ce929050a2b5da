"""Classical smoothing filters over arrays of any shape, with time taken from stamps in nanoseconds."""

from collections import deque
from functools import lru_cache
from typing import Protocol

import numpy as np

from uplift_ros.poses import NANOSECONDS


class Smoother(Protocol):
    """Filter that takes one value per frame and returns one per frame, in order, some frames later."""

    def push(self, value: np.ndarray, stamp: int) -> list[np.ndarray]:
        """Take the newest frame and its stamp; return the frames that are ready: none or one."""

    def flush(self) -> list[np.ndarray]:
        """Return the remaining frames, oldest first. Nothing may be pushed afterwards."""


class PassThrough:
    """No smoothing."""

    def push(self, value: np.ndarray, stamp: int) -> list[np.ndarray]:
        return [value]

    def flush(self) -> list[np.ndarray]:
        return []


class OneEuro:
    """Low-pass filter whose cutoff rises with speed: smooth at rest, responsive in motion. Causal.

    Every element has its own cutoff. Defaults are those of SynSP's comparison (cutoff 0.04, beta 0.7, derivative
    cutoff 1 per frame) at 50 Hz.

    Source: Casiez, Roussel, Vogel, "1 Euro Filter", CHI 2012.

    Args:
        min_cutoff: Hz, at rest; raising it reduces lag and leaves more jitter.
        beta: Hz per (unit / s), how fast the cutoff rises; raising it reduces lag in fast motion.
        derivative_cutoff: Hz, for the speed itself; raising it makes the cutoff react sooner, to noise as well.
    """

    def __init__(self, min_cutoff: float = 2.0, beta: float = 0.7, derivative_cutoff: float = 50.0) -> None:
        if min_cutoff <= 0 or derivative_cutoff <= 0 or beta < 0:
            raise ValueError(
                "min_cutoff and derivative_cutoff must be positive and beta at least 0, "
                f"got {min_cutoff}, {derivative_cutoff} and {beta}"
            )
        self.min_cutoff, self.beta, self.derivative_cutoff = min_cutoff, beta, derivative_cutoff
        self._stamp: int | None = None
        self._value = self._speed = np.zeros(())

    def push(self, value: np.ndarray, stamp: int) -> list[np.ndarray]:
        if self._stamp is None:
            self._value, self._speed = value, np.zeros_like(value)
        else:
            dt = _interval(self._stamp, stamp)
            speed = (value - self._value) / dt
            self._speed = self._speed + _gain(self.derivative_cutoff, dt) * (speed - self._speed)
            cutoff = self.min_cutoff + self.beta * np.abs(self._speed)
            self._value = self._value + _gain(cutoff, dt) * (value - self._value)
        self._stamp = stamp
        return [self._value]

    def flush(self) -> list[np.ndarray]:
        return []


def _gain(cutoff: np.ndarray | float, dt: float) -> np.ndarray | float:
    """Weight of the new value in a first-order low-pass of `cutoff` Hz after `dt` seconds."""
    turns = 2 * np.pi * cutoff * dt
    return turns / (turns + 1)


def _interval(earlier: int, later: int) -> float:
    if later <= earlier:
        raise ValueError(f"stamp must increase, got {later} after {earlier} ns")
    return (later - earlier) / NANOSECONDS


class SavitzkyGolay:
    """Least-squares polynomial fit to the last frames up to t + delay, evaluated at frame t.

    With evenly spaced stamps these are the Savitzky-Golay coefficients of `scipy.signal.savgol_coeffs`; with uneven
    ones, the same fit at the true times. With too few frames for the order, the polynomial passes through them.

    Args:
        delay: frames between a frame and its result; half of `window` makes the fit symmetric.
        window: frames in the fit; raising it smooths more.
        order: of the polynomial; raising it follows fast motion more closely and smooths less.
        with_derivative: results are (2, ...), the value and its derivative per second.
    """

    def __init__(self, delay: int, window: int = 15, order: int = 2, *, with_derivative: bool = False) -> None:
        if not 0 <= delay < window:
            raise ValueError(f"delay must be 0 to {window - 1} frames (below the window), got {delay}")
        if not 0 <= order < window:
            raise ValueError(f"order must be 0 to {window - 1} (below the window), got {order}")
        if with_derivative and order == 0:
            raise ValueError("order must be at least 1 for a derivative, got 0")
        self.delay, self.order, self.with_derivative = delay, order, with_derivative
        self._values: deque[np.ndarray] = deque(maxlen=window)
        self._stamps: deque[int] = deque(maxlen=window)

    def push(self, value: np.ndarray, stamp: int) -> list[np.ndarray]:
        if self._stamps:
            _interval(self._stamps[-1], stamp)
        self._values.append(value)
        self._stamps.append(stamp)
        return [self._fit(self.delay)] if len(self._values) > self.delay else []

    def flush(self) -> list[np.ndarray]:
        return [self._fit(back) for back in reversed(range(min(self.delay, len(self._values))))]

    def _fit(self, back: int) -> np.ndarray:
        """Value of the fitted polynomial `back` frames before the newest, with its derivative if wanted."""
        at = self._stamps[len(self._stamps) - 1 - back]
        weights = _fit_weights(tuple(stamp - at for stamp in self._stamps), self.order)
        values = np.array(self._values)
        fitted = np.dot(weights[:2] if self.with_derivative else weights[0], values.reshape(len(values), -1))
        return fitted.reshape((*fitted.shape[:-1], *values.shape[1:]))


@lru_cache(maxsize=1024)
def _fit_weights(offsets: tuple[int, ...], order: int) -> np.ndarray:
    """Weights (order + 1, N) of the values at `offsets` (nanoseconds) in the coefficients of the fit around offset 0.

    Evenly spaced stamps hit the cache.
    """
    times = np.array(offsets) / NANOSECONDS
    return np.linalg.pinv(np.vander(times, order + 1, increasing=True))
