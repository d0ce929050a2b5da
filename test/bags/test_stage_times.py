import pytest
from support.clocks import FRAME, MILLISECOND, START
from support.recordings import keyframe, rate_state, skeletons, waving
from support.text_bags import write_texts

from uplift_ros.bags.stage_times import stages
from uplift_ros.bags.writer import BagWriter

STRIDE = 10


def write_timed(path, keyframes=5, topics=("/keyframes", "/skeletons/raw", "/skeletons", "/rate_state")):
    """Key-frames 30 ms after their image, two raw skeletons 12 and 13 ms later, refined ones 10 and 11 ms after these.

    The nodes' own part of that is 18 + 9 + 2 * 4 ms.
    """
    with BagWriter(path) as bag:
        for number in range(keyframes):
            stamp = START + number * STRIDE * FRAME
            messages = [
                ("/keyframes", 30, keyframe(stamp, number, waving(0.0))),
                ("/skeletons/raw", 42, skeletons(stamp - FRAME)),
                ("/skeletons/raw", 43, skeletons(stamp)),
                ("/rate_state", 44, rate_state(stamp, STRIDE)),
                ("/skeletons", 53, skeletons(stamp - 80 * MILLISECOND)),
                ("/skeletons", 54, skeletons(stamp - 60 * MILLISECOND)),
            ]
            for topic, milliseconds, message in messages:
                if topic in topics:
                    bag.write(topic, stamp + milliseconds * MILLISECOND, message)
    return path


def test_a_key_frame_is_timed_from_its_image_to_its_last_refined_skeleton(tmp_path):
    timed = stages(write_timed(tmp_path / "run.mcap"))
    assert {name: times["p50"] for name, times in timed.items()} == {
        "keyframe": 30.0,
        "raw": 13.0,
        "refined": 11.0,
        "overhead": pytest.approx(54 - 18 - 9 - 2 * 4),
    }


@pytest.mark.parametrize("missing", ["/skeletons", "/rate_state"])
def test_if_a_topic_was_not_recorded_nothing_is_timed(tmp_path, missing):
    topics = {"/keyframes", "/skeletons/raw", "/skeletons", "/rate_state"} - {missing}
    assert stages(write_timed(tmp_path / "run.mcap", topics=topics)) == {}


def test_if_no_topic_of_the_graph_was_recorded_nothing_is_timed(tmp_path):
    assert stages(write_texts(tmp_path / "run.mcap")) == {}
