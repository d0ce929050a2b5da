"""Arrays of Python objects in npz files, as research code saves them: read without running anything.

Such an array is a pickle, and a pickle may name any function to be called. Only the functions that rebuild NumPy's
arrays and numbers are allowed; any other name is rejected before it is called.
"""

import codecs
import pickle  # only through `_Unpickler`, which knows five names  # nosec B403
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

PLAIN_DTYPE = re.compile(r"[<>|=]?([biufcUSO]|\?)\d*")
"""Codes of the types that arrays may have: numbers, text, and objects, which are read by the same rules."""

ARRAY_CLASS = object()
"""Stands for the class of arrays, which may be named but not called."""


def load_objects(path: Path, name: str, what: str = "data") -> Any:
    """The content of an object array: nested dictionaries, lists and arrays, or a single one of them.

    Args:
        path: npz file.
        name: of the array.
        what: first word of error messages.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not an npz file, no such array, or one that holds more than data; names the array.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{what}: no file {path}")
    where = f"{what}: {path}, array {name!r}"
    try:
        with zipfile.ZipFile(path) as file, file.open(f"{name}.npy") as member:
            version = np.lib.format.read_magic(member)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, _, dtype = read(member)
            if dtype.kind == "O":
                content = _Unpickler(member, encoding="latin1").load()
            else:  # sequences of one length, which NumPy has put into a single array
                member.seek(0)
                content = np.lib.format.read_array(member, allow_pickle=False)
    except Exception as error:  # a damaged file makes the parsers fail in many ways
        raise ValueError(f"{where}: {' '.join(str(error).split())[:200] or type(error).__name__}") from error
    if not isinstance(content, np.ndarray) or content.shape != shape:
        raise ValueError(f"{where}: must be an array of shape {shape}, got {type(content).__name__}")
    return content.item() if content.shape == () else content


def array_names(path: Path) -> list[str]:
    """Names of the arrays in an npz file; none if the file is not one."""
    try:
        with zipfile.ZipFile(path) as file:
            return [name.removesuffix(".npy") for name in file.namelist()]
    except (OSError, zipfile.BadZipFile):
        return []


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        known = KNOWN.get((module.replace("numpy.core", "numpy._core"), name))
        if known is None:
            raise ValueError(f"names {module}.{name}; only NumPy's arrays in plain containers are read")
        return known


def _dtype(code: str, *_: object) -> np.dtype:
    if not isinstance(code, str) or not PLAIN_DTYPE.fullmatch(code):
        raise ValueError(f"has an array of type {code!r}; only numbers, text and objects are read")
    return np.dtype(code, copy=True)  # the pickle sets its byte order


def _reconstruct(*_: object) -> np.ndarray:
    return np.empty(0, np.int8)  # the pickle's own state gives it shape, type and numbers


def _scalar(dtype: np.dtype, content: bytes) -> Any:
    if dtype.kind not in "biuf":
        raise ValueError(f"has a scalar of type {dtype}; only numbers are read")
    return np.frombuffer(content, dtype, 1)[0]


def _encode(text: str, encoding: str = "latin1") -> bytes:
    if encoding != "latin1":
        raise ValueError(f"has bytes in encoding {encoding!r}; only latin1 is read")
    return codecs.encode(text, "latin1")


KNOWN: dict[tuple[str, str], Callable[..., Any] | object] = {
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "scalar"): _scalar,
    ("numpy", "ndarray"): ARRAY_CLASS,
    ("numpy", "dtype"): _dtype,
    ("_codecs", "encode"): _encode,
}
"""All names that a file may use, each replaced by a minimal one of this module."""
