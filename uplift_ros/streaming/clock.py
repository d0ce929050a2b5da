"""Every rule on when a stream breaks, pauses or jumps.

All times are stamps, or spans between stamps, in nanoseconds; no clock is read. What flows has its own longest gap:

    images       a gap above PAUSE_NS, or a jump back, begins a new stream: frames are counted from there
    key-frames   a gap of a whole window of the network, or a jump back, begins a new stream; after PAUSE_NS, frames
                 that wait for later key-frames become final
    skeletons    a gap above MAX_SKELETON_GAP_NS, or any step back, begins a new motion for the refiner

Whatever else remembers (people, sizes, rates, views) forgets by the spans below, and at any step back.
"""

MAX_DISORDER_NS = 100_000_000
"""Images and key-frames may overtake each other by so much; a longer way back is a jump (a recording starts again)."""

PAUSE_NS = 2_000_000_000
"""Without an image or a key-frame for longer, nothing that waits for the next one is worth waiting for."""

MAX_SKELETON_GAP_NS = 100_000_000
"""Between the frames of one motion."""

PERSON_MEMORY_NS = 1_700_000_000
"""An unseen person keeps the id: an occlusion of a second between two key-frames that are 0.4 s apart."""

VIEW_MEMORY_NS = 5_000_000_000
"""The persons of several cameras that were one person are remembered as one."""

FRESH_SIZE_NS, SIZE_MEMORY_NS = 2_000_000_000, 60_000_000_000
"""After its last measurement a person's size counts as measured, then as a prior until it is forgotten."""

DEPTH_TOLERANCE_NS = 16_000_000
"""Between a key-frame and its depth image: half a frame of a 30 Hz camera. Older depth shows another posture."""

VIEW_TOLERANCE_NS = 30_000_000
"""Between frames of several cameras that go together; of several the nearest does."""

TRANSFORM_PATIENCE_NS = 500_000_000
"""Skeletons may be older than the newest ones by so much before their transform is no longer awaited."""

TRANSFORM_MEMORY_NS = 10_000_000_000
"""Transforms are remembered for so long; what tf2 receives later it ignores."""


def is_break(stamp: int, newest: int, longest_gap_ns: int) -> bool:
    """Whether images or key-frames at `stamp` begin a new stream, after `newest`."""
    return stamp - newest > longest_gap_ns or stamp - newest < -MAX_DISORDER_NS


def is_pause(stamp: int, newest: int) -> bool:
    """Whether a stream had paused between its newest key-frame and the next one, at `stamp`."""
    return stamp - newest > PAUSE_NS


def is_same_motion(stamp: int, previous: int) -> bool:
    """Whether the skeletons at `stamp` continue the motion of the frame before."""
    return 0 < stamp - previous <= MAX_SKELETON_GAP_NS
