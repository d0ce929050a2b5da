from support import clips, recordings

from uplift_ros.bags.recording import load
from uplift_ros.bags.writer import BagWriter


def test_an_image_topic_without_messages_hides_no_other(tmp_path):
    with BagWriter(tmp_path / "run.mcap") as writer:
        writer.add_topic("/image_raw/compressed", "sensor_msgs/msg/CompressedImage")
        writer.write("/image_raw", 1, clips.raw_image(recordings.START, clips.picture(0)))
    run = load(tmp_path / "run.mcap")
    assert (run.image_topic, run.image_stamps) == ("/image_raw", [recordings.START])
