"""Problems that a stage continued in spite of: a shell reports them and counts them by kind."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One problem with one input.

    Attributes:
        kind: an identifier; problems of one kind are counted together.
        message: one line: what was wrong, and its effect.
    """

    kind: str
    message: str


def device_lost(failure: str) -> Problem:
    """The device of a network failed, for the reason `failure`, and its spare runs on the CPU."""
    return Problem("device_lost", f"falling back to CPU, the device failed: {failure}")
