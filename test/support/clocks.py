"""Time as stamps count it."""

SECOND = 1_000_000_000
"""Nanoseconds."""

FRAME = SECOND // 50
"""Nanoseconds from one frame to the next at the rate of the networks."""
