"""Key-frames as REP-155 (ROS4HRI) has people: who is tracked, and a 2D skeleton for each body."""

import importlib

import numpy as np
from rclpy.publisher import Publisher

from uplift_ros.humans import skeleton2d
from uplift_ros.msg import Keyframe2D
from uplift_ros.nodes import base, convert, qos
from uplift_ros.poses import Keyframe


class HumansNode(base.UpliftNode):
    """Topics of a body live as long as the body is tracked."""

    def __init__(self) -> None:
        super().__init__("humans")

    def configure(self) -> None:
        try:
            self._hri = importlib.import_module("hri_msgs.msg")
        except ImportError as error:
            raise ImportError("the node humans needs hri_msgs, which is not installed") from error
        self._tracked = self.advertise(self._hri.IdsList, "/humans/bodies/tracked", qos.poses())

    def activate(self) -> None:
        self._bodies: dict[str, Publisher] = {}
        self.subscribe(Keyframe2D, "keyframes", self._take, qos.poses(), expected="key-frames")

    def deactivate(self) -> None:
        self._follow(set())

    def _take(self, message: Keyframe2D) -> None:
        keyframe = convert.keyframe_from_msg(message)
        self.tick("keyframe_hz")
        with self.timed():
            ids = [person.id for person in keyframe.persons]
            self._follow(set(ids))
            self._tracked.publish(self._hri.IdsList(header=message.header, ids=ids))
            self._publish_skeletons(keyframe)

    def _follow(self, ids: set[str]) -> None:
        """Open the topics of new bodies, close those of bodies that left."""
        for gone in self._bodies.keys() - ids:
            self.destroy_publisher(self._bodies.pop(gone))
        for new in ids - self._bodies.keys():
            topic = f"/humans/bodies/{new}/skeleton2d"
            self._bodies[new] = self.create_publisher(self._hri.Skeleton2D, topic, qos.poses())

    def _publish_skeletons(self, keyframe: Keyframe) -> None:
        header = convert.header(keyframe.stamp, keyframe.frame_id)
        for person in keyframe.persons:
            points = skeleton2d(person, keyframe.width, keyframe.height)
            self._bodies[person.id].publish(self._hri.Skeleton2D(header=header, skeleton=self._points(points)))

    def _points(self, points: np.ndarray) -> list:
        return [self._hri.NormalizedPointOfInterest2D(x=x, y=y, c=c) for x, y, c in points.tolist()]


def main() -> int:
    return base.main(HumansNode)


if __name__ == "__main__":
    raise SystemExit(main())
