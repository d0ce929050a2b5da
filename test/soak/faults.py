"""Faults of a running graph: each begins, lasts and ends; the camera and the processes obey it."""

import contextlib
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from support.clocks import SECOND

if TYPE_CHECKING:
    from soak.run import Soak

BUSY_LOOPS, NICENESS = 8, 5
"""Processes that use all CPU time; a node has three times the share of one, but there are many on few cores."""


@dataclass
class Spoiling:
    """Errors of images.

    Attributes:
        silent: none is sent.
        offset: nanoseconds added to stamps.
        standing: stamps do not advance.
        lost: share of images that are not sent.
        jitter: seconds by which images come late, at most.
        scale: of the image's size.
        encoding: in the message.
    """

    silent: bool = False
    offset: int = 0
    standing: bool = False
    lost: float = 0.0
    jitter: float = 0.0
    scale: int = 1
    encoding: str = "rgb8"


@dataclass(frozen=True)
class Fault:
    """A fault that lasts some seconds: entered at its begin, left at its end."""

    name: str
    seconds: float
    during: "Callable[[Soak], AbstractContextManager[None]]"


@contextlib.contextmanager
def spoil(soak: "Soak", **changed) -> Iterator[None]:
    soak.spoiling = Spoiling(**changed)
    yield
    soak.spoiling = Spoiling()


@contextlib.contextmanager
def kill(soak: "Soak", node: str) -> Iterator[None]:
    with soak.death(node):
        soak.graph.kill(node)
        soak.spin(0.2)  # the new process does not repeat the last message
        soak.graph.start(node)
        yield
        soak.wait_until_connected(meanwhile=soak.send_images)


@contextlib.contextmanager
def freeze(soak: "Soak", node: str) -> Iterator[None]:
    soak.graph.send(node, signal.SIGSTOP)
    yield
    soak.graph.send(node, signal.SIGCONT)


@contextlib.contextmanager
def starve(_soak: "Soak") -> Iterator[None]:
    code = f"import os; os.nice({NICENESS})\nwhile True: pass"
    loops = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(BUSY_LOOPS)]
    try:
        yield
    finally:  # also after Ctrl-C, since no other code ends them
        for loop in loops:
            loop.kill()
            loop.wait()


@contextlib.contextmanager
def meddle(soak: "Soak") -> Iterator[None]:
    """Malformed key-frames and skeletons of another publisher, and a storm of strides."""
    soak.meddling = True
    yield
    soak.meddling = False


def spoiled(name: str, seconds: float, **changed) -> Fault:
    return Fault(name, seconds, partial(spoil, **changed))


FAULTS = [
    spoiled("camera silent", 3.0, silent=True),
    Fault("pose_estimator killed", 1.0, partial(kill, node="pose_estimator")),
    spoiled("30 % of images lost", 5.0, lost=0.3),
    Fault("uplift killed", 1.0, partial(kill, node="uplift")),
    spoiled("clock an hour ahead", 3.0, offset=3600 * SECOND + 3_000_000),
    Fault("refiner killed", 1.0, partial(kill, node="refiner")),
    spoiled("a bag that starts again", 3.0, offset=-20 * SECOND - 7_000_000),
    Fault("CPU starved", 4.0, starve),
    spoiled("images come 20 ms late", 5.0, jitter=0.02),
    Fault("refiner frozen", 4.0, partial(freeze, node="refiner")),
    spoiled("images of half the size", 2.0, scale=2),
    Fault("visualizer killed", 1.0, partial(kill, node="visualizer")),
    spoiled("images of an unknown encoding", 2.0, encoding="kaleidoscope"),
    Fault("uplift frozen", 4.0, partial(freeze, node="uplift")),
    spoiled("stamps stand still", 2.0, standing=True),
    Fault("malformed messages of others", 3.0, meddle),
]


def schedule(rng: np.random.Generator, seconds: float, longest: float) -> Iterator[tuple[float, Fault]]:
    """(time, fault): every minute one, in short runs more often so that all have their turn; in random order."""
    every = min(longest, seconds / (len(FAULTS) + 1))
    order: list[Fault] = []
    at = every
    while at < seconds - every / 2:
        order = order or [FAULTS[number] for number in rng.permutation(len(FAULTS))]
        yield at, order.pop()
        at += every
