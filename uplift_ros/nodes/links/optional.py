"""Packages that only some parameters need."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def needed(package: str, parameter: str, otherwise: str) -> Iterator[None]:
    """Around what imports a package: where it is not installed, tell what the parameter must be then.

    Raises:
        ImportError: names the parameter, `otherwise`, the package and the reason.
    """
    try:
        yield
    except ImportError as error:
        raise ImportError(f"parameter {parameter} must be {otherwise}: {package} is not installed ({error})") from error
