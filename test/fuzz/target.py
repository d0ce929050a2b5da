"""Targets of fuzzing, and the contract of all of them."""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

LONGEST_MESSAGE = 4000
"""Maximum length of an error in characters: one readable line."""


class PromiseError(AssertionError):
    """Violation of a target's contract."""


@dataclass(frozen=True)
class Target:
    """Interface that may receive hostile input.

    Args:
        name: on the command line and in the report.
        case: makes a random input.
        take: processes it. Returns a result if the input is valid, raises a ValueError of one line otherwise.
        weight: cases of this target in a thousand: fast targets have more.
    """

    name: str
    case: Callable[[Random], Any]
    take: Callable[[Any], object]
    weight: float = 1.0

    def try_case(self, case: Any) -> bool:
        """Whether the input was valid.

        Raises:
            PromiseError: neither a valid result nor a ValueError of one line.
        """
        try:
            self.take(case)
        except ValueError as error:
            text = str(error)
            if isinstance(error, np.linalg.LinAlgError):
                raise PromiseError(f"{type(error).__name__}: {error}") from error
            if not text.strip() or "\n" in text or len(text) > LONGEST_MESSAGE:
                raise PromiseError(f"an error of {len(text)} characters that is no line: {text[:200]!r}") from error
            return False
        except PromiseError:
            raise
        except Exception as error:
            raise PromiseError(f"{type(error).__name__}: {error}") from error
        return True


def file_target(
    name: str,
    case: Callable[[Random], bytes],
    read: Callable[[Path], object],
    file: str,
    folder: Path,
    weight: float = 1.0,
) -> Target:
    """A target whose input is a file, which its errors must name.

    Args:
        read: reads the file `folder / file`.
    """
    path = folder / file

    def take(data: bytes) -> object:
        path.write_bytes(data)
        with naming(path.name):
            return read(path)

    return Target(name, case, take, weight)


@contextmanager
def naming(name: str) -> Iterator[None]:
    """Context in which errors must name the file."""
    try:
        yield
    except ValueError as error:
        if name not in str(error):
            raise PromiseError(f"an error that does not name the file: {error}") from error
        raise


def promise(kept: object, what: str) -> None:
    """Raise PromiseError if a promise about a valid result is not kept."""
    if not kept:
        raise PromiseError(what)


def chosen(targets: Collection[Target], names: Collection[str]) -> list[Target]:
    """The targets of the names, or all."""
    unknown = set(names) - {target.name for target in targets}
    if unknown:
        raise ValueError(f"no target {', '.join(sorted(unknown))}; there are {', '.join(t.name for t in targets)}")
    return [target for target in targets if not names or target.name in names]
