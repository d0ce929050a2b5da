"""Images that wait for the skeletons of their own time, which come later."""

from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class WaitingImages(Generic[T]):
    """A queue of images by stamp, limited in bytes.

    Args:
        max_bytes: the oldest go when all together are larger.
        tolerance: nanoseconds by which the stamps of an image and of a skeleton may differ.
    """

    def __init__(self, max_bytes: int = 128 * 2**20, tolerance: int = 10_000_000) -> None:
        self._max_bytes = max_bytes
        self._tolerance = tolerance
        self._images: deque[tuple[int, T, int]] = deque()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._images)

    def push(self, stamp: int, image: T, size: int) -> None:
        """Add an image of `size` bytes. A stamp before the newest one (a bag that starts again) empties the queue."""
        if self._images and stamp < self._images[-1][0]:
            self.clear()
        self._images.append((stamp, image, size))
        self._bytes += size
        while self._bytes > self._max_bytes:
            self._pop()

    def take(self, stamp: int) -> T | None:
        """The image of this time, None where there is none; it and all older ones leave the queue."""
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
