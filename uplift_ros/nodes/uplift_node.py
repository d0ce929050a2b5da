"""Key-frames in, 3D skeletons at full rate out; decides how far apart the next key-frames are."""

from functools import partial

import torch
from diagnostic_msgs.msg import DiagnosticArray
from sensor_msgs.msg import CameraInfo

from uplift_ros.camera import Camera
from uplift_ros.messages.conversion import camera_from_msg, keyframe_from_msg, ros_messages
from uplift_ros.models import runtime
from uplift_ros.msg import Keyframe2D, RateState, SkeletonInfo, Skeletons
from uplift_ros.nodes import qos
from uplift_ros.nodes.lifecycle import base
from uplift_ros.nodes.lifecycle.spin import spin
from uplift_ros.nodes.links.depth import DepthImages
from uplift_ros.nodes.links.estimator import EstimatorStride, diagnosed
from uplift_ros.nodes.links.optional import needed
from uplift_ros.parameters import Value
from uplift_ros.poses import Keyframe, SkeletonFrame
from uplift_ros.skeleton import H36M17
from uplift_ros.streaming import uncertainty
from uplift_ros.streaming.control import STRIDE_PARAMETERS, stride_controller
from uplift_ros.streaming.depth_scale import DepthScale
from uplift_ros.streaming.keyframes import MAX_PAUSE
from uplift_ros.streaming.overload import Load
from uplift_ros.streaming.playout import Playout
from uplift_ros.streaming.rates import StampRate
from uplift_ros.streaming.stride import Decision, Reason, StrideController
from uplift_ros.streaming.uplifter import StreamingUplifter, Uplifted


