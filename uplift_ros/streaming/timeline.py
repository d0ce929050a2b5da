"""Time axis of a stream of key-frames: stamps to tokens of the network, and back."""

from bisect import bisect_left

from uplift_ros.models.configs import UpliftConfig
from uplift_ros.poses import NANOSECONDS
from uplift_ros.streaming.clock import is_break


class Timeline:
    """Frame counter at the model's rate from the first key-frame on, by stamps alone.

    A key-frame lies on the token nearest to its stamp, so that lost images, jitter and the camera's rate do not shift
    the others. Each skeleton has its own time: a key-frame that of its image, the frames in between are evenly spaced.
    """

    def __init__(self, config: UpliftConfig) -> None:
        self._stride = config.token_stride
        self._tokens_per_nanosecond = config.model_rate / config.token_stride / NANOSECONDS
        self._window_ns = round(config.frames / config.model_rate * NANOSECONDS)
        self._tokens: list[int] = []
        self._stamps: list[int] = []
        self._origin = 0

    @property
    def newest(self) -> int:
        """Token of the newest key-frame; -1 if there is none."""
        return self._tokens[-1] if self._tokens else -1

    def breaks_at(self, stamp: int) -> bool:
        """Whether time jumps: back (a bag that starts again), or by a whole window, which the network cannot bridge."""
        return bool(self._stamps) and is_break(stamp, self._stamps[-1], self._window_ns - 1)

    def token(self, stamp: int) -> int:
        """Nearest token to a stamp; the first key-frame is at 0."""
        return round((stamp - self._origin) * self._tokens_per_nanosecond) if self._stamps else 0

    def has(self, token: int) -> bool:
        """Whether a key-frame lies at this token."""
        return token in self._tokens

    def halves(self, token: int) -> tuple[tuple[int, int], tuple[int, int]]:
        """Intervals between the key-frame at a token and the ones before and after it."""
        place = self._tokens.index(token)
        before, _, after = self._tokens[place - 1 : place + 2]
        return (before, token), (token, after)

    def add(self, stamp: int) -> None:
        """Add a key-frame, at whose token there is none yet."""
        if not self._stamps:
            self._origin = stamp
        token = self.token(stamp)
        place = bisect_left(self._tokens, token)
        self._tokens.insert(place, token)
        self._stamps.insert(place, stamp)

    def stamp(self, frame: float) -> int:
        """Stamp of a frame, nanoseconds; the frame lies at the newest key-frame or before."""
        token = frame / self._stride
        after = bisect_left(self._tokens, token)
        if self._tokens[after] == token:
            return self._stamps[after]
        left, right = self._tokens[after - 1], self._tokens[after]
        part = (token - left) / (right - left)
        return self._stamps[after - 1] + round(part * (self._stamps[after] - self._stamps[after - 1]))

    def forget(self, oldest: int) -> None:
        """Drop key-frames up to a token, except the last of them: later frames are interpolated from it."""
        while len(self._tokens) > 1 and self._tokens[1] <= oldest:
            del self._tokens[0], self._stamps[0]
