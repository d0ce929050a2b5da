"""One soak: camera and listener around the graph, in real time."""

import contextlib
import math
import time
from collections.abc import Callable, Iterator

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.srv import SetParameters
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import CameraInfo, Image
from soak.faults import Fault, Spoiling, schedule
from soak.graph import Graph
from soak.ledger import Death, Entry, Ledger
from soak.people import People
from support.clocks import FRAME, SECOND
from uplift_ros.msg import Keyframe2D, RateState, Skeletons

from uplift_ros.camera import Camera
from uplift_ros.messages.conversion import ros_messages, skeletons_from_msg, stamp_from_msg
from uplift_ros.nodes import qos
from uplift_ros.nodes.graph.monitor import Monitor
from uplift_ros.poses import SkeletonFrame
from uplift_ros.sources.synthetic.synthetic_source import HORIZONTAL_FOV

PERIOD_S = FRAME / SECOND
CHAIN = ("pose_estimator", "uplift", "refiner")
START_TIMEOUT = 90.0
STEADY_S = 3.0
"""Seconds without images, longer than a pause, after which all output is published."""

MEASURE_EVERY = 5.0
FAULT_EVERY = 60.0
CALM = 10.0
"""Seconds between two faults, at least."""

RECOVERED_AFTER = 6.0
"""Seconds after a fault in which ages are not taken for the calm ones."""


