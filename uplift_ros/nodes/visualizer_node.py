"""Shows skeletons as RViz markers, as transforms, and as an overlay on the camera image."""

from builtin_interfaces.msg import Duration
from visualization_msgs.msg import Marker, MarkerArray

from uplift_ros.drawing.markers import lifetime_s
from uplift_ros.messages.conversion import ros_messages, skeletons_from_msg
from uplift_ros.msg import RateState, Skeletons
from uplift_ros.nodes import qos
from uplift_ros.nodes.lifecycle import base
from uplift_ros.nodes.lifecycle.memory import keep_freed_memory
from uplift_ros.nodes.lifecycle.spin import spin
from uplift_ros.nodes.links import marker_messages
from uplift_ros.nodes.links.broadcast import Broadcaster
from uplift_ros.nodes.links.overlay import Overlay
from uplift_ros.poses import NANOSECONDS, SkeletonFrame
from uplift_ros.settings import defaults_of


class VisualizerNode(base.ManagedNode):
    """Visualizer node: shows `skeletons`, and `skeletons/raw` faintly."""

    def __init__(self) -> None:
        super().__init__("visualizer")

    def configure(self) -> None:
        self._broadcaster = Broadcaster(self) if self.parameter("publish_tf") else None
        self._markers = self.advertise(MarkerArray, "markers", qos.poses())
        self._overlay = Overlay(self)

    def activate(self) -> None:
        self._set_lifetime(defaults_of("uplift")["stride_slow"])  # until `rate_state` arrives
        self._shown: set[str] = set()
        self._shown_raw: set[str] = set()
        self.subscribe(RateState, "rate_state", lambda message: self._set_lifetime(message.stride), qos.poses())
        self.subscribe(Skeletons, "skeletons", self._take_skeletons, qos.poses())
        self.subscribe(Skeletons, "skeletons/raw", self._take_raw, qos.poses())
        self._overlay.start()

    def deactivate(self) -> None:
        self._overlay.stop()
        if self.context.ok():
            self._markers.publish(MarkerArray(markers=[Marker(action=Marker.DELETEALL)]))

    def _set_lifetime(self, stride: int) -> None:
        nanoseconds = round(lifetime_s(self.parameter("marker_lifetime"), stride) * NANOSECONDS)
        self._lifetime = Duration(sec=nanoseconds // NANOSECONDS, nanosec=nanoseconds % NANOSECONDS)

    def _take_skeletons(self, message: Skeletons) -> None:
        self.health.tick("skeletons_hz")
        frame = skeletons_from_msg(message)
        with self.health.timed():
            self._shown = self._show_markers(frame, marker_messages.person_markers, self._shown)
            if self._broadcaster:
                self._broadcaster.send(marker_messages.body_transforms(frame))
            self._overlay.show(frame)

    def _take_raw(self, message: Skeletons) -> None:
        self._shown_raw = self._show_markers(skeletons_from_msg(message), marker_messages.raw_markers, self._shown_raw)

    def _show_markers(self, frame: SkeletonFrame, make: marker_messages.MakeMarkers, shown: set[str]) -> set[str]:
        """Replace the markers in the namespaces `shown` by those of a frame; return their namespaces."""
        if not self._markers.get_subscription_count():  # markers take half a millisecond per person
            return shown
        markers = [marker for person in frame.persons for marker in make(person, self._lifetime)]
        namespaces = {marker.ns for marker in markers}
        markers += marker_messages.deletions(shown - namespaces)
        header = ros_messages().header(frame.stamp, frame.frame_id)
        for marker in markers:
            marker.header = header
        self._markers.publish(MarkerArray(markers=markers))
        return namespaces


def main() -> int:
    keep_freed_memory()
    return spin(VisualizerNode, sends_images=True)
