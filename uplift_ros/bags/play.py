"""`uplift play`: publish a bag on its topics at the recorded rate, without rosbag2.

Exit code: 0, also if topics are left out with a warning; 3 if parts of the bag are damaged or missing; 1 if the bag
cannot be read.
"""

import argparse
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence

import rclpy
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, HistoryPolicy, LivelinessPolicy, QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from rclpy.time import Time
from rosbags.interfaces import Qos, QosDurability, QosHistory, QosReliability, QosTime
from rosgraph_msgs.msg import Clock
from tqdm import tqdm

from uplift_ros.bags.reader import INCOMPLETE, BagError, BagReader, Topic
from uplift_ros.bags.storage import CDR
from uplift_ros.messages.ros_classes import import_message
from uplift_ros.poses import NANOSECONDS
from uplift_ros.settings import positive

CLOCK_PERIOD_S = 0.01
"""Seconds of real time between two messages on /clock."""

DISCOVERY_S = 0.5
"""Seconds from the discovery of every subscriber until they have discovered us, which cannot be observed. Until then
best-effort messages are lost, and without the first image of a bag every key-frame would shift."""

ACKNOWLEDGE_S = 1.0
"""Seconds to wait for subscribers to acknowledge the last messages."""

DEFAULT_DEPTH = 10
INFINITE_NS = 2**63 - 1
"""Nanoseconds that mean "infinite" to rmw."""


class Player(Node):
    """Node that publishes the messages of a bag.

    Args:
        bag: open bag.
        topics: topics to play; None for all.
        clock: whether to publish the time of the bag on /clock.
    """

    def __init__(self, bag: BagReader, topics: Sequence[str] | None, clock: bool) -> None:
        super().__init__("player")
        self._bag = bag
        self._outputs: dict[str, Publisher] = {}
        for topic in bag.topics.values():
            if topics is None or topic.name in topics:
                try:
                    message_type = self._message_type(topic)
                except (ValueError, ImportError, AttributeError) as error:
                    self.get_logger().warning(f"{topic.name} is not played: {error}")
                else:
                    self._outputs[topic.name] = self.create_publisher(message_type, topic.name, replay_qos(topic.qos))
        self._time_output = self.create_publisher(Clock, "/clock", 1) if clock else None

    def _message_type(self, topic: Topic) -> type:
        if topic.encoding != CDR:
            raise BagError(f"its messages are encoded as {topic.encoding!r}")
        if topic.msgtype.startswith("uplift_ros/") and not self._bag.defines_as_we_do(topic.msgtype):
            raise BagError(f"the bag has another version of {topic.msgtype} than is installed")
        if len(topic.counts) > 1:
            self.get_logger().warning(
                f"{topic.name} has several types, {topic.msgtype} is played: {dict(topic.counts)}"
            )
        return import_message(topic.msgtype)

    @property
    def plays(self) -> bool:
        """Whether any topic can be played."""
        return bool(self._outputs)

    @property
    def heard(self) -> bool:
        """Whether every topic has a subscriber."""
        return all(output.get_subscription_count() > 0 for output in self._outputs.values())

    def play(self, start: int, rate: float, stop: threading.Event) -> Iterator[int]:
        """Publish from log time `start` to the bag's end; yields the bag's time in nanoseconds as it advances."""
        began = time.monotonic()

        def due(log_time: int) -> float:
            return began + (log_time - start) / NANOSECONDS / rate

        for topic, log_time, data in self._bag.raw(self._outputs, start):
            yield from self._wait(log_time, due(log_time), rate, stop)
            if stop.is_set():
                return
            self._publish_clock(log_time)
            self._outputs[topic].publish(data)
        if self._outputs:  # a loop repeats topics that end early with the period of the bag
            yield from self._wait(self._bag.end, due(self._bag.end), rate, stop)

    def _wait(self, log_time: int, due: float, rate: float, stop: threading.Event) -> Iterator[int]:
        """Wait until the monotonic time at which a log time is due; yields the bag's time, and publishes it."""
        while (left := due - time.monotonic()) > 0:
            now = log_time - round(left * rate * NANOSECONDS)
            self._publish_clock(now)
            yield now
            if stop.wait(min(left, CLOCK_PERIOD_S)):
                return

    def wait_until_received(self) -> None:
        """Wait until reliable subscribers have acknowledged the last messages, at most ACKNOWLEDGE_S seconds."""
        deadline = time.monotonic() + ACKNOWLEDGE_S
        for output in self._outputs.values():
            output.wait_for_all_acked(Duration(seconds=max(0.0, deadline - time.monotonic())))

    def _publish_clock(self, now: int) -> None:
        if self._time_output:
            self._time_output.publish(Clock(clock=Time(nanoseconds=now).to_msg()))


