"""npz files whose arrays are checked before they are read. Pickles are never loaded: they can run code."""

import math
import zipfile
import zlib
from pathlib import Path
from types import TracebackType
from typing import IO

import numpy as np

MAX_BYTES = 2 << 30
"""Of one array: 58 hours of motion at 50 Hz, and no more than a file that lies about its size may claim."""

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
        except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
            raise ValueError(f"{what}: {path} is not an npz file ({error})") from error
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
        where = f"{self.what}: {self.path}, array {name!r}"
        if name not in self.names:
            raise ValueError(f"{self.what}: {self.path} has no array {name!r}, only {', '.join(self.names[:20])}")
        try:
            with self._zip.open(f"{name}.npy") as file:
                self._check_header(file, self._zip.getinfo(f"{name}.npy").file_size, shapes)
            with self._zip.open(f"{name}.npy") as file:
                array = np.lib.format.read_array(file, allow_pickle=False)
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from error
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, MemoryError) as error:
            raise ValueError(f"{where} is broken ({error})") from error
        if not np.isfinite(array).all():
            raise ValueError(f"{where} must be finite")
        return array

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
        if claimed > min(size, MAX_BYTES):
            raise ValueError(f"claims {claimed} bytes, at most {MAX_BYTES} are allowed and {size} are there")


def _fits(actual: tuple[int, ...], shape: Shape) -> bool:
    return len(actual) == len(shape) and all(
        length > 0 if wanted is None else length == wanted for length, wanted in zip(actual, shape, strict=True)
    )


def _text(shape: Shape) -> str:
    return "(" + ", ".join("T" if length is None else str(length) for length in shape) + ")"
