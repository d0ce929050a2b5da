"""npz files whose arrays are checked as they are read. Pickles are never loaded: they can run code."""

import zipfile
from pathlib import Path

import numpy as np

MAX_BYTES = 2 << 30
"""Limit of all arrays together: 58 hours of motion at 50 Hz."""

Shape = tuple[int | None, ...]
"""Shape of an array; None stands for any length of at least 1."""


class Archive:
    """An npz file, as a context; arrays are read one by one.

    Args:
        path: the file.
        what: the file's role for the user, the first word of error messages.

    Attributes:
        names: of the arrays in it.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not an npz file, or one that is too large.
    """

    def __init__(self, path: Path, what: str = "data") -> None:
        self.path, self.what = path, what
        if not path.is_file():
            raise FileNotFoundError(f"{what}: no file {path}")
        try:
            self._zip = zipfile.ZipFile(path)
        except Exception as error:  # a damaged file makes the parser fail in many ways
            raise ValueError(f"{what}: {path} is not an npz file ({_reason(error)})") from error
        size = sum(info.file_size for info in self._zip.infolist())
        if size > MAX_BYTES:
            raise ValueError(f"{what}: {path} holds {size} bytes, allowed are {MAX_BYTES}")
        self.names = [name.removesuffix(".npy") for name in self._zip.namelist() if name.endswith(".npy")]

    def __enter__(self) -> "Archive":
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()

    def read(self, name: str, *shapes: Shape, finite: bool = True) -> np.ndarray:
        """The numbers of an array that has one of the shapes.

        Raises:
            ValueError: no such array, another shape, not numbers, or not finite; names file and array.
        """
        where = f"{self.what}: {self.path}, array {name!r}"
        if name not in self.names:
            raise ValueError(f"{self.what}: {self.path} has no array {name!r}, only {', '.join(self.names)}")
        try:
            with self._zip.open(f"{name}.npy") as file:
                array: np.ndarray = np.load(file, allow_pickle=False)
        except Exception as error:  # a damaged file makes the parsers fail in many ways
            raise ValueError(f"{where} cannot be read ({_reason(error)})") from error
        if array.dtype.kind not in "fiu":
            raise ValueError(f"{where} must be numbers, got dtype {array.dtype}")
        if not any(_fits(array.shape, shape) for shape in shapes):
            expected = " or ".join(_text(shape) for shape in shapes)
            raise ValueError(f"{where}: expected {expected}, got {_text(array.shape)}")
        if finite and not np.isfinite(array).all():
            raise ValueError(f"{where} must be finite")
        return array


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


def _fits(actual: tuple[int, ...], shape: Shape) -> bool:
    return len(actual) == len(shape) and all(
        length > 0 if wanted is None else length == wanted for length, wanted in zip(actual, shape, strict=True)
    )


def _text(shape: Shape) -> str:
    return "(" + ", ".join("T" if length is None else str(length) for length in shape) + ")"
