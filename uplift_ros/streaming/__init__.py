"""Streams of poses: `StreamingUplifter` makes full-rate skeletons of key-frames, `StreamingRefiner` smooths them."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from uplift_ros.streaming.refiner import StreamingRefiner as StreamingRefiner
    from uplift_ros.streaming.uplifter import StreamingUplifter as StreamingUplifter

MODULES = {"StreamingRefiner": "refiner", "StreamingUplifter": "uplifter"}
"""Module of each public class, imported when the class is first used: small nodes need neither."""


def __getattr__(name: str) -> Any:
    if name not in MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{MODULES[name]}"), name)
