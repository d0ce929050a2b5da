"""Shows skeletons as RViz markers, as transforms, and as an overlay on the camera image."""

import numpy as np
from builtin_interfaces.msg import Duration
from geometry_msgs.msg import Point, TransformStamped, Vector3
from rclpy.subscription import Subscription
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import ColorRGBA
from visualization_msgs.msg import Marker, MarkerArray

from uplift_ros.drawing import markers
from uplift_ros.drawing.image_buffer import WaitingImages
from uplift_ros.drawing.skeletons import draw_pose
from uplift_ros.intrinsics import Calibration, is_rectified
from uplift_ros.messages.conversion import calibration_from_msg, ros_messages, skeletons_from_msg, stamp_from_msg
from uplift_ros.messages.images import to_rgb
from uplift_ros.msg import Skeletons
from uplift_ros.nodes import qos
from uplift_ros.nodes.lifecycle import base
from uplift_ros.nodes.lifecycle.memory import keep_freed_memory
from uplift_ros.nodes.lifecycle.spin import spin
from uplift_ros.nodes.links.broadcast import tf_message, transform
from uplift_ros.poses import NANOSECONDS, Person3D, SkeletonFrame
from uplift_ros.skeleton import H36M17
from uplift_ros.transforms import RigidTransform, body_frame

WATCH_PERIOD = 0.5
"""Seconds between checks for subscribers of the overlay; images are received only while it has one."""

IMAGE_DEPTH = 20
"""Queue of images that arrive while a burst of skeletons is drawn."""

BONES, JOINTS, LABEL, BAR = range(4)
"""Marker ids; the marker namespace is the person's id, with the prefix RAW for raw skeletons."""

RAW = "raw/"


class VisualizerNode(base.ManagedNode):
    """Visualizer node: shows `skeletons`, and `skeletons/raw` faintly."""

    def __init__(self) -> None:
        super().__init__("visualizer")

    def configure(self) -> None:
        self._tf_message = tf_message("publish_tf") if self.parameter("publish_tf") else None
        seconds, fraction = divmod(self.parameter("marker_lifetime"), 1.0)
        self._lifetime = Duration(sec=int(seconds), nanosec=int(fraction * NANOSECONDS))
        self._markers = self.advertise(MarkerArray, "markers", qos.poses())
        self._overlay = self.advertise(Image, "overlay", qos.images())
        if self._tf_message:
            self._transforms = self.advertise(self._tf_message, "/tf", qos.poses())

    def activate(self) -> None:
        self._shown: set[str] = set()
        self._shown_raw: set[str] = set()
        self._camera: Calibration | None = None
        self._rectified = is_rectified(self.resolve_topic_name("image_raw"))
        self._waiting: WaitingImages[Image] = WaitingImages()
        self._image_input: Subscription | None = None
        self.subscribe(Skeletons, "skeletons", self._take_skeletons, qos.poses())
        self.subscribe(Skeletons, "skeletons/raw", self._take_raw, qos.poses())
        for profile in qos.camera_info():
            self.subscribe(CameraInfo, "camera_info", self._take_camera_info, profile)
        self.every(WATCH_PERIOD, self._watch_overlay)

    def deactivate(self) -> None:
        self._stop_images()
        if self.context.ok():
            self._markers.publish(MarkerArray(markers=[Marker(action=Marker.DELETEALL)]))

    def _watch_overlay(self) -> None:
        wanted = self._overlay.get_subscription_count() > 0
        if wanted and self._image_input is None:
            profile = qos.images(IMAGE_DEPTH)
            self._image_input = self.create_subscription(Image, "image_raw", self.guarded(self._take_image), profile)
        elif not wanted:
            self._stop_images()

    def _stop_images(self) -> None:
        if self._image_input is not None:
            self.destroy_subscription(self._image_input)
            self._image_input = None
            self._waiting.clear()

    def _take_camera_info(self, message: CameraInfo) -> None:
        self._camera = calibration_from_msg(message, self._rectified)

    def _take_image(self, message: Image) -> None:
        self._waiting.push(stamp_from_msg(message.header.stamp), message, len(message.data))

    def _take_skeletons(self, message: Skeletons) -> None:
        self.tick("skeletons_hz")
        frame = skeletons_from_msg(message)
        frame.validate()
        with self.timed():
            if self._markers.get_subscription_count():  # markers take half a millisecond per person
                self._show_markers(frame)
            if self._tf_message:
                self._transforms.publish(self._tf_message(transforms=transforms(frame)))
            if self._camera is not None and (image := self._waiting.take(frame.stamp)) is not None:
                self._show_overlay(image, frame, self._camera)

    def _show_markers(self, frame: SkeletonFrame) -> None:
        people = {person.id for person in frame.persons}
        shown = [marker for person in frame.persons for marker in person_markers(person, self._lifetime)]
        self._publish_markers(frame, shown + _deletions(self._shown - people))
        self._shown = people

    def _take_raw(self, message: Skeletons) -> None:
        if not self._markers.get_subscription_count():
            return
        frame = skeletons_from_msg(message)
        frame.validate()
        people = {RAW + person.id for person in frame.persons}
        shown = [raw_marker(person, self._lifetime) for person in frame.persons]
        self._publish_markers(frame, shown + _deletions(self._shown_raw - people))
        self._shown_raw = people

    def _publish_markers(self, frame: SkeletonFrame, shown: list[Marker]) -> None:
        header = ros_messages().header(frame.stamp, frame.frame_id)
        for marker in shown:
            marker.header = header
        self._markers.publish(MarkerArray(markers=shown))

    def _show_overlay(self, message: Image, frame: SkeletonFrame, calibration: Calibration) -> None:
        if frame.frame_id != message.header.frame_id:
            self.report(
                "no_overlay",
                f"skeletons in {frame.frame_id!r} cannot be drawn on images of {message.header.frame_id!r}",
            )
            return
        image = to_rgb(message).copy()
        camera = calibration.for_image(image.shape[1], image.shape[0])
        for person in frame.persons:
            draw_pose(image, camera.project(person.joints), person.scores)
        height, width = image.shape[:2]
        self._overlay.publish(
            Image(
                header=message.header, height=height, width=width, encoding="rgb8", step=3 * width, data=image.tobytes()
            )
        )


