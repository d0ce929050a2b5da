"""What a stage could not do, and did without: a shell reports it and counts it by kind."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One problem with one input.

    Attributes:
        kind: an identifier; problems of one kind are counted together.
        message: one line: what was wrong, and what that means.
    """

    kind: str
    message: str
