"""Generators that run ahead in a thread."""

import threading
from collections.abc import Generator

import pytest

from uplift_ros.offline.prefetch import prefetch


class Source:
    """Counts up to `end`, and records the requests."""

    def __init__(self, end: int = 1000, error: Exception | None = None) -> None:
        self.end, self.error = end, error
        self.made = 0
        self.enough = threading.Event()
        self.closed = False
        self.thread: threading.Thread | None = None

    def items(self, enough: int = 0) -> Generator[int, None, None]:
        try:
            while self.made < self.end:
                self.thread = threading.current_thread()
                self.made += 1
                if self.made == enough:
                    self.enough.set()
                yield self.made
            if self.error:
                raise self.error
        finally:
            self.closed = True


def test_items_come_in_their_order():
    assert list(prefetch(Source(100).items(), depth=3)) == list(range(1, 101))


def test_items_are_made_in_another_thread():
    source = Source(3)
    list(prefetch(source.items(), depth=2))
    assert source.thread is not None
    assert source.thread is not threading.current_thread()


def test_items_are_made_before_they_are_asked_for_but_only_so_many():
    source = Source()
    items = prefetch(source.items(enough=5), depth=4)
    assert next(items) == 1
    assert source.enough.wait(5)  # the one taken and four more
    items.close()
    assert source.made == 5


def test_an_error_comes_at_its_place_in_the_order():
    items = prefetch(Source(3, ValueError("torn")).items(), depth=8)
    assert [next(items) for _ in range(3)] == [1, 2, 3]
    with pytest.raises(ValueError, match="torn"):
        next(items)


def test_closing_ends_the_thread_and_closes_the_source():
    source = Source()
    items = prefetch(source.items(), depth=4)
    next(items)
    items.close()
    assert source.closed
    assert source.thread is not None
    assert not source.thread.is_alive()


def test_stages_can_follow_each_other():
    def doubled(items: Generator[int, None, None]) -> Generator[int, None, None]:
        for item in items:
            yield 2 * item

    assert list(prefetch(doubled(prefetch(Source(50).items(), depth=2)), depth=2)) == list(range(2, 102, 2))
