"""npz files whose arrays are checked before they are read. Pickles are never loaded: they can run code."""

import math
import zipfile
from pathlib import Path
from types import TracebackType
from typing import IO

import numpy as np

from uplift_ros.parameters import brief

MAX_BYTES = 2 << 30
"""Of one array: 58 hours of motion at 50 Hz, and no more than a file that lies about its size may claim."""

MOST_FROM_BYTE = {zipfile.ZIP_STORED: 1, zipfile.ZIP_DEFLATED: 1032}
"""Bytes that one compressed byte stands for at most (RFC 1951), by the methods that NumPy writes."""

Shape = tuple[int | None, ...]
"""Of an array; None stands for any length of at least 1."""


class Archive:
    """An npz file, as a context; arrays are read one by one.

    Args:
        path: the file.
        what: what the file is to the user, the first word of error messages.

    Attributes:
        names: of the arrays in it.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not an npz file.
    """

    def __init__(self, path: Path, what: str = "data") -> None:
        self.path, self.what = path, what
        if not path.is_file():
            raise FileNotFoundError(f"{what}: no file {path}")
        try:
            self._zip = zipfile.ZipFile(path)
        except Exception as error:  # a damaged file makes the parser fail in many ways
            raise ValueError(f"{what}: {path} is not an npz file ({_reason(error)})") from error
        self.names = [name.removesuffix(".npy") for name in self._zip.namelist() if name.endswith(".npy")]

    def __enter__(self) -> "Archive":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._zip.close()

    def read(self, name: str, *shapes: Shape) -> np.ndarray:
        """The numbers of an array that has one of the shapes.

        Raises:
            ValueError: no such array, another shape, not numbers, or not finite; names file and array.
        """
        where = f"{self.what}: {self.path}, array {brief(name)}"
        if name not in self.names:
            raise ValueError(f"{self.what}: {self.path} has no array {brief(name)}, only {brief(self.names)}")
        try:
            with self._zip.open(f"{name}.npy") as file:
                self._check_header(file, self._size(name), shapes)
            with self._zip.open(f"{name}.npy") as file:
                array = np.lib.format.read_array(file, allow_pickle=False)
        except ValueError as error:
            raise ValueError(f"{where}: {_reason(error)}") from error
        except Exception as error:  # a damaged file makes the parsers fail in many ways
            raise ValueError(f"{where} is broken ({_reason(error)})") from error
        if not np.isfinite(array).all():
            raise ValueError(f"{where} must be finite")
        return array

    def _size(self, name: str) -> int:
        """Bytes that an array can have at most, whatever it claims."""
        info = self._zip.getinfo(f"{name}.npy")
        if info.compress_type not in MOST_FROM_BYTE:
            raise ValueError(f"must be stored or deflated, got compression method {info.compress_type}")
        there = min(info.compress_size, self.path.stat().st_size) * MOST_FROM_BYTE[info.compress_type]
        return min(info.file_size, there, MAX_BYTES)

    @staticmethod
    def _check_header(file: IO[bytes], size: int, shapes: tuple[Shape, ...]) -> None:
        """Compare what an array claims to be with what is wanted and with the bytes that there are."""
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        actual, _, dtype = read(file)
        if dtype.kind not in "fiu":
            raise ValueError(f"must be numbers, got dtype {dtype}")
        if not any(_fits(actual, shape) for shape in shapes):
            expected = " or ".join(_text(shape) for shape in shapes)
            raise ValueError(f"expected {expected}, got {_text(actual)}")
        claimed = math.prod(actual) * dtype.itemsize
        if claimed > size:
            raise ValueError(f"claims {claimed} bytes, at most {size} are there or allowed")


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


def _fits(actual: tuple[int, ...], shape: Shape) -> bool:
    return len(actual) == len(shape) and all(
        length > 0 if wanted is None else length == wanted for length, wanted in zip(actual, shape, strict=True)
    )


def _text(shape: Shape) -> str:
    return "(" + ", ".join("T" if length is None else str(length) for length in shape) + ")"
