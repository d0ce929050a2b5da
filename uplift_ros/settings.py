"""Parameters of all nodes from their tables, a YAML file and the command line. Needs no ROS."""

import argparse
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from errno import EISDIR
from math import inf
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import yaml

from uplift_ros.parameters import TABLES, Value, brief, is_builtin

Settings = dict[str, dict[str, Value]]
"""Values by node and parameter."""


class NodeSettings(Mapping[str, Any]):
    """Parameters of one node, which records those that are read.

    Args:
        node: key of the node's table.
        values: of all its parameters.
    """

    def __init__(self, node: str, values: Mapping[str, Value]) -> None:
        self.node, self._values = node, values
        self._read: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        self._read.add(name)
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    @property
    def without_effect(self) -> list[str]:
        """Names of parameters that differ from their default, and were never read."""
        defaults = defaults_of(self.node)
        return [name for name, value in self._values.items() if name not in self._read and value != defaults[name]]


def defaults_of(node: str, **changed: Value) -> dict[str, Any]:
    """Every parameter of a node at its default, except those in `changed`."""
    return {known.name: known.default for known in TABLES[node]} | changed


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --params and --stride."""
    parser.add_argument("--params", type=_existing_file, metavar="FILE", help="YAML over config/uplift.yaml")
    parser.add_argument("--stride", type=_stride, metavar="N|adaptive", help="frames between key-frames")


def stride_overrides(stride: str | None) -> Settings:
    """Settings for the option --stride, a number of frames or `adaptive`; empty if it is not given.

    Raises:
        ValueError: neither a positive whole number nor adaptive.
    """
    if not stride:
        return {}
    if stride == "adaptive":
        return {"uplift": {"stride_mode": "adaptive"}}
    if not stride.isdecimal() or int(stride) < 1:
        raise ValueError(f"stride must be a positive whole number or adaptive, got {stride!r}")
    return {"uplift": {"stride_mode": "fixed", "stride": int(stride)}, "pose_estimator": {"stride": int(stride)}}


def _stride(text: str) -> str:
    """Check a stride, as a type of argparse; an empty one is that of a shell variable that is not set."""
    try:
        if text:
            stride_overrides(text)
            return text
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"must be a positive whole number or adaptive, got {text!r}")


def _existing_file(text: str) -> Path:
    if not Path(text).is_file():
        raise argparse.ArgumentTypeError(f"no file {text}")
    return Path(text)


def path(text: str) -> Path:
    """Parse a path, as a type of argparse: an empty one, of a shell variable that is not set, would be this folder.

    Raises:
        ArgumentTypeError: the text is empty.
    """
    if not text:
        raise argparse.ArgumentTypeError("must be a path, got ''")
    return Path(text)


def output(text: str) -> Path:
    """Parse the path of a file to write, as a type of argparse: an error shows before the work, not after it.

    Raises:
        ArgumentTypeError: no file can be written there.
    """
    file = path(text)
    try:
        if file.is_dir():
            raise IsADirectoryError(EISDIR, "it is a folder")
        file.absolute().parent.mkdir(parents=True, exist_ok=True)
        TemporaryFile(dir=file.absolute().parent).close()
    except OSError as error:
        raise argparse.ArgumentTypeError(f"must be a file that can be written, got {text}: {error.strerror}") from error
    return file


def at_least(minimum: int, maximum: float = inf) -> Callable[[str], int]:
    """Parser of whole numbers from `minimum` to `maximum`, as a type of argparse."""
    limit = f" and at most {maximum}" if maximum < inf else ""

    def whole(text: str) -> int:
        if not text.isdecimal() or not minimum <= int(text) <= maximum:
            raise argparse.ArgumentTypeError(f"must be a whole number, at least {minimum}{limit}, got {text}")
        return int(text)

    return whole


def positive(text: str) -> float:
    """Parse a finite number above 0, as a type of argparse.

    Raises:
        ArgumentTypeError: the text is not such a number.
    """
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < inf:
        raise argparse.ArgumentTypeError(f"must be a number above 0, got {text}")
    return number


def names_in(text: str) -> list[str]:
    """Split a list like `front, rear`; an empty text has no items."""
    return [name.strip() for name in text.split(",") if name.strip()]


def load(path: Path | None, overrides: Mapping[str, Mapping[str, Value]]) -> Settings:
    """Load every parameter of every node: overrides take precedence over the file, and the file over the defaults.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not a parameter file of ROS, or a parameter is unknown or has a value that is not allowed.
    """
    settings: Settings = {node: defaults_of(node) for node in TABLES}
    if path is not None:
        try:
            _apply_file(settings, path)
        except (ValueError, yaml.YAMLError, RecursionError) as error:
            raise ValueError(f"--params {path}: {' '.join(str(error).split())}") from error
    for node, values in overrides.items():
        _apply(settings, node, values)
    return settings


def _apply_file(settings: Settings, path: Path) -> None:
    """Apply a parameter file; namespaces are ignored, because without ROS there is one node of each kind."""
    for name, values in _sections(_Loader(path.read_text()).get_single_data()):
        node = name.rpartition("/")[2]
        if node in settings:
            _apply(settings, node, values)
        elif node in ("*", "**"):
            for every, table in TABLES.items():
                shared = {known.name: values[known.name] for known in table if known.name in values}
                _apply(settings, every, shared)
        elif meant := get_close_matches(node, TABLES, 1, cutoff=0.8):
            raise ValueError(f"node must be one of {', '.join(TABLES)}, got {brief(node)}: {meant[0]}?")


class _Loader(yaml.SafeLoader):
    """YAML loader without aliases, as in ROS: a few nested aliases can expand to more than the memory."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases are not allowed, ROS does not know them either")
        return super().compose_node(parent, index)


def _sections(tree: Any, name: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """(node with namespace, its parameters) of a parameter file."""
    if not isinstance(tree, dict):
        raise ValueError(f"expected nodes with ros__parameters, got {brief(tree)} at {name[:80] or 'the top'}")
    for key, value in tree.items():
        if key != "ros__parameters":
            yield from _sections(value, f"{name}/{key}")
        elif isinstance(value, dict):
            yield name, value
        else:
            raise ValueError(f"ros__parameters of {name[:80]} must be parameters with their values, got {brief(value)}")


def _apply(settings: Settings, node: str, values: Mapping[str, Any]) -> None:
    table = {known.name: known for known in TABLES[node]}
    for name, value in values.items():
        if name in table:
            settings[node][name] = table[name].check(value)
        elif not is_builtin(str(name)):
            raise ValueError(f"node {node} has no parameter {brief(name)}; it has {', '.join(table)}")
