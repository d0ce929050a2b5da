"""Buffer of images that wait for the skeletons of the same stamp, which arrive later."""

from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")

MAX_BYTES = 128 * 2**20
"""Of all images together; beyond it the oldest are dropped."""

TOLERANCE_NS = 10_000_000
"""By which the stamps of an image and its skeletons may differ: half a frame at 50 Hz."""


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
        while self._bytes > MAX_BYTES:
            self._pop()

    def take(self, stamp: int) -> T | None:
        """Remove and return the image of this stamp, None if there is none; older images are dropped."""
        while self._images and self._images[0][0] <= stamp + TOLERANCE_NS:
            found, image = self._pop()
            if abs(found - stamp) <= TOLERANCE_NS:
                return image
        return None

    def clear(self) -> None:
        self._images.clear()
        self._bytes = 0

    def _pop(self) -> tuple[int, T]:
        stamp, image, size = self._images.popleft()
        self._bytes -= size
        return stamp, image
