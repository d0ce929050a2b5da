"""Keeps freed memory in the process: for nodes that handle images, not for those that handle only poses."""

import ctypes

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""Options of mallopt (malloc.h)."""

KEPT = 256 * 2**20
"""Bytes that may stay free at the end of the heap."""

LARGEST = 32 * 2**20
"""Bytes from which on a freed block returns to the kernel; the maximum that glibc accepts."""


def keep_freed_memory() -> None:
    """Let glibc reuse the memory of large messages.

    By default glibc returns the memory of every image to the kernel and faults it in again page by page, which is three
    quarters of the CPU time of a plain rclpy subscriber of 640x480 images.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # only glibc has it
    if mallopt:
        mallopt(MMAP_THRESHOLD, LARGEST)
        mallopt(TRIM_THRESHOLD, KEPT)
