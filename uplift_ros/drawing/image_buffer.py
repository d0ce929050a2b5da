"""Buffer of images that wait for the skeletons of the same stamp, which arrive later."""

from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")

MAX_OVERLAY_BYTES = 128 * 2**20
"""Limit for all images together; beyond it the oldest are dropped."""

TOLERANCE_NS = 10_000_000
"""Largest difference between the stamps of an image and its skeletons: half a frame at 50 Hz."""


class WaitingImages(Generic[T]):
    """Queue of images by stamp, limited in bytes."""

    def __init__(self) -> None:
        self._images: deque[tuple[int, T, int]] = deque()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._images)

    def push(self, stamp: int, image: T, size: int) -> None:
        """Add an image of `size` bytes. A stamp before the newest one (a bag that restarts) clears the queue."""
        if self._images and stamp < self._images[-1][0]:
            self.clear()
        self._images.append((stamp, image, size))
        self._bytes += size
        while self._bytes > MAX_OVERLAY_BYTES:
            self._pop()

    def take(self, stamp: int) -> T | None:
        """Remove and return the image nearest to a stamp, None if none is within the tolerance; drop older ones."""
        while len(self._images) > 1 and abs(self._images[1][0] - stamp) <= abs(self._images[0][0] - stamp):
            self._pop()
        if self._images and abs(self._images[0][0] - stamp) <= TOLERANCE_NS:
            return self._pop()
        return None

    def clear(self) -> None:
        self._images.clear()
        self._bytes = 0

    def _pop(self) -> T:
        _, image, size = self._images.popleft()
        self._bytes -= size
        return image
