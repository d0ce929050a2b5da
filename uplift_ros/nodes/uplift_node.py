"""Stage 2 as a node: lifts key-frames to 3D skeletons at full rate and sets the stride of the next key-frames."""

from dataclasses import replace
from functools import partial

from uplift_ros.messages.conversion import keyframe_from_msg, ros_messages
from uplift_ros.msg import Keyframe2D, KeyframeRequest, RateState, SkeletonInfo, Skeletons
from uplift_ros.nodes import qos
from uplift_ros.nodes.lifecycle import base
from uplift_ros.nodes.lifecycle.spin import spin
from uplift_ros.nodes.links.camera_info import CameraInfoInput
from uplift_ros.nodes.links.depth import DepthImages
from uplift_ros.nodes.links.estimator import EstimatorStride, Neighbours
from uplift_ros.parameters import Value
from uplift_ros.poses import NANOSECONDS, SkeletonFrame
from uplift_ros.skeleton import H36M17
from uplift_ros.stages import build
from uplift_ros.streaming.clock import PAUSE_NS
from uplift_ros.streaming.rates import Rates


class UpliftNode(base.ManagedNode):
    """Uplift node; it also sets the stride of the pose estimator named by the parameter estimator_node."""

    def __init__(self) -> None:
        super().__init__("uplift")

    def configure(self) -> None:
        network = build.uplift_network(self.parameters)
        self._stage = build.uplifting(self.parameters, network, is_live=True)
        self._depth = DepthImages() if self.parameter("use_depth") else None
        self._raw = self.advertise(Skeletons, "skeletons/raw", qos.poses())
        self._live = self.advertise(Skeletons, "skeletons/live", qos.poses())
        self._requests = self.advertise(KeyframeRequest, "keyframe_requests", qos.poses())
        self._rate_states = self.advertise(RateState, "rate_state", qos.poses())
        self._info = self.advertise(SkeletonInfo, "skeleton_info", qos.latched())

    def activate(self) -> None:
        self._stage.reset()
        self._rates: Rates | None = None
        # In ROS time: a bag that is paused must not count as a pause of the camera.
        self._pause = self.every(PAUSE_NS / NANOSECONDS, lambda: self._publish(self._stage.pause()), self.get_clock())
        if self.parameter("playout"):
            period = 1 / self.parameter("output_rate")
            self.every(period, lambda: self._publish(self._stage.play()), self.get_clock())
        self._estimator = EstimatorStride(self, self.parameter("estimator_node"))
        self._neighbours = Neighbours(self, self.parameter("estimator_node"))
        self._info.publish(ros_messages().skeleton_info(H36M17))
        self._camera = CameraInfoInput(self)
        self.subscribe(Keyframe2D, "keyframes", self._take_keyframe, qos.poses(), expected="key-frames", upstream=True)
        if self._depth:
            self._depth.subscribe(self)

    def deactivate(self) -> None:
        self._publish(self._stage.flush())
        self._estimator.close()

    def cleanup(self) -> None:
        del self._stage

    def on_parameters(self, changes: dict[str, Value]) -> None:
        if hasattr(self, "_stage"):
            build.change_stride(self._stage, {**self.parameters, **changes})

    def diagnostic_values(self) -> dict[str, object]:
        if self._rates is None:
            return {}
        return {
            "stride": self._rates.stride,
            "reason": self._rates.reason.name.lower(),
            "velocity": f"{self._rates.velocity:.2f}",
            "output_hz_asked": f"{self.parameter('output_rate'):.1f}",
            "output_hz_reached": f"{self._rates.output_hz:.1f}",
            "dropped": self._rates.dropped,
        }

    def _take_keyframe(self, message: Keyframe2D) -> None:
        keyframe = keyframe_from_msg(message)
        self.health.tick("keyframe_hz")
        self._stage.load.note(self._neighbours.estimate_ms, self.health.processing_ms)
        depth = partial(self._depth.at, keyframe.stamp) if self._depth else None
        self._stage.is_answered = self._requests.get_subscription_count() > 0
        # Uplift the key-frame; the stage also decides the next stride, and which older images it needs
        with self.health.timed():
            uplifting = self._stage.push(keyframe, self._camera.calibration, depth)
        self.report_each(uplifting.problems)
        if wanted := uplifting.wanted:
            self.health.count("requested", len(wanted))
            self._requests.publish(ros_messages().keyframe_request(keyframe.stamp, keyframe.frame_id, wanted))
        self._publish(uplifting.raw)
        if uplifting.live is None or uplifting.rates is None:
            return
        self._pause.reset()
        self._live.publish(ros_messages().skeletons(uplifting.live))
        if uplifting.rates.stride != keyframe.stride:
            self._estimator.ask(uplifting.rates.stride)
        rates = replace(uplifting.rates, uplift_ms=self.health.processing_ms, age_ms=self.health.age_ms or 0.0)
        self._rates = self._neighbours.complete(rates)
        self._rate_states.publish(ros_messages().rate_state(self._rates))

    def _publish(self, raw: list[SkeletonFrame]) -> None:
        for frame in raw:
            self._raw.publish(ros_messages().skeletons(frame))
            self.note_age(frame.stamp)


def main() -> int:
    return spin(UpliftNode)
