"""Packages that only some parameters need."""

import importlib
from types import ModuleType


def needed(module: str, parameter: str, otherwise: str) -> ModuleType:
    """Import a module of an optional package; if it is missing, the error names the value that works without.

    Raises:
        ImportError: names the parameter, `otherwise`, the package and the reason.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise ImportError(f"parameter {parameter} must be {otherwise}: {package} is not installed ({error})") from error
