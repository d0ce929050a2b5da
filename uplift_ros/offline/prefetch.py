"""Computes items ahead of their consumer, in a thread: the stages of a chain overlap, and the order is kept.

OpenCV, LiteRT and ONNX Runtime release the GIL while they compute.
"""

from collections import deque
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")


def prefetch(items: Generator[Item, None, None], depth: int) -> Generator[Item, None, None]:
    """Yield the same items in the same order, computed in a thread up to `depth` items ahead.

    Closing joins the thread before it closes `items`, so the caller may free resources afterwards. An error of `items`
    is raised here, at its place in the order.
    """
    with ThreadPoolExecutor(1) as worker:
        waiting = deque(worker.submit(next, items, None) for _ in range(depth))
        try:
            while (item := waiting.popleft().result()) is not None:
                waiting.append(worker.submit(next, items, None))
                yield item
        finally:
            worker.shutdown(cancel_futures=True)
            items.close()
