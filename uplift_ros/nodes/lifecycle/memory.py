"""Memory that a node frees stays with it: for nodes that handle images, not for those that take only poses."""

import ctypes

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""Options of mallopt (malloc.h)."""

KEPT = 256 * 2**20
"""Bytes that may lie free at the end of the heap."""

LARGEST = 32 * 2**20
"""Bytes from which on memory is the kernel's again once it is freed; the most that glibc takes."""


def keep_freed_memory() -> None:
    """Let glibc reuse the memory of large messages.

    By itself it gives the memory of every image back to the kernel and fetches it anew, page by page: three quarters of
    what a plain rclpy subscriber of 640x480 images costs.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # only glibc has it
    if mallopt:
        mallopt(MMAP_THRESHOLD, LARGEST)
        mallopt(TRIM_THRESHOLD, KEPT)
