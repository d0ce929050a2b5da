"""What glibc does with the memory that a node has freed."""

import ctypes

TRIM_THRESHOLD, MMAP_THRESHOLD, ARENA_MAX = -1, -3, -8
"""Options of mallopt (malloc.h)."""

KEPT_BYTES = 64 * 2**20
"""Bytes that may stay free at the end of the heap: some images."""

LARGEST_BYTES = 32 * 2**20
"""Bytes from which on a freed block returns to the kernel; the maximum that glibc accepts."""


def share_freed_memory() -> None:
    """Let a thread use the memory that another one has freed: 10 to 20 MB of a node with a network or with images."""
    _set_options({ARENA_MAX: 1})


def keep_freed_memory() -> None:
    """Let glibc reuse the memory of large messages: for nodes that handle images, not for those that handle only poses.

    By default glibc returns the memory of every image to the kernel and faults it in again page by page, which is three
    quarters of the CPU time of a plain rclpy subscriber of 640x480 images.
    """
    _set_options({MMAP_THRESHOLD: LARGEST_BYTES, TRIM_THRESHOLD: KEPT_BYTES})


def _set_options(options: dict[int, int]) -> None:
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # only glibc has it
    if mallopt:
        for option, value in options.items():
            mallopt(option, value)
