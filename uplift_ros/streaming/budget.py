"""A mean key-frame rate to keep, spent where there is motion."""

import math

from uplift_ros.streaming.stride import Decision, StrideController

REACTION = 5.0
"""Seconds of key-frames, saved or overdrawn, that change the velocity by a factor of e."""

MEMORY = 20.0
"""Seconds of key-frames that can be saved for a burst, or overdrawn in one."""


class KeyframeBudget:
    """Keeps the mean key-frame rate of another controller: what is saved lets slower motion count as fast.

    The velocity that the controller sees is scaled, so that its thresholds move and its rule stays. Rates that its
    strides cannot reach are approached; where nobody moves there is nothing to spend on.

    Args:
        controller: decides with the scaled velocity.
        budget: key-frames per second.
        model_rate: frames per second.

    Raises:
        ValueError: the budget is not positive.
    """

    def __init__(self, controller: StrideController, budget: float, model_rate: float) -> None:
        if not budget > 0:
            raise ValueError(f"keyframe_budget must be positive, got {budget}")
        self._controller, self._budget, self._model_rate = controller, budget, model_rate
        self._saved = 0.0
        self._last_frame: int | None = None

    def update(self, frame: int, velocity: float) -> Decision:
        if self._last_frame is not None and frame > self._last_frame:
            earned = (frame - self._last_frame) / self._model_rate * self._budget
            limit = MEMORY * self._budget
            self._saved = min(max(self._saved + earned - 1, -limit), limit)
        self._last_frame = frame
        return self._controller.update(frame, velocity * math.exp(self._saved / (REACTION * self._budget)))