def person_markers(person: Person3D, lifetime: Duration) -> list[Marker]:
    """Markers of one person: bones, joints, name and velocity bar."""
    geometry = markers.marker_geometry(person.joints, person.scores, person.velocity)
    joints = Marker(ns=person.id, id=JOINTS, type=Marker.SPHERE_LIST, lifetime=lifetime)
    joints.scale = Vector3(x=markers.JOINT_DIAMETER, y=markers.JOINT_DIAMETER, z=markers.JOINT_DIAMETER)
    joints.points, joints.colors = _points(geometry.joints), _colours(geometry.joint_colours)
    label = Marker(ns=person.id, id=LABEL, type=Marker.TEXT_VIEW_FACING, lifetime=lifetime, text=person.id)
    label.scale.z = markers.LABEL_HEIGHT
    label.pose.position = _points(geometry.label[None])[0]
    label.color = ColorRGBA(r=1.0, g=1.0, b=1.0, a=1.0)
    bar = Marker(ns=person.id, id=BAR, type=Marker.LINE_LIST, lifetime=lifetime, points=_points(geometry.bar))
    bar.scale.x = markers.BAR_WIDTH
    bar.color = ColorRGBA(r=1.0, g=0.8, b=0.2, a=1.0)
    return [_bones(person.id, geometry, geometry.bone_colours, lifetime), joints, label, bar]


def raw_marker(person: Person3D, lifetime: Duration) -> Marker:
    """Marker of one raw skeleton: bones only, faint."""
    geometry = markers.marker_geometry(person.joints, person.scores)
    return _bones(RAW + person.id, geometry, geometry.bone_colours * (1, 1, 1, markers.RAW_ALPHA), lifetime)


def _bones(namespace: str, geometry: markers.MarkerGeometry, colours: np.ndarray, lifetime: Duration) -> Marker:
    bones = Marker(ns=namespace, id=BONES, type=Marker.LINE_LIST, lifetime=lifetime)
    bones.scale.x = markers.BONE_WIDTH
    bones.points, bones.colors = _points(geometry.bones), _colours(colours)
    return bones


def _deletions(namespaces: set[str]) -> list[Marker]:
    """Markers that delete those of people who have left."""
    return [
        Marker(ns=namespace, id=part, action=Marker.DELETE)
        for namespace in namespaces
        for part in ((BONES,) if namespace.startswith(RAW) else (BONES, JOINTS, LABEL, BAR))
    ]


def transforms(frame: SkeletonFrame) -> list[TransformStamped]:
    """Transforms `body_<person>` (REP-155) and, in it, `<joint>_<person>` of every finite joint, without rotation."""
    result = []
    for person in frame.persons:
        if (body := body_frame(person.joints)) is None:
            continue
        header = ros_messages().header(frame.stamp, frame.frame_id)
        result.append(transform(header, f"body_{person.id}", body))
        within = ros_messages().header(frame.stamp, f"body_{person.id}")
        places = (person.joints - body.translation) @ body.rotation
        for joint, place in zip(H36M17.joints, places, strict=True):
            if np.isfinite(place).all():
                result.append(transform(within, f"{joint}_{person.id}", RigidTransform(np.eye(3), place)))
    return result


def _points(array: np.ndarray) -> list[Point]:
    return [Point(x=x, y=y, z=z) for x, y, z in array.tolist()]


def _colours(array: np.ndarray) -> list[ColorRGBA]:
    return [ColorRGBA(r=r, g=g, b=b, a=a) for r, g, b, a in array.tolist()]


def main() -> int:
    keep_freed_memory()
    return spin(VisualizerNode)


if __name__ == "__main__":
    raise SystemExit(main())
