"""Buffer of images that wait for the skeletons of the same stamp, which arrive later."""

from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class WaitingImages(Generic[T]):
    """Queue of images by stamp, limited in bytes.

    Args:
        max_bytes: total size from which on the oldest images are dropped. Raise it if skeletons are so late that their
            images are gone.
        tolerance: nanoseconds by which the stamps of an image and a skeleton may differ. A value above half the frame
            period can match the wrong image.
    """

    def __init__(self, max_bytes: int = 128 * 2**20, tolerance: int = 10_000_000) -> None:
        self._max_bytes = max_bytes
        self._tolerance = tolerance
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
        while self._bytes > self._max_bytes:
            self._pop()

    def take(self, stamp: int) -> T | None:
        """Remove and return the image of this stamp, None if there is none; older images are dropped."""
        while self._images and self._images[0][0] <= stamp + self._tolerance:
            found, image = self._pop()
            if abs(found - stamp) <= self._tolerance:
                return image
        return None

    def clear(self) -> None:
        self._images.clear()
        self._bytes = 0

    def _pop(self) -> tuple[int, T]:
        stamp, image, size = self._images.popleft()
        self._bytes -= size
        return stamp, image
