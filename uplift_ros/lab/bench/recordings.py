"""Rows of `uplift bench` for whole recordings: `uplift process`, and sliding-window averaging."""

import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from uplift_ros import settings
from uplift_ros.lab.bench.measurements import Measurement, against_first, compared, measure, timed
from uplift_ros.lab.whole_sequence import average_windows
from uplift_ros.offline.image_sequence import VideoSequence
from uplift_ros.offline.process import Networks, process
from uplift_ros.sources.synthetic.synthetic_source import DEFAULT_FPS, DEFAULT_SIZE, HORIZONTAL_FOV, SyntheticSource

SWAA_FRAMES, SWAA_WINDOW = 10_000, 8

CLIP_DURATION_S = 20
STRIDES = {20: 3, 2: 1}
"""Strides of `uplift process`, with the number of runs. The minimum is 2, since the networks have a token for every
second frame."""


def rows(seconds: float) -> Iterator[Measurement]:
    """All measurements; each of averaging takes about `seconds`."""
    yield from swaa_rows(seconds)
    yield from process_rows()


def naive_average(windows: np.ndarray) -> np.ndarray:
    """Average windows as the evaluations of SynSP, SmoothNet and DeciWatch do.

    A loop over windows and their frames collects the predictions of each frame, whose mean is computed afterwards.

    Args:
        windows: (W, T, ...).

    Returns:
        (W + T - 1, ...).
    """
    count, length = windows.shape[:2]
    gathered: list[list[np.ndarray]] = [[] for _ in range(count + length - 1)]
    for first in range(count):
        for offset in range(length):
            gathered[first + offset].append(windows[first, offset])
    return np.stack([np.stack(predictions).mean(0) for predictions in gathered])


def swaa_rows(seconds: float) -> Iterator[Measurement]:
    """Rows of SWAA of 17 joints, compared with the loop; the paper's convolution takes 0.374 % of the loop's time."""
    shape = (SWAA_FRAMES - SWAA_WINDOW + 1, SWAA_WINDOW, 17, 3)
    windows = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    naive = measure(partial(naive_average, windows), seconds)
    strided = measure(partial(average_windows, windows), seconds)
    yield from against_first(
        timed(name, times, SWAA_FRAMES, "cpu") for name, times in (("swaa naive", naive), ("swaa strided", strided))
    )


def process_rows() -> Iterator[Measurement]:
    """Measure `uplift process` on a video of the synthetic camera, 640x480 at 50 Hz, without loading networks.

    One call is the whole video. The stride of 20 is compared with real time, then with the shortest stride.
    """
    with tempfile.TemporaryDirectory() as folder:
        clip, frames = _write_clip(Path(folder) / "clip.mp4")
        measured = {}
        for stride, runs in STRIDES.items():
            networks = Networks.load(settings.load(None, settings.stride_overrides(str(stride))))
            with closing(networks.estimator):
                times = np.array([_process(clip, networks) for _ in range(runs)])
            measured[stride] = timed(f"process, stride {stride}", times, frames, "cpu")
    for one in measured.values():
        yield replace(one, ratio_to="real time", ratio=one.per_second / DEFAULT_FPS)
    longest, shortest = measured.values()
    yield compared(longest, shortest)


def _write_clip(path: Path) -> tuple[Path, int]:
    """Write a video of the synthetic camera; return its path and number of frames."""
    source, frames = SyntheticSource(), round(CLIP_DURATION_S * DEFAULT_FPS)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), DEFAULT_FPS, DEFAULT_SIZE)
    for index in range(frames):
        writer.write(cv2.cvtColor(source.frame(index).image, cv2.COLOR_RGB2BGR))
    writer.release()
    return path, frames


def _process(clip: Path, networks: Networks) -> float:
    """Process a video; return the milliseconds that it takes."""
    with closing(VideoSequence(clip, 0.0, HORIZONTAL_FOV, "camera")) as sequence:
        return 1e3 * process(sequence, networks.pipeline(), clip.with_suffix(".mcap")).duration
