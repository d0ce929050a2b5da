"""Messages that RViz shows: markers of people, and transforms of bodies and joints."""

from collections.abc import Callable

import numpy as np
from builtin_interfaces.msg import Duration
from geometry_msgs.msg import Point, TransformStamped, Vector3
from std_msgs.msg import ColorRGBA
from visualization_msgs.msg import Marker

from uplift_ros.drawing import markers
from uplift_ros.messages.conversion import ros_messages
from uplift_ros.nodes.links.broadcast import transform
from uplift_ros.poses import Person3D, SkeletonFrame
from uplift_ros.skeleton import H36M17
from uplift_ros.transforms import RigidTransform, body_frame

BONES_ID, JOINTS_ID, LABEL_ID, BAR_ID = range(4)
"""Marker ids; the marker namespace is the person's id, with the prefix RAW for raw skeletons."""

RAW = "raw/"

MakeMarkers = Callable[[Person3D, Duration], list[Marker]]


def person_markers(person: Person3D, lifetime: Duration) -> list[Marker]:
    """Markers of one person: bones, joints, name and velocity bar."""
    geometry = markers.marker_geometry(person.joints, person.scores, person.velocity)
    joints = Marker(ns=person.id, id=JOINTS_ID, type=Marker.SPHERE_LIST, lifetime=lifetime)
    joints.scale = Vector3(x=markers.JOINT_DIAMETER, y=markers.JOINT_DIAMETER, z=markers.JOINT_DIAMETER)
    joints.points, joints.colors = _points(geometry.joints), _colours(geometry.joint_colours)
    label = Marker(ns=person.id, id=LABEL_ID, type=Marker.TEXT_VIEW_FACING, lifetime=lifetime, text=person.id)
    label.scale.z = markers.LABEL_HEIGHT
    label.pose.position = _points(geometry.label[None])[0]
    label.color = ColorRGBA(r=1.0, g=1.0, b=1.0, a=1.0)
    bar = Marker(ns=person.id, id=BAR_ID, type=Marker.LINE_LIST, lifetime=lifetime, points=_points(geometry.bar))
    bar.scale.x = markers.BAR_WIDTH
    bar.color = ColorRGBA(r=1.0, g=0.8, b=0.2, a=1.0)
    return [_bones(person.id, geometry, geometry.bone_colours, lifetime), joints, label, bar]


def raw_markers(person: Person3D, lifetime: Duration) -> list[Marker]:
    """Markers of one raw skeleton: bones only, faint."""
    geometry = markers.marker_geometry(person.joints, person.scores)
    return [_bones(RAW + person.id, geometry, geometry.bone_colours * (1, 1, 1, markers.RAW_ALPHA), lifetime)]


def _bones(namespace: str, geometry: markers.MarkerGeometry, colours: np.ndarray, lifetime: Duration) -> Marker:
    bones = Marker(ns=namespace, id=BONES_ID, type=Marker.LINE_LIST, lifetime=lifetime)
    bones.scale.x = markers.BONE_DIAMETER
    bones.points, bones.colors = _points(geometry.bones), _colours(colours)
    return bones


def deletions(namespaces: set[str]) -> list[Marker]:
    """Markers that delete those of people who have left."""
    return [
        Marker(ns=namespace, id=part, action=Marker.DELETE)
        for namespace in namespaces
        for part in ((BONES_ID,) if namespace.startswith(RAW) else (BONES_ID, JOINTS_ID, LABEL_ID, BAR_ID))
    ]


def body_transforms(frame: SkeletonFrame) -> list[TransformStamped]:
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
