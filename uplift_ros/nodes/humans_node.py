"""People as in REP-155 (ROS4HRI): ids of tracked bodies, topics for each body, its URDF, and transforms."""

import importlib

from sensor_msgs.msg import JointState

from uplift_ros.human_model import HumanPose
from uplift_ros.messages.conversion import keyframe_from_msg, ros_messages, skeletons_from_msg
from uplift_ros.messages.hri import region_of_interest, skeleton2d
from uplift_ros.msg import Keyframe2D, Skeletons
from uplift_ros.nodes import qos
from uplift_ros.nodes.lifecycle import base
from uplift_ros.nodes.lifecycle.spin import spin
from uplift_ros.nodes.links.bodies import BodyTopics
from uplift_ros.nodes.links.broadcast import Broadcaster, transform
from uplift_ros.poses import Keyframe, Origin


class HumansNode(base.ManagedNode):
    """ROS4HRI node: key-frames give the ids and 2D poses of people, refined skeletons their 3D poses.

    A body's topics and URDF exist as long as the newest key-frame or the newest skeletons, which arrive later, contain
    it. The URDF has the link lengths of the body's first skeleton.
    """

    def __init__(self) -> None:
        super().__init__("humans")

    def configure(self) -> None:
        try:
            self._hri = importlib.import_module("hri_msgs.msg")
        except ImportError as error:
            raise ImportError("the node humans needs hri_msgs, which is not installed") from error
        self._broadcaster = Broadcaster(self) if self.parameter("publish_tf") else None
        self._tracked = self.advertise(self._hri.IdsList, "/humans/bodies/tracked", qos.poses())

    def activate(self) -> None:
        self._bodies = BodyTopics(self, self._hri)
        self._in_image: set[str] = set()
        self._in_space: set[str] = set()
        self.subscribe(Keyframe2D, "keyframes", self._take_keyframe, qos.poses(), expected="key-frames")
        self.subscribe(Skeletons, "skeletons", self._take_skeletons, qos.poses(), expected="skeletons")

    def deactivate(self) -> None:
        self._follow(set(), set())

    def _take_keyframe(self, message: Keyframe2D) -> None:
        keyframe = keyframe_from_msg(message)
        self.health.tick("keyframe_hz")
        if keyframe.origin is Origin.LOOK_BACK:
            return  # bodies follow the images in their order
        with self.health.timed():
            ids = [person.id for person in keyframe.persons]
            self._follow(set(ids), self._in_space)
            self._tracked.publish(self._hri.IdsList(header=message.header, ids=ids))
            self._publish_2d(keyframe)

    def _follow(self, in_image: set[str], in_space: set[str]) -> None:
        self._in_image, self._in_space = in_image, in_space
        self._bodies.follow(in_image | in_space)

    def _publish_2d(self, keyframe: Keyframe) -> None:
        header = ros_messages().header(keyframe.stamp, keyframe.frame_id)
        for person in keyframe.persons:
            body = self._bodies[person.id]
            points = skeleton2d(person, keyframe.width, keyframe.height)
            skeleton = [self._hri.NormalizedPointOfInterest2D(x=x, y=y, c=c) for x, y, c in points.tolist()]
            body.skeleton2d.publish(self._hri.Skeleton2D(header=header, skeleton=skeleton))
            left, top, right, bottom = region_of_interest(person, keyframe.width, keyframe.height).tolist()
            region = self._hri.NormalizedRegionOfInterest2D(header=header, xmin=left, ymin=top, xmax=right, ymax=bottom)
            region.c = float(person.score)
            body.roi.publish(region)

    def _take_skeletons(self, message: Skeletons) -> None:
        frame = skeletons_from_msg(message)
        self.health.tick("skeletons_hz")
        header = ros_messages().header(frame.stamp, frame.frame_id)
        transforms = []
        self._follow(self._in_image, {person.id for person in frame.persons})
        for person in frame.persons:
            pose = HumanPose.of(person.joints)
            if pose is None:
                continue
            self._bodies.describe(person.id, pose)
            names = [f"{joint}_{person.id}" for joint in pose.angles]
            state = JointState(header=header, name=names, position=list(pose.angles.values()))
            self._bodies[person.id].joint_states.publish(state)
            within = ros_messages().header(frame.stamp, f"body_{person.id}")
            transforms.append(transform(header, f"body_{person.id}", pose.body))
            transforms += [transform(within, f"{link}_{person.id}", place) for link, place in pose.links.items()]
        if self._broadcaster:
            self._broadcaster.send(transforms)


def main() -> int:
    return spin(HumansNode)
