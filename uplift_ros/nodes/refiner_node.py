"""Stage 3 as a node: refines the raw skeletons of one camera, or fuses those of several that see the same people."""

from functools import partial

from uplift_ros.messages.conversion import ros_messages, skeletons_from_msg
from uplift_ros.msg import Skeletons
from uplift_ros.nodes import qos
from uplift_ros.nodes.lifecycle import base
from uplift_ros.nodes.lifecycle.spin import spin
from uplift_ros.nodes.links.transform_buffer import TransformBuffer
from uplift_ros.poses import NANOSECONDS, SkeletonFrame
from uplift_ros.stages import build
from uplift_ros.streaming.clock import PAUSE_NS
from uplift_ros.streaming.rates import StampRate

QUIET_S = 0.002
"""Seconds without a new frame after which a burst is complete. A key-frame brings all frames since the previous
key-frame; refining them in one batch costs little more than refining a single frame."""

MAX_BURST_FRAMES = 100


class RefinerNode(base.ManagedNode):
    """Refiner node: gathers the frames of a burst from every view and refines them in one batch."""

    def __init__(self) -> None:
        super().__init__("refiner")

    def configure(self) -> None:
        self._topics = ["skeletons/raw", *build.further_views(self.parameters)]
        self._transforms = TransformBuffer() if self.parameter("target_frame") else None
        network = build.refinement_network(self.parameters)
        lookup = self._transforms.lookup if self._transforms else None
        self._stage = build.refinement(self.parameters, network, lookup)
        self._refined = self.advertise(Skeletons, "skeletons", qos.poses())

    def activate(self) -> None:
        self._stage.reset()
        self._bursts: list[list[SkeletonFrame]] = [[] for _ in self._topics]
        self._frame_rate = StampRate()
        self._quiet = self.every(QUIET_S, self._end_burst)
        self._quiet.cancel()
        # In ROS time: a bag that is paused must not count as a pause of the camera.
        self._pause = self.every(PAUSE_NS / NANOSECONDS, self._release, self.get_clock())
        if self._transforms:
            self._transforms.subscribe(self, self._retry)
        for view, topic in enumerate(self._topics):
            expected = topic if view else "skeletons"
            self.subscribe(Skeletons, topic, partial(self._take, view), qos.poses(), expected=expected, upstream=True)

    def deactivate(self) -> None:
        self._release()

    def cleanup(self) -> None:
        del self._stage

    def diagnostic_warnings(self) -> list[str]:
        took_ms, rate = self.health.processing_ms, self._frame_rate.per_second
        if took_ms * rate <= 1000:
            return []
        return [f"refining takes {took_ms:.0f} ms a frame, at {rate:.0f} frames a second: skeletons become older"]

    def _take(self, view: int, message: Skeletons) -> None:
        frame = skeletons_from_msg(message)
        self._bursts[view].append(frame)
        if view == 0:
            self._frame_rate.add(frame.stamp)
        self._pause.reset()
        if len(self._bursts[view]) < MAX_BURST_FRAMES:
            self._quiet.reset()
        else:
            self._end_burst()

    def _retry(self) -> None:
        """Try again, with new transforms, to refine frames that wait for one."""
        if self._stage.is_waiting and self._quiet.is_canceled():
            self._quiet.reset()

    def _release(self) -> None:
        """Refine and publish what waits for later frames."""
        self._refine()
        self._publish(self._stage.flush())

    def _end_burst(self) -> None:
        self._quiet.cancel()
        self._refine()

    def _refine(self) -> None:
        bursts, self._bursts = self._bursts, [[] for _ in self._topics]
        joined = self._stage.join(bursts)
        self.report_each(joined.problems)
        if not joined.frames:
            return
        with self.health.timed(len(joined.frames)):
            refining = self._stage.push(joined.frames)
        self.report_each(refining.problems)
        self._publish(refining.frames)

    def _publish(self, frames: list[SkeletonFrame]) -> None:
        for frame in frames:
            self._refined.publish(ros_messages().skeletons(frame))
            self.note_age(frame.stamp)


def main() -> int:
    return spin(RefinerNode)
