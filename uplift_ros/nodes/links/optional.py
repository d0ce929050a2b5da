"""Packages that only some parameters need."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def needed(package: str, parameter: str, otherwise: str) -> Iterator[None]:
    """Import an optional package inside this context; if it is missing, the error names the value that works without.

    Raises:
        ImportError: names the parameter, `otherwise`, the package and the reason.
    """
    try:
        yield
    except ImportError as error:
        raise ImportError(f"parameter {parameter} must be {otherwise}: {package} is not installed ({error})") from error
