"""Rules for when a stream breaks, pauses or jumps.

All times are stamps, or spans between stamps, in nanoseconds; no clock is read. Each kind of data has a longest gap:

    images       a gap above PAUSE_NS, or a jump back, begins a new stream: frames are counted from there
    key-frames   a gap of a whole window of the network, or a jump back, begins a new stream; after PAUSE_NS, frames
                 that wait for later key-frames become final
    skeletons    a gap above MAX_SKELETON_GAP_NS, or any step back, begins a new motion for the refiner

All other state (people, bodies, sizes, rates, views) expires after the spans below, and nearly all of it at any step
back in time.
"""

from collections.abc import Callable, Iterable
from typing import TypeVar

from uplift_ros.poses import NANOSECONDS

Item = TypeVar("Item")

MAX_DISORDER_NS = 100_000_000
"""Images and key-frames may arrive out of order by this much; a longer step back is a jump (a recording restarts)."""

PAUSE_NS = 2_000_000_000
"""After a longer time without an image or a key-frame, frames no longer wait for the next one."""

MAX_SKELETON_GAP_NS = 100_000_000
"""Longest gap between the frames of one motion."""

PERSON_MEMORY_NS = 1_700_000_000
"""An unseen person keeps the id for this long: an occlusion of a second between two key-frames that are 0.4 s apart."""

SIDES_MEMORY_NS = 1_500_000_000
"""A person who was not seen for longer has no history of swapped sides."""

VIEW_MEMORY_NS = 5_000_000_000
"""For this long, the persons of several cameras that were matched are remembered as one person."""

BODY_MEMORY_NS = 5_000_000_000
"""A person who was not seen for longer has no bone lengths: no id lives longer without its person."""

FRESH_SIZE_NS, SIZE_MEMORY_NS = 2_000_000_000, 60_000_000_000
"""After its last measurement a person's size counts as measured, then as a prior until it is forgotten."""

DEPTH_TOLERANCE_NS = 16_000_000
"""Longest time from a key-frame to its depth image: half a frame at 30 Hz. Older depth shows another pose."""

REQUEST_TOLERANCE_NS = 40_000_000
"""Longest time from a request for an older image to its image: the distance between two tokens of the network."""

VIEW_TOLERANCE_NS = 30_000_000
"""Longest time between the frames of several cameras that are fused; the nearest frame is taken."""

LOOK_BACK_REST_NS = 2_000_000_000
"""After a request was not answered in time, no older image is requested for this long: the estimator is too slow."""

VIEW_PATIENCE_NS = 2_000_000_000
"""A camera whose frames are older than another's by more than this is left out until it delivers again."""

TRANSFORM_PATIENCE_NS = 500_000_000
"""Skeletons wait for their transform until they are older than the newest ones by this much."""

TRANSFORM_MEMORY_NS = 10_000_000_000
"""Transforms are kept for this long; tf2 ignores what it receives later."""


def check_time(stamp: int, previous: int | None) -> None:
    """Reject invalid stamps: times before 1970, and 0, which drivers without a clock write.

    A simulation begins at 0: only the first stamp may be 0, when there is no previous one.

    Raises:
        ValueError: names the field.
    """
    if stamp < 0 or (stamp == 0 and previous is not None):
        raise ValueError(f"header.stamp must be a time after 1970, got {stamp / NANOSECONDS:.9f}")


def is_step_back(stamp: int, newest: int) -> bool:
    """Whether images or key-frames at `stamp` were not merely out of order, but jumped back, after `newest`."""
    return newest - stamp > MAX_DISORDER_NS


def is_break(stamp: int, newest: int, longest_gap_ns: int) -> bool:
    """Whether images or key-frames at `stamp` begin a new stream, after `newest`."""
    return stamp - newest > longest_gap_ns or is_step_back(stamp, newest)


def is_pause(stamp: int, newest: int) -> bool:
    """Whether a stream had paused between its newest key-frame and the next one, at `stamp`."""
    return stamp - newest > PAUSE_NS


def is_resting(stamp: int, unanswered_at: int) -> bool:
    """Whether no older image should be requested at `stamp`, after a request that was not answered."""
    return 0 <= stamp - unanswered_at <= LOOK_BACK_REST_NS


def is_same_motion(stamp: int, previous: int) -> bool:
    """Whether the skeletons at `stamp` continue the motion of the frame before."""
    return 0 < stamp - previous <= MAX_SKELETON_GAP_NS


def nearest(items: Iterable[Item], stamp: int, tolerance_ns: int, stamp_of: Callable[[Item], int]) -> Item | None:
    """Item whose stamp is nearest to `stamp`, the first of equal ones; None if none is within the tolerance."""
    found = min(items, key=lambda item: abs(stamp_of(item) - stamp), default=None)
    return found if found is not None and abs(stamp_of(found) - stamp) <= tolerance_ns else None