def replay_qos(recorded: Sequence[Qos]) -> QoSProfile:
    """Make a QoS profile that matches every subscriber that any of the recorded publishers matched."""
    latched = any(qos.durability == QosDurability.TRANSIENT_LOCAL for qos in recorded)
    unreliable = recorded and all(qos.reliability == QosReliability.BEST_EFFORT for qos in recorded)
    keep_all = any(qos.history == QosHistory.KEEP_ALL for qos in recorded)
    profile = QoSProfile(
        history=HistoryPolicy.KEEP_ALL if keep_all else HistoryPolicy.KEEP_LAST,
        depth=max((qos.depth for qos in recorded), default=0) or DEFAULT_DEPTH,
        reliability=ReliabilityPolicy.BEST_EFFORT if unreliable else ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
    )
    if recorded:
        profile.deadline = min(_duration(qos.deadline) for qos in recorded)
        profile.lifespan = max(_duration(qos.lifespan) for qos in recorded)
        profile.liveliness = LivelinessPolicy.AUTOMATIC
    return profile


def _duration(time_: QosTime) -> Duration:
    return Duration(nanoseconds=min(time_.sec * NANOSECONDS + time_.nsec, INFINITE_NS))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bag", help="folder with metadata.yaml, .mcap, .db3 or a ROS 1 bag")
    parser.add_argument("--rate", type=positive, default=1.0, help="speed, 1 is real time; default %(default)s")
    parser.add_argument("--loop", action="store_true", help="repeat the bag")
    parser.add_argument("--start-offset", type=float, default=0.0, metavar="S", help="seconds of the bag to skip")
    parser.add_argument("--wait", action="store_true", help="wait until every topic has a subscriber")
    parser.add_argument("--topics", nargs="+", metavar="TOPIC", help="topics to play, default: all")
    parser.add_argument("--clock", action="store_true", help="publish the bag's time on /clock")


def main(args: argparse.Namespace) -> int:
    """Play until the bag ends or a signal arrives.

    Raises:
        BagError: the bag cannot be read, or has nothing of what the options ask for.
    """
    stop = threading.Event()
    for interruption in (signal.SIGINT, signal.SIGTERM):
        signal.signal(interruption, lambda *_: stop.set())
    with BagReader(args.bag, skip_damaged=True) as bag:
        _check(bag, args)
        rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
        try:
            _play(bag, args, stop)
        finally:
            rclpy.try_shutdown()
    for damage in bag.damage:
        print(f"{args.bag}: {damage.text}", file=sys.stderr)
    return INCOMPLETE if bag.damage else 0


def _check(bag: BagReader, args: argparse.Namespace) -> None:
    length = (bag.end - bag.start) / NANOSECONDS
    if missing := set(args.topics or ()) - set(bag.topics):
        raise BagError(f"bag {args.bag} has no {', '.join(sorted(missing))}; it has {', '.join(sorted(bag.topics))}")
    if not 0 <= args.start_offset <= length:
        raise BagError(f"--start-offset must be from 0 to {length:.1f}, the bag's length, got {args.start_offset}")
    if args.loop and args.start_offset == length:
        raise BagError(
            f"--loop needs something to repeat, got a bag of {length:.1f} s from --start-offset {args.start_offset} on"
        )


def _play(bag: BagReader, args: argparse.Namespace, stop: threading.Event) -> None:
    player = Player(bag, args.topics, args.clock)
    start = bag.start + round(args.start_offset * NANOSECONDS)
    if args.wait:
        while not player.heard and not stop.wait(CLOCK_PERIOD_S):
            pass
        stop.wait(DISCOVERY_S)
    while not stop.is_set():
        length = (bag.end - start) / NANOSECONDS
        form = "{percentage:3.0f}%|{bar}| {n:.1f}/{total:.1f} s"
        with tqdm(total=length, bar_format=form, disable=None, leave=not args.loop) as bar:
            for now in player.play(start, args.rate, stop):
                bar.update((now - start) / NANOSECONDS - bar.n)
            bar.update(length - bar.n if not stop.is_set() else 0)
        if not args.loop or not player.plays:
            break
    player.wait_until_received()
    player.destroy_node()
