"""The last images of a camera, undecoded, and requests for those that should become key-frames after all."""

from collections import Counter, deque
from collections.abc import Sequence
from operator import itemgetter
from typing import Generic, TypeVar

from uplift_ros.poses import NANOSECONDS
from uplift_ros.streaming.clock import PAUSE_NS, REQUEST_TOLERANCE_NS, is_break, nearest

Image = TypeVar("Image")

MAX_BYTES = 256 << 20
"""Limit for all images together, half a second at 50 Hz of 4K as JPEG or 1280x960 raw; beyond it the oldest are
dropped."""

MAX_REQUESTS = 16
"""Requests that may wait; intervals between key-frames ask for two at a time."""


class ImageHistory(Generic[Image]):
    """Images of the last seconds by stamp; each may become a key-frame once.

    Args:
        seconds: length; 0 keeps nothing, and answers no request.

    Attributes:
        refused: requests without an answer, by reason: `gone` (no image of that time is kept), `repeated` (it is a
            key-frame already), `flooded` (too many waited), `undecodable`.
        newest: stamp of the newest image.
    """

    def __init__(self, seconds: float) -> None:
        self._length_ns = round(seconds * NANOSECONDS)
        self.refused: Counter[str] = Counter()
        self.clear()

    def clear(self) -> None:
        """Drop all images and requests."""
        self._images: deque[tuple[int, Image, int]] = deque()
        self._bytes = 0
        self._used: set[int] = set()
        self._requested: deque[tuple[int, Image]] = deque()
        self.newest = 0

    def add(self, stamp: int, image: Image, size: int) -> None:
        """Add the next image, of a size in bytes; a jump in time or a pause drops the older ones."""
        if not self._length_ns:
            return
        if self._images and is_break(stamp, self.newest, PAUSE_NS):
            self.clear()
        self.newest = max(self.newest, stamp)
        self._images.append((stamp, image, size))
        self._bytes += size
        while self._images and (self._bytes > MAX_BYTES or stamp - self._images[0][0] > self._length_ns):
            dropped, _, dropped_size = self._images.popleft()
            self._bytes -= dropped_size
            self._used.discard(dropped)

    def use(self, stamp: int) -> None:
        """Note that the image at a stamp became a key-frame."""
        if self._length_ns:
            self._used.add(stamp)

    def request(self, stamps: Sequence[int]) -> None:
        """Request the images nearest to stamps, the oldest first. Newer requests are answered before older ones."""
        found = [image for image in map(self._find, stamps) if image is not None]
        self._requested.extendleft(reversed(found))
        while len(self._requested) > MAX_REQUESTS:
            self._requested.pop()
            self.refused["flooded"] += 1

    @property
    def waiting(self) -> int:
        """Number of images that were requested and not taken."""
        return len(self._requested)

    def take(self) -> tuple[int, Image] | None:
        """Take the next requested image with its stamp; None if none waits. May be called in another thread."""
        while self._requested:
            stamp, image = self._requested.popleft()
            if self.newest - stamp <= self._length_ns:
                return stamp, image
            self.refused["gone"] += 1
        return None

    def _find(self, stamp: int) -> tuple[int, Image] | None:
        """Find the image of a request and mark it as used."""
        found = nearest(self._images, stamp, REQUEST_TOLERANCE_NS, itemgetter(0))
        if found is None:
            self.refused["gone"] += 1
            return None
        if found[0] in self._used:
            self.refused["repeated"] += 1
            return None
        self.use(found[0])
        return found[:2]
