"""Latency of a recorded run by stage, per key-frame, from the log times of messages.

It ends at the last refined skeleton that the key-frame caused. The time for which frames wait by design (stride,
latency, delay) is not included.
"""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from uplift_ros.bags.reader import BagReader
from uplift_ros.messages.conversion import serialized_header

TOPICS = ("/keyframes", "/skeletons/raw", "/skeletons")
PERCENTILES = {"p50": 50, "p99": 99}


def stages(bag: str | Path) -> dict[str, dict[str, float]]:
    """Measure milliseconds per stage, p50 and p99 over the key-frames of a run; empty if the bag lacks a topic.

    Returns:
        `keyframe`: from the image's stamp to the key-frame; `raw`: from there to the last raw skeleton that it
        finalised; `refined`: from there to the last refined skeleton; `overhead`: all three minus the processing time
        that the nodes report, which leaves transport, conversion and waiting for a core.

    Raises:
        BagError: the bag cannot be read.
    """
    with BagReader(bag) as reader:
        arrived: dict[str, list[tuple[int, int]]] = {topic: [] for topic in TOPICS}
        ends, work = {}, {}
        for topic, log_time, data in reader.raw([*TOPICS, "/rate_state"]):
            stamp = serialized_header(data)[0]
            if topic == "/rate_state":
                state = reader.decode(topic, data)
                ends[stamp], work[stamp] = log_time, (state.estimate_ms + state.uplift_ms, state.refine_ms)
            else:
                arrived[topic].append((log_time, stamp))
    raw, refined = ([log_time for log_time, _ in arrived[topic]] for topic in ("/skeletons/raw", "/skeletons"))
    rows = []
    for (begin, stamp), (following, _) in pairwise(arrived["/keyframes"]):
        burst = _between(raw, begin, ends.get(stamp, begin))
        if burst and (smooth := _between(refined, burst[0], following)):
            single, per_frame = work[stamp]
            times = np.diff([stamp, begin, burst[-1], smooth[-1]]) / 1e6
            rows.append([*times, times.sum() - single - per_frame * len(burst)])
    if not rows:
        return {}
    names_of = ("keyframe", "raw", "refined", "overhead")
    return {name: percentiles(column) for name, column in zip(names_of, np.transpose(rows), strict=True)}


def percentiles(milliseconds: np.ndarray) -> dict[str, float]:
    """Compute p50 and p99 of at least one time."""
    return {name: round(float(np.percentile(milliseconds, q)), 2) for name, q in PERCENTILES.items()}


def _between(times: Sequence[int], after: int, until: int) -> Sequence[int]:
    return times[bisect_right(times, after) : bisect_right(times, until)]