class UpliftNode(base.ManagedNode):
    """A shell around StreamingUplifter and the stride controllers."""

    def __init__(self) -> None:
        super().__init__("uplift")

    def configure(self) -> None:
        torch.set_num_threads(1)  # the cores are needed by other nodes
        name, device, precision = (self.parameter(key) for key in ("model", "device", "precision"))
        network = runtime.load(name, device, precision)
        self._s_out, self._model_rate = network.config.token_stride, network.config.model_rate
        self._load = Load()
        self._controller = self._stride_controller({})
        self._uplifter = StreamingUplifter(
            network,
            latency=self.parameter("latency"),
            output_rate=self.parameter("output_rate"),
            person_height=self.parameter("person_height"),
            errors=uncertainty.load(name),
            spare=None if device == "cpu" else partial(runtime.load, name),
        )
        self._depth = self._find_depth()
        self._scale = DepthScale(self.parameter("person_height"))
        self._raw = self.advertise(Skeletons, "skeletons/raw", qos.poses())
        self._live = self.advertise(Skeletons, "skeletons/live", qos.poses())
        self._rates = self.advertise(RateState, "rate_state", qos.poses())
        self._info = self.advertise(SkeletonInfo, "skeleton_info", qos.latched())

    def activate(self) -> None:
        self._uplifter.reset()
        self._scale.reset()
        self._camera: Camera | None = None
        self._camera_info: CameraInfo | None = None
        self._last_sequence: int | None = None
        self._gaps = 0
        self._stride_reached = False
        self._latest: RateState | None = None
        self._keyframe_rate, self._output_rate = StampRate(), StampRate()
        self._age_ms = 0.0
        self._playout = Playout()
        # By the clock of the stamps: a recording that is paused has not ended.
        if self.parameter("playout"):
            self.every(1 / self.parameter("output_rate"), self._play, self.get_clock())
        self._pause = self.every(MAX_PAUSE, self._end, self.get_clock())
        self._estimator_name = self._full_name(self.parameter("estimator_node"))
        self._refiner_name = self._full_name("refiner")
        self._estimator_figures: dict[str, float] = {}
        self._refiner_figures: dict[str, float] = {}
        self._estimator = EstimatorStride(self, self.parameter("estimator_node"))
        self._info.publish(ros_messages().skeleton_info(H36M17))
        self.subscribe(CameraInfo, "camera_info", self._take_camera_info, qos.camera_info())
        self.subscribe(Keyframe2D, "keyframes", self._take_keyframe, qos.poses(), expected="key-frames")
        if self._depth:
            self._depth.subscribe(self)
        self.subscribe(DiagnosticArray, "/diagnostics", self._take_diagnostics, qos.poses())

    def deactivate(self) -> None:
        self._end()
        self._publish(self._playout.flush())
        self._estimator.close()

    def cleanup(self) -> None:
        del self._uplifter

    def on_parameters(self, changes: dict[str, Value]) -> None:
        if hasattr(self, "_s_out"):
            self._controller = self._stride_controller(changes)
            self._stride_reached = False

    def figures(self) -> dict[str, object]:
        if (state := self._latest) is None:
            return {}
        return {
            "stride": state.stride,
            "reason": Reason(state.reason).name.lower(),
            "velocity": f"{state.velocity:.2f}",
            "output_hz_asked": f"{self.parameter('output_rate'):.1f}",
            "output_hz_reached": f"{state.output_hz:.1f}",
            "age_ms": f"{state.age_ms:.0f}",
            "dropped": state.dropped,
        }

    def _stride_controller(self, changes: dict[str, Value]) -> StrideController:
        values = {name: self.parameter(name) for name in STRIDE_PARAMETERS} | changes
        return stride_controller(**values, s_out=self._s_out, model_rate=self._model_rate, load=self._load)

    def _find_depth(self) -> DepthImages | None:
        if not self.parameter("use_depth"):
            return None
        with needed("message_filters", "use_depth", otherwise="false"):
            return DepthImages()

    def _full_name(self, node: str) -> str:
        return self.resolve_service_name(f"{node}/set_parameters").removesuffix("/set_parameters")

    def _take_camera_info(self, message: CameraInfo) -> None:
        message.header = type(message.header)()  # intrinsics are converted only when they change
        if message != self._camera_info:
            self._camera_info, self._camera = message, None
            self._camera = camera_from_msg(message)

    def _take_diagnostics(self, message: DiagnosticArray) -> None:
        self._estimator_figures |= diagnosed(message.status, self._estimator_name)
        self._refiner_figures |= diagnosed(message.status, self._refiner_name)

    def _take_keyframe(self, message: Keyframe2D) -> None:
        keyframe = keyframe_from_msg(message)
        self.tick("keyframe_hz")
        if keyframe.stride % self._s_out:
            self.report(
                "odd_stride",
                f"key-frames come with a stride of {keyframe.stride}, which is no multiple of {self._s_out} "
                "(the model's s_out): poses are moved to the nearest frame that the model knows",
            )
        with self.timed():
            uplifted = self._uplifter.push(keyframe, self._camera_of(keyframe))
        self._count_gap(keyframe.sequence)  # those of others that were refused above have numbers of their own
        if self._uplifter.failure:
            self.report("device_lost", f"goes on on the CPU, the device failed: {self._uplifter.failure}")
        if uplifted is None:
            self.report("repeated", f"key-frame {keyframe.sequence} is no later than the one before")
            return
        self._pause.reset()
        if self._depth:
            self._measure(self._depth, keyframe, uplifted.live)
        self._give_out(uplifted.final)
        self._live.publish(ros_messages().skeletons(self._scale.apply(uplifted.live)))
        self._latest = self._rate_state(keyframe, uplifted, self._decide(keyframe, uplifted))
        self._rates.publish(self._latest)

    def _give_out(self, final: list[SkeletonFrame]) -> None:
        self._playout.push([self._scale.apply(frame) for frame in final])
        if not self.parameter("playout"):
            self._publish(self._playout.flush())

    def _play(self) -> None:
        self._publish(self._playout.take())

    def _end(self) -> None:
        """No key-frame follows: nothing is gained by waiting."""
        self._give_out(self._uplifter.flush())

    def _publish(self, final: list[SkeletonFrame]) -> None:
        for frame in final:
            self._raw.publish(ros_messages().skeletons(frame))
            self._output_rate.add(frame.stamp)
            self._age_ms = (self.get_clock().now().nanoseconds - frame.stamp) / 1e6

    def _measure(self, depth: DepthImages, keyframe: Keyframe, live: SkeletonFrame) -> None:
        try:
            image = depth.at(keyframe.stamp)
            if image is None:
                self.report(
                    "no_depth", f"no depth image of the time of key-frame {keyframe.sequence}: nobody is measured"
                )
            else:
                self._scale.measure(keyframe, live, image)
        except ValueError as error:
            self.report("wrong_depth", str(error))

    def _count_gap(self, sequence: int) -> None:
        if self._last_sequence is not None and sequence > self._last_sequence:
            self._gaps += sequence - self._last_sequence - 1
        self._last_sequence = sequence

    def _camera_of(self, keyframe: Keyframe) -> Camera | None:
        if self._camera is None:
            self.report(
                "no_camera_info", "no intrinsics in camera_info: skeletons stay around the origin, without scale"
            )
            return None
        if (self._camera.width, self._camera.height) != (keyframe.width, keyframe.height):
            self.report(
                "wrong_camera_info",
                f"camera_info is of {self._camera.width}x{self._camera.height} images, "
                f"key-frames are of {keyframe.width}x{keyframe.height}: not used",
            )
            return None
        return self._camera

    def _decide(self, keyframe: Keyframe, uplifted: Uplifted) -> Decision:
        """The stride from here on. In the mode fixed, a stride set by hand at the estimator is left alone."""
        estimate_ms = self._estimator_figures.get("processing_ms", 0.0)
        self._load.seconds = max(estimate_ms, self.processing_ms) / 1e3
        decision = self._controller.update(uplifted.frame, uplifted.velocity)
        reached = keyframe.stride == decision.stride
        if decision.reason is Reason.FIXED:
            if self._stride_reached and not reached:
                return Decision(keyframe.stride, Reason.MANUAL)
            self._stride_reached |= reached
        if not reached:
            self._estimator.ask(decision.stride)
        return decision

    def _rate_state(self, keyframe: Keyframe, uplifted: Uplifted, decision: Decision) -> RateState:
        self._keyframe_rate.add(keyframe.stamp)
        return RateState(
            header=ros_messages().header(keyframe.stamp, keyframe.frame_id),
            stride=decision.stride,
            velocity=uplifted.velocity,
            camera_hz=self._estimator_figures.get("camera_hz", 0.0),
            keyframe_hz=self._keyframe_rate.per_second,
            output_hz=self._output_rate.per_second,
            estimate_ms=self._estimator_figures.get("processing_ms", 0.0),
            uplift_ms=self.processing_ms,
            refine_ms=self._refiner_figures.get("processing_ms", 0.0),
            age_ms=self._age_ms,
            dropped=self._gaps + int(self._estimator_figures.get("dropped", 0)),
            reason=int(decision.reason),
        )


def main() -> int:
    return spin(UpliftNode)


if __name__ == "__main__":
    raise SystemExit(main())
