"""`uplift record`: record topics to a bag, without rosbag2.

Messages stay serialised from the wire to the file. Every subscription requests the strongest QoS that all publishers
of its topic offer, and is replaced if a new publisher offers less.
"""

import argparse
import signal
import sys
import threading
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import rclpy
from rclpy.duration import Duration
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from rclpy.subscription import Subscription
from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime
from tqdm import tqdm

from uplift_ros import fastdds
from uplift_ros.bags.reader import BagError
from uplift_ros.bags.topics import GRAPH_TOPICS
from uplift_ros.bags.writer import STORAGES, BagWriter, set_aside, unfinished
from uplift_ros.messages.ros_classes import check_topic, import_message
from uplift_ros.poses import NANOSECONDS
from uplift_ros.settings import path, positive

DISCOVERY_PERIOD_S = 0.1
FLUSH_PERIOD_S = 0.5
"""Seconds between flushes: after a kill, all messages but those of this last period can be recovered."""

LAST_MESSAGES_S = 0.2
"""Seconds of recording after the signal, for messages published before it."""

QUEUE_MESSAGES = 100
"""Messages per topic that can wait while the file is written."""

END_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals that end a recording."""

PROGRESS = "{n_fmt} messages in {elapsed}, {rate_noinv_fmt}"


class Recorder(Node):
    """Node that subscribes to topics as they appear and writes their messages.

    Args:
        writer: open bag.
        topics: topics to record, absolute or relative names; None for all.
    """

    def __init__(self, writer: BagWriter, topics: Sequence[str] | None) -> None:
        super().__init__("recorder")
        self._writer = writer
        self._wanted = None if topics is None else {self.resolve_topic_name(topic) for topic in topics}
        self._recorded: dict[str, Subscription] = {}
        self._refused: set[str] = set()
        self._ambiguous: set[str] = set()
        self.create_timer(DISCOVERY_PERIOD_S, self._discover)
        self.create_timer(FLUSH_PERIOD_S, writer.flush)

    def _discover(self) -> None:
        for topic, _ in self.get_topic_names_and_types():
            if (self._wanted is None or topic in self._wanted) and topic not in self._refused:
                try:
                    self._follow(topic)
                except (BagError, ImportError, AttributeError) as error:
                    self._refused.add(topic)
                    self.get_logger().warning(f"{topic} is not recorded: {error}")

    def _follow(self, topic: str) -> None:
        """Subscribe, or replace the subscription if a new publisher offers less than it requests."""
        publishers = self.get_publishers_info_by_topic(topic)
        if not publishers:
            return
        offers = [publisher.qos_profile for publisher in publishers]
        types = sorted({publisher.topic_type for publisher in publishers})
        if topic not in self._recorded:
            msgtype = types[0]
            message_type = import_message(msgtype)
            self._writer.add_topic(topic, msgtype, [qos_to_bag(offer) for offer in offers])
            self._subscribe(topic, message_type, common_qos(offers))
        present = self._recorded[topic]
        request = common_qos([present.qos_profile, *offers])
        if request != present.qos_profile:
            self.destroy_subscription(present)
            self._subscribe(topic, present.msg_type, request)
        if len(types) > 1 and topic not in self._ambiguous:
            self._ambiguous.add(topic)
            recorded = present.msg_type.__name__
            self.get_logger().warning(f"{topic} has several types, only {recorded} is recorded: {', '.join(types)}")

    def _subscribe(self, topic: str, message_type: type, request: QoSProfile) -> None:
        write = partial(_write, self._writer, topic)
        self._recorded[topic] = self.create_subscription(message_type, topic, write, request, raw=True)


def _write(writer: BagWriter, topic: str, data: bytes, info: dict) -> None:
    """Write a message; its log time is when the middleware received it, so a slow disk adds no delay."""
    writer.write_raw(topic, info["received_timestamp"] or time.time_ns(), data)


def common_qos(offers: Sequence[QoSProfile]) -> QoSProfile:
    """Make the strongest QoS profile that is compatible with every offer."""
    reliable = all(offer.reliability == ReliabilityPolicy.RELIABLE for offer in offers)
    latched = all(offer.durability == DurabilityPolicy.TRANSIENT_LOCAL for offer in offers)
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=QUEUE_MESSAGES,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
    )


def qos_to_bag(profile: QoSProfile) -> Qos:
    """Convert rclpy's profile to that of bags; both number the policies as rmw does."""
    return Qos(
        history=QosHistory(profile.history.value),
        depth=profile.depth,
        reliability=QosReliability(profile.reliability.value),
        durability=QosDurability(profile.durability.value),
        deadline=_time_to_bag(profile.deadline),
        lifespan=_time_to_bag(profile.lifespan),
        liveliness=QosLiveliness(profile.liveliness.value),
        liveliness_lease_duration=_time_to_bag(profile.liveliness_lease_duration),
        avoid_ros_namespace_conventions=profile.avoid_ros_namespace_conventions,
    )


def _time_to_bag(duration: Duration) -> QosTime:
    return QosTime(*divmod(duration.nanoseconds, NANOSECONDS))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bag", type=path, help="a single file if it ends in .mcap, else a folder with metadata.yaml")
    parser.add_argument("--storage", choices=sorted(STORAGES), default="mcap", help="of a folder, default %(default)s")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--topics", nargs="+", default=GRAPH_TOPICS, help="default: %(default)s", metavar="TOPIC")
    which.add_argument("--all", action="store_true", help="every topic")
    parser.add_argument("--seconds", type=positive, help="stop after this time")


def main(args: argparse.Namespace) -> int:
    """Record until a signal or --seconds ends it; the bag is complete then, or `uplift recover` completes it.

    Raises:
        BagError: the bag cannot be written.
    """
    for topic in [] if args.all else args.topics:
        check_topic("--topics", topic)
    stop = threading.Event()
    for interruption in END_SIGNALS:
        signal.signal(interruption, lambda *_: stop.set())
    if unfinished(args.bag).exists():
        print(_recovery_hint(set_aside(unfinished(args.bag))), file=sys.stderr)
    writer = BagWriter(args.bag, args.storage)
    print(f"recording to {args.bag}, Ctrl-C stops", flush=True)
    try:
        _record(writer, args, stop)
        for interruption in END_SIGNALS:  # a second Ctrl-C must not truncate the file
            signal.signal(interruption, signal.SIG_IGN)
        writer.close()
    except BagError as error:
        writer.abandon()
        raise BagError(f"{error}; {_recovery_hint(unfinished(args.bag))}") from error
    for topic, count in sorted(writer.counts.items()):
        print(f"{count:8d}  {topic}")
    return 0


def _record(writer: BagWriter, args: argparse.Namespace, stop: threading.Event) -> None:
    fastdds.save_memory()
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    recorder = Recorder(writer, None if args.all else args.topics)
    executor = SingleThreadedExecutor()
    executor.add_node(recorder)
    try:
        end = time.monotonic() + args.seconds if args.seconds else float("inf")
        with tqdm(bar_format=PROGRESS, disable=None) as progress:  # on a terminal only
            while not stop.is_set() and time.monotonic() < end:
                executor.spin_once(timeout_sec=0.1)
                progress.update(sum(writer.counts.values()) - progress.n)
        end = time.monotonic() + LAST_MESSAGES_S
        while time.monotonic() < end:
            executor.spin_once(timeout_sec=0.01)
    finally:
        executor.shutdown()
        recorder.destroy_node()
        rclpy.shutdown()


def _recovery_hint(folder: Path) -> str:
    return f"{folder} holds a recording that was cut off; `uplift recover {folder} -o BAG` turns it into a complete bag"
