"""Arrays of data files, checked as they are read: form, numbers, rates. Pickles are never loaded: they can run code."""

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from uplift_ros.parameters import error_text

MAX_ARCHIVE_BYTES = 2 << 30
"""Limit of all arrays together: 58 hours of motion at 50 Hz."""

Shape = tuple[int | None, ...]
"""Shape of an array; None stands for any length of at least 1."""


class Archive:
    """An npz file, as a context; arrays are read one by one.

    Args:
        path: the file.
        what: role of the file, the first word of error messages.

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
            raise ValueError(f"{what}: {path} is not an npz file ({error_text(error)})") from error
        size = sum(info.file_size for info in self._zip.infolist())
        if size > MAX_ARCHIVE_BYTES:
            raise ValueError(f"{what}: {path} must hold at most {MAX_ARCHIVE_BYTES} bytes, got {size}")
        self.names = [name.removesuffix(".npy") for name in self._zip.namelist() if name.endswith(".npy")]

    def __enter__(self) -> "Archive":
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()

    def read(self, name: str, *shapes: Shape, finite: bool = True) -> np.ndarray:
        """The numbers of an array that has one of the shapes.

        Args:
            name: of the array.
            shapes: allowed ones.
            finite: reject NaN and infinity.

        Raises:
            ValueError: no such array, another shape, not numbers, or not finite; names file and array.
        """
        where = f"{self.what}: {self.path}, array {name!r}"
        if name not in self.names:
            raise ValueError(f"{self.what}: {self.path} has no array {name!r}, only {', '.join(self.names)}")
        try:
            with self._zip.open(f"{name}.npy") as file:
                array = np.load(file, allow_pickle=False)
        except Exception as error:  # a damaged file makes the parsers fail in many ways
            raise ValueError(f"{where} cannot be read ({error_text(error)})") from error
        return require(where, array, *shapes, finite=finite)

    def read_rate(self, name: str) -> float:
        """Frames per second from an array of one number, see `read` and `frame_rate`."""
        return frame_rate(f"{self.what}: {self.path}, array {name!r}", self.read(name, ()))


def require(where: str, value: object, *shapes: Shape, fits: str = "", finite: bool = True) -> np.ndarray:
    """An array of numbers that has one of the shapes.

    Args:
        where: file and array, for the error message.
        shapes: allowed ones.
        fits: command or option that would fit, for the error message.
        finite: reject NaN and infinity.

    Raises:
        ValueError: any other value; reports what was received.
    """
    hint = f"; {fits}" if fits else ""
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiu" and _fits(value.shape, shapes):
        if finite and (wrong := int(np.count_nonzero(~np.isfinite(value)))):
            raise ValueError(f"{where}, {_text(value.shape)}: must be finite, {wrong} numbers are not{hint}")
        return value
    received = f"{value.dtype} of shape {_text(value.shape)}" if isinstance(value, np.ndarray) else type(value).__name__
    expected = " or ".join(_text(shape) for shape in shapes)
    raise ValueError(f"{where}: expected numbers of shape {expected}, got {received}{hint}")


def frame_rate(where: str, value: np.ndarray) -> float:
    """A plausible number of frames per second.

    Raises:
        ValueError: any other; names file and array.
    """
    if not 1 <= value <= 1000:
        raise ValueError(f"{where}: must be 1 to 1000, got {value}")
    return float(value)


def _fits(actual: tuple[int, ...], shapes: Sequence[Shape]) -> bool:
    same_rank = (zip(actual, shape, strict=True) for shape in shapes if len(shape) == len(actual))
    return any(all(n > 0 if wanted is None else n == wanted for n, wanted in pairs) for pairs in same_rank)


def _text(shape: Shape) -> str:
    return "(" + ", ".join("T" if length is None else str(length) for length in shape) + ")"