class Soak:
    """Runs the graph for some seconds and collects the data of a report.

    Attributes:
        ledger: all received messages.
        ages: (seconds, milliseconds) of final skeletons in calm times.
        recoveries: seconds from the end of each fault to the first refined skeleton of a later image; infinite where
            none came before the next fault.
        spoiling, meddling: requests of faults.
        bad: skeletons with numbers that are not finite.
    """

    def __init__(self, seconds: float, rng: np.random.Generator) -> None:
        self.seconds, self._rng = seconds, rng
        self.ledger = Ledger()
        self.ages: list[tuple[float, float]] = []
        self.recoveries: list[tuple[str, float]] = []
        self.spoiling, self.meddling = Spoiling(), False
        self.bad = 0
        self._people = People(rng)
        self._restless_until = 0.0
        self._recovering: tuple[str, float, int] | None = None
        self._node = rclpy.create_node("soak")
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)
        publish = self._node.create_publisher
        self._images = publish(Image, "image_raw", qos.images())
        self._infos = publish(CameraInfo, "camera_info", qos.poses())
        self._keyframes = publish(Keyframe2D, "keyframes", qos.poses())
        self._raw = publish(Skeletons, "skeletons/raw", qos.poses())
        self._parameters = self._node.create_client(SetParameters, "pose_estimator/set_parameters")
        patient = qos.poses()
        patient.depth = 5000  # a message missed here would be missing in the ledger
        self._subscriptions = [
            self._node.create_subscription(message_type, topic, take, patient)
            for message_type, topic, take in (
                (Keyframe2D, "keyframes", self._take_keyframe),
                (RateState, "rate_state", self._take_state),
                (Skeletons, "skeletons/raw", self._take_raw),
                (Skeletons, "skeletons", self._take_refined),
                (DiagnosticArray, "/diagnostics", self._take_diagnostics),
            )
        ]
        self.graph = Graph()

    def run(self, progress: Callable[[str], None]) -> None:
        """Run everything until the processes have ended."""
        self.wait_until_connected(meanwhile=self.spin)
        self._begin = self._due = time.monotonic()
        self._stamp = self._shown = time.time_ns()
        self._next_measurement = self._begin
        for at, fault in schedule(self._rng, self.seconds, FAULT_EVERY):
            self.send_images(max(CALM, self._begin + at - time.monotonic()))
            progress(f"{at:5.0f} s  {fault.name}")
            self._suffer(fault)
        self.send_images(max(CALM, self._begin + self.seconds - time.monotonic()))
        self._end_recovery()
        self.spin(STEADY_S)
        self.graph.stop(self.spin)
        self.spin(1.0)
        self.ledger.counted = self.graph.counted()

    def close(self) -> None:
        for life in self.graph.lives:
            self.graph.send(life.node, 9)
        self._executor.shutdown()
        self._node.destroy_node()

    def send_images(self, seconds: float) -> None:
        """Send images for some seconds."""
        end = time.monotonic() + seconds
        while self._due < end:
            self._send_image()

    def spin(self, seconds: float) -> None:
        """Only listen."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._listen()
            time.sleep(PERIOD_S / 2)

    def _listen(self) -> None:
        """Take all that is there; an executor takes 3 ms for each, more than there are."""
        for subscription in self._subscriptions:
            with subscription.handle:
                while (taken := subscription.handle.take_message(subscription.msg_type, False)) is not None:
                    subscription.callback(taken[0])

    @contextlib.contextmanager
    def death(self, node: str) -> Iterator[None]:
        """Context of a node's absence; messages on their way to it are lost too."""
        begin = time.monotonic()
        yield
        self.ledger.deaths.setdefault(node, []).append(Death(begin, time.monotonic()))

    def wait_until_connected(self, meanwhile: Callable[[float], None]) -> None:
        """Wait until all nodes report that they are active and connected."""
        monitor, deadline = Monitor(), time.monotonic() + START_TIMEOUT
        while not all(monitor.state(node) == "active" and monitor.connected(node) for node in CHAIN):
            if time.monotonic() > deadline:
                raise TimeoutError("the nodes do not find each other:\n" + "\n".join(self.graph.log))
            meanwhile(0.2)
            monitor.spin(0.01)
        monitor.close()

    def _suffer(self, fault: Fault) -> None:
        self._restless_until = math.inf
        self._end_recovery()
        with fault.during(self):
            self.send_images(fault.seconds)
        self._recovering = fault.name, time.monotonic(), self._stamp
        self._restless_until = time.monotonic() + RECOVERED_AFTER

    def _end_recovery(self) -> None:
        """Faults without recovery until now count as never recovered."""
        if self._recovering:
            self.recoveries.append((self._recovering[0], math.inf))
            self._recovering = None

    def _send_image(self) -> None:
        spoiling = self.spoiling
        self._wait_for_turn(self._rng.uniform(0.0, spoiling.jitter))
        self._stamp += FRAME
        if not spoiling.standing:
            self._shown = self._stamp
        image = self._people.next_image()[:: spoiling.scale, :: spoiling.scale]
        if not spoiling.silent and self._rng.random() >= spoiling.lost:
            self._publish(np.ascontiguousarray(image), self._shown + spoiling.offset, spoiling.encoding)
        if self.meddling:
            self._meddle()

    def _wait_for_turn(self, late: float) -> None:
        """Listen until the next image is due; images whose time has passed are not made up for."""
        self._listen()
        time.sleep(max(0.0, self._due + late - time.monotonic()))
        skipped = int((time.monotonic() - self._due) / PERIOD_S)
        self._due += (1 + skipped) * PERIOD_S
        self._stamp += skipped * FRAME
        if time.monotonic() > self._next_measurement:
            self._next_measurement += MEASURE_EVERY
            self.graph.measure()
            self._executor.spin_once(timeout_sec=0.0)  # answers of services, for which no caller waits

    def _publish(self, image: np.ndarray, stamp: int, encoding: str) -> None:
        header = ros_messages().header(stamp, "camera")
        height, width = image.shape[:2]
        camera = Camera.from_fov(HORIZONTAL_FOV, width, height)
        self._infos.publish(ros_messages().camera_info(camera, stamp, "camera"))
        data = image.tobytes()
        self._images.publish(
            Image(header=header, height=height, width=width, encoding=encoding, step=3 * width, data=data)
        )
        self.ledger.images.append(Entry(stamp, time.monotonic()))

    def _meddle(self) -> None:
        self._keyframes.publish(Keyframe2D(skeleton="octopus"))
        self._raw.publish(Skeletons(skeleton="octopus"))
        change = rclpy.Parameter("stride", value=int(self._rng.integers(-5, 120))).to_parameter_msg()
        self._parameters.call_async(SetParameters.Request(parameters=[change]))

    def _take_diagnostics(self, message: DiagnosticArray) -> None:
        self.graph.note(message.status)

    def _take_keyframe(self, message: Keyframe2D) -> None:
        if message.skeleton == "h36m17":
            is_scheduled = message.origin == Keyframe2D.SCHEDULED
            keyframes = self.ledger.keyframes if is_scheduled else self.ledger.older
            keyframes.append(self._entry(message, message.stride))

    def _take_state(self, message: RateState) -> None:
        self.ledger.states.append(self._entry(message))
        if (now := time.monotonic()) > self._restless_until and message.age_ms > 0:
            self.ages.append((now, message.age_ms))

    def _take_raw(self, message: Skeletons) -> None:
        if message.skeleton == "h36m17":
            self.ledger.raw.append(self._entry(message))

    def _take_refined(self, message: Skeletons) -> None:
        entry = self._entry(message)
        self.ledger.refined.append(entry)
        self.bad += not _is_finite(skeletons_from_msg(message))
        if self._recovering:
            name, since, stamp = self._recovering
            if stamp < entry.stamp <= self._stamp:
                self.recoveries.append((name, entry.at - since))
                self._recovering = None

    @staticmethod
    def _entry(message: object, stride: int = 0) -> Entry:
        return Entry(stamp_from_msg(message.header.stamp), time.monotonic(), stride)


def _is_finite(frame: SkeletonFrame) -> bool:
    return all(np.isfinite(person.joints).all() and np.isfinite(person.scores).all() for person in frame.persons)
