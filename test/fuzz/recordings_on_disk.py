"""Bags of all formats and videos: damaged files, and bags whose messages do not match their topics' types."""

import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random

import cv2
import numpy as np
import zstandard
from fuzz.mutation import blob, damaged, number
from fuzz.target import Target, file_target, naming, promise
from rosbags.rosbag1 import Writer as Ros1Writer
from rosbags.typesys import Stores, get_typestore
from support import recordings
from support.matroska import write_matroska

from uplift_ros.bags import recording
from uplift_ros.bags.reader import BagReader
from uplift_ros.bags.writer import BagWriter
from uplift_ros.files import ZSTD
from uplift_ros.messages.typestore import message_class, typestore
from uplift_ros.offline.image_sequence import BagSequence
from uplift_ros.sources.video import VideoFile

FRAMES = 2
WORDS = (
    b"\x89MCAP0\r\n",
    b"uplift_ros/msg/Skeletons",
    b"string",
    b"uint32",
    b"zstd",
    b"lz4",
    b"cdr",
    b"SQLite format 3\0",
)
ROS1_WORDS = (
    b"#ROSBAG V2.0\n",
    b"op=\x02",
    b"chunk_count=",
    b"conn_count=",
    b"index_pos=",
    b"compression=bz2",
    b"size=",
)
BOXES = (b"ftyp", b"moov", b"mvhd", b"trak", b"tkhd", b"mdia", b"hdlr", b"vide", b"stsd", b"stts", b"stco", b"mdat")
SHADES = [np.full((24, 32, 3), shade, np.uint8) for shade in (0, 90, 180)]
METADATA_WORDS = (b"mcap", b"sqlite3", b"message_count: ", b"- ", b"cdr", b"relative_file_paths", b"9" * 30)


def targets(folder: Path) -> list[Target]:
    mcap, place = recordings.write_run(folder / "whole.mcap", FRAMES), sqlite_bag(folder)
    mcap_bytes, db3_bytes = mcap.read_bytes(), (place / "bag.db3").read_bytes()
    metadata_bytes, ros1_bytes = (place / "metadata.yaml").read_bytes(), ros1_bag(folder)
    matroska = write_matroska(folder / "whole.mkv", SHADES[:1], SHADES, rolls=[0.0, 90.0]).read_bytes()
    gif = cv2.imencodemulti(".gif", SHADES)[1].tobytes()
    videos = {
        suffix: video_of(folder / f"whole{suffix}", code) for suffix, code in ((".avi", "MJPG"), (".mp4", "mp4v"))
    }

    def described(data: bytes) -> None:
        (place / "metadata.yaml").write_bytes(data)
        with naming(place.name):
            everything(place)

    return [
        file_target("mcap", lambda random: damaged(random, mcap_bytes, WORDS), everything, "run.mcap", folder, 1.5),
        file_target("db3", lambda random: damaged(random, db3_bytes, WORDS), everything, "run.db3", folder, 1),
        Target("metadata", lambda random: damaged(random, metadata_bytes, METADATA_WORDS), described, 0.7),
        Target("recorded", contents, recorded(folder / "recorded.mcap"), 0.6),
        file_target("ros1", lambda random: damaged(random, ros1_bytes, ROS1_WORDS), everything, "run.bag", folder, 1),
        file_target("zstd", lambda random: packed(random, mcap_bytes), everything, "run.mcap.zstd", folder, 0.5),
        file_target("video", lambda random: damaged(random, videos[".avi"]), watched, "video.avi", folder, 3),
        file_target("mp4", lambda random: boxed(random, videos[".mp4"]), watched, "video.mp4", folder, 3),
        file_target("mkv", lambda random: headed(random, matroska), watched, "video.mkv", folder, 1.5),
        file_target("gif", lambda random: damaged(random, gif, (b";", b"GIF89a")), watched, "video.gif", folder, 1),
    ]


def sqlite_bag(folder: Path) -> Path:
    whole, place = folder / "whole.mcap", folder / "bag"
    with BagReader(whole) as reader, BagWriter(place, "sqlite3") as writer:
        for topic in reader.topics.values():
            writer.add_topic(topic.name, topic.msgtype)
        for topic, time, data in reader.raw():
            writer.write_raw(topic, time, data)
    return place


