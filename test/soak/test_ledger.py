"""The ledger of a soak test reports missing messages and where they were lost."""

import pytest
from soak.ledger import Death, Entry, Ledger
from support.clocks import FRAME

STRIDE = 10


def entries(stamps, delay: float = 0.0, stride: int = 0) -> list[Entry]:
    return [Entry(stamp, stamp / 1e9 + delay, stride) for stamp in stamps]


@pytest.fixture
def ledger() -> Ledger:
    """Ten seconds without faults."""
    frames = range(0, 501 * FRAME, FRAME)
    keyframes = range(0, 501 * FRAME, STRIDE * FRAME)
    return Ledger(
        images=entries(frames),
        keyframes=entries(keyframes, 0.02, STRIDE),
        states=entries(keyframes, 0.03),
        raw=entries(frames, 0.2),
        refined=entries(frames, 0.3),
    )


def unexplained(ledger: Ledger) -> list[int]:
    return [balance.unexplained for balance in ledger.balances()]


def strange(ledger: Ledger) -> list[int]:
    return [balance.strange for balance in ledger.balances()]


def test_counts_balance_if_nothing_is_lost(ledger):
    assert unexplained(ledger) == [0, 0, 0, 0, 0]


def test_a_stride_without_a_key_frame_is_missed(ledger):
    del ledger.keyframes[7], ledger.states[7]
    assert unexplained(ledger) == [1, 0, 0, 0, 0]
    ledger.counted = {"pose_estimator": {"dropped": 3}}
    assert unexplained(ledger) == [0, 0, 0, 0, 0]


def test_no_key_frame_is_due_while_the_camera_is_silent(ledger):
    del ledger.images[65:90], ledger.keyframes[7:9], ledger.states[7:9]
    assert unexplained(ledger) == [0, 0, 0, 0, 0]


def test_a_key_frame_that_no_image_had_is_reported(ledger):
    del ledger.images[STRIDE]
    assert unexplained(ledger) == [0, 0, 0, 0, 0]
    assert strange(ledger) == [0, 1, 0, 0, 0]


def test_an_older_image_becomes_a_key_frame_once_and_needs_no_state(ledger):
    ledger.older = entries([15 * FRAME], 0.5)
    assert unexplained(ledger) == strange(ledger) == [0, 0, 0, 0, 0]
    ledger.older += entries([15 * FRAME, 20 * FRAME], 0.6)
    assert strange(ledger) == [0, 2, 0, 0, 0]


def test_output_without_input_is_reported(ledger):
    del ledger.keyframes[20], ledger.raw[200:203]
    assert strange(ledger) == [0, 0, 1, 0, 3]
    assert [balance.is_kept for balance in ledger.balances()] == [False, True, False, False, False]


def test_what_a_killed_process_sent_to_the_next_node_only_is_explained(ledger):
    del ledger.keyframes[20]
    ledger.deaths = {"pose_estimator": [Death(4.1, 4.2)]}
    assert strange(ledger) == [0, 0, 0, 0, 0]


def test_what_is_lost_early_does_not_hide_what_comes_later(ledger):
    del ledger.raw[50], ledger.refined[400:402]
    assert unexplained(ledger) == [0, 0, 0, 1, 2]


def test_a_key_frame_without_an_answer_is_missed_unless_it_was_counted(ledger):
    del ledger.states[7]
    assert unexplained(ledger) == [0, 0, 1, 0, 0]
    ledger.counted = {"uplift": {"repeated": 1}}
    assert unexplained(ledger) == [0, 0, 0, 0, 0]


def test_raw_frames_that_do_not_come_are_missed(ledger):
    del ledger.raw[100:103], ledger.refined[100:103]
    assert unexplained(ledger) == [0, 0, 0, 3, 0]


def test_what_a_killed_uplifter_had_not_published_is_explained(ledger):
    ledger.deaths = {"uplift": [Death(4.0, 6.7)]}
    for kept in (ledger.states, ledger.raw, ledger.refined):
        kept[:] = [entry for entry in kept if entry.stamp <= 190 * FRAME or entry.stamp >= 340 * FRAME]
    del ledger.raw[181:191], ledger.refined[185:191]  # of the last ones before, some sent to the refiner alone
    assert all(balance.is_kept for balance in ledger.balances())


def test_refined_frames_are_missed_unless_the_refiner_counted_them_or_died(ledger):
    del ledger.refined[200:210]
    assert unexplained(ledger) == [0, 0, 0, 0, 10]
    ledger.counted = {"refiner": {"lost skeletons": 10}}
    assert unexplained(ledger) == [0, 0, 0, 0, 0]
    ledger.counted, ledger.deaths = {}, {"refiner": [Death(4.2, 5.0)]}
    assert unexplained(ledger) == [0, 0, 0, 0, 0]


def test_time_that_jumps_back_begins_a_new_stream():
    stamps = [*range(0, 101 * FRAME, FRAME), *range(30 * FRAME, 131 * FRAME, FRAME)]
    frames = [Entry(stamp, number * FRAME / 1e9, STRIDE) for number, stamp in enumerate(stamps)]
    states = [frame for number, frame in enumerate(frames) if number % 101 % STRIDE == 0]
    assert Ledger(states=states, keyframes=states, images=frames, raw=frames).balances()[3].unexplained == 0
