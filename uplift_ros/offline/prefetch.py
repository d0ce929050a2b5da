"""Work that runs ahead of who asks for it, in a thread: stages of one chain overlap, and the order stays.

OpenCV, LiteRT and PyTorch let other threads run while they compute.
"""

from collections import deque
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")


def prefetch(items: Generator[Item, None, None], depth: int) -> Generator[Item, None, None]:
    """The same items in the same order, made in a thread up to `depth` items before they are asked for.

    Closing ends the thread before it closes `items`, so nothing works on what the caller frees next. What `items`
    raises is raised here, at its place in the order.
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