def ros1_bag(folder: Path) -> bytes:
    """Images, calibration, and a type that only ROS 1 has."""
    path, types = folder / "whole.bag", get_typestore(Stores.ROS1_NOETIC)
    with BagReader(folder / "whole.mcap") as reader, Ros1Writer(path) as writer:
        for topic in ("/image_raw/compressed", "/camera_info"):
            connection = writer.add_connection(topic, reader.topics[topic].msgtype, typestore=types)
            for _, time, data in reader.raw([topic]):
                writer.write(connection, time, typestore().cdr_to_ros1(data, connection.msgtype))
        log = writer.add_connection("/log", "rosgraph_msgs/msg/TopicStatistics", typestore=types)
        writer.write(log, recordings.START, b"\0" * 80)
    return path.read_bytes()


def packed(random: Random, whole: bytes) -> bytes:
    """A compressed file; either it or what is in it is damaged."""
    if random.random() < 0.5:
        return zstandard.compress(damaged(random, whole, WORDS))
    return damaged(random, zstandard.compress(whole), (ZSTD,))


def boxed(random: Random, whole: bytes) -> bytes:
    """An MP4 file, mostly damaged in a box that says where, when and how upright the images are."""
    if random.random() < 0.4:
        return damaged(random, whole, BOXES)
    data = bytearray(whole)
    at = whole.index(random.choice([box for box in BOXES if box in whole])) + random.randrange(-4, 90)
    size = random.choice((1, 2, 4, 8))
    data[at : at + size] = (number(random) % 256**size).to_bytes(size, "big")
    return bytes(data)


def headed(random: Random, whole: bytes) -> bytes:
    """A Matroska file, mostly damaged in the description of its tracks."""
    if random.random() < 0.4:
        return damaged(random, whole)
    end = whole.index(b"\x1f\x43\xb6\x75")  # the first cluster
    return damaged(random, whole[:end], (b"\xae", b"\x83", b"\xe0", b"\x73\xc5")) + whole[end:]


def video_of(path: Path, code: str) -> bytes:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*code), 25, (32, 24))
    for image in SHADES:
        writer.write(image)
    writer.release()
    return path.read_bytes()


def everything(path: Path) -> None:
    """Run all functions on a bag: list, decode, score a run, read the images."""
    with BagReader(path) as reader:
        promise(all(topic.name and topic.msgtype for topic in reader.topics.values()), "a topic without name or type")
        for _ in reader.messages():
            pass
    run = recording.load(path)
    promise(all(isinstance(stamp, int) for stamp in run.image_stamps), "stamps that are no whole numbers")
    sequence = BagSequence(path)
    try:
        for frame in sequence.images():
            with suppress(ValueError):  # the caller handles an image that cannot be decoded
                frame.image()
    finally:
        sequence.close()


def contents(random: Random) -> list[tuple[str, str, bytes]]:
    """(topic, type, bytes): damaged messages, and those of another type than the topic's own."""
    made = {
        "/keyframes": recordings.keyframe(1, 0, recordings.waving(0)),
        "/skeletons": recordings.skeletons(1, recordings.person(recordings.waving(0))),
        "/rate_state": recordings.rate_state(1, 10),
        "/camera_info": recordings.camera_info(1),
        "/image_raw/compressed": recordings.compressed_image(1, np.zeros((8, 8, 3), np.uint8)),
        "/image_raw": message_class("std_msgs/msg/Empty")(0),
    }
    messages = []
    for topic, message in made.items():
        data = bytes(typestore().serialize_cdr(message, message.__msgtype__))
        fate = random.random()
        if fate < 0.4:
            data = damaged(random, data)
        elif fate < 0.45:
            data = blob(random, 60)
        elif fate < 0.5:  # a sequence of four thousand million
            at = random.randrange(0, len(data) - 3, 4)
            data = data[:at] + struct.pack("<I", 2**32 - 1) + data[at + 4 :]
        other = random.choice(sorted(made)) if random.random() < 0.2 else topic
        messages.append((other, message.__msgtype__, data))
    return messages


def recorded(path: Path) -> Callable[[list[tuple[str, str, bytes]]], None]:
    def take(messages: list[tuple[str, str, bytes]]) -> None:
        types = {topic: kind for topic, kind, _ in messages}
        with BagWriter(path) as writer:
            for topic, kind in types.items():
                writer.add_topic(topic, kind)
            for time, (topic, _, data) in enumerate(messages):
                writer.write_raw(topic, time, data)
        everything(path)

    return take


def watched(path: Path) -> None:
    video = VideoFile(path, 0.0, loop=False, horizontal_fov=1.0)
    try:
        last = -1
        for count, frame in enumerate(video.frames()):
            promise(frame.time > last, f"time {frame.time} after {last}")
            last = frame.time
            image = frame.image
            promise(image.ndim == 3 and count < 1000, f"{count} images {image.shape}")
    finally:
        video.close()
