"""Conversion between messages and the data classes of `poses` and `camera`, for the messages of rclpy and of bags.

Reading a message needs only its fields, so functions serve both families. Creating one needs its class, which a
MessageFactory looks up. Values are only rounded to the messages' float32.
"""

import struct
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np

from uplift_ros.camera import Camera
from uplift_ros.intrinsics import Calibration
from uplift_ros.messages.ros_classes import import_message
from uplift_ros.poses import NANOSECONDS, Keyframe, Origin, Person2D, Person3D, ScaleSource, SkeletonFrame, Source
from uplift_ros.skeleton import Skeleton
from uplift_ros.streaming.rates import Rates


class MessageFactory:
    """Factory of messages.

    Args:
        message_class: returns the class of "package/msg/Type": `import_message` for rclpy's classes,
            `typestore.message_class` for those of bags.
    """

    def __init__(self, message_class: Callable[[str], type]) -> None:
        self._class_of = cache(message_class)

    def time(self, stamp: int) -> Any:
        """Create a builtin_interfaces/Time from nanoseconds."""
        seconds, nanoseconds = divmod(stamp, NANOSECONDS)
        return self._class_of("builtin_interfaces/msg/Time")(sec=seconds, nanosec=nanoseconds)

    def header(self, stamp: int, frame_id: str) -> Any:
        return self._class_of("std_msgs/msg/Header")(stamp=self.time(stamp), frame_id=frame_id)

    def keyframe(self, keyframe: Keyframe) -> Any:
        """Create a uplift_ros/Keyframe2D."""
        return self._class_of("uplift_ros/msg/Keyframe2D")(
            header=self.header(keyframe.stamp, keyframe.frame_id),
            skeleton=keyframe.skeleton,
            width=keyframe.width,
            height=keyframe.height,
            sequence=keyframe.sequence,
            stride=keyframe.stride,
            origin=int(keyframe.origin),
            persons=[self._person_in_image(person) for person in keyframe.persons],
        )

    def keyframe_request(self, stamp: int, frame_id: str, stamps: Sequence[int]) -> Any:
        """Create a uplift_ros/KeyframeRequest."""
        return self._class_of("uplift_ros/msg/KeyframeRequest")(
            header=self.header(stamp, frame_id), stamps=[self.time(wanted) for wanted in stamps]
        )

    def _person_in_image(self, person: Person2D) -> Any:
        keypoint = self._class_of("uplift_ros/msg/Keypoint2D")
        return self._class_of("uplift_ros/msg/Person2D")(
            id=person.id,
            score=float(person.score),
            bbox=np.asarray(person.bbox, np.float32),
            keypoints=[
                keypoint(x=x, y=y, score=score)
                for (x, y), score in zip(person.keypoints.tolist(), person.scores.tolist(), strict=True)
            ],
        )

    def skeletons(self, frame: SkeletonFrame) -> Any:
        """Create a uplift_ros/Skeletons."""
        return self._class_of("uplift_ros/msg/Skeletons")(
            header=self.header(frame.stamp, frame.frame_id),
            skeleton=frame.skeleton,
            is_final=frame.is_final,
            persons=[self._person_in_space(person) for person in frame.persons],
        )

    def _person_in_space(self, person: Person3D) -> Any:
        point, vector, quaternion = (
            self._class_of(f"geometry_msgs/msg/{kind}") for kind in ("Point", "Vector3", "Quaternion")
        )
        return self._class_of("uplift_ros/msg/Person3D")(
            id=person.id,
            score=float(person.score),
            source=int(person.source),
            scale_source=int(person.scale_source),
            joints=[point(x=x, y=y, z=z) for x, y, z in np.asarray(person.joints, np.float64).tolist()],
            scores=np.asarray(person.scores, np.float32),
            covariance=np.asarray(person.covariance, np.float32).ravel(),
            velocity=float(person.velocity),
            velocities=[vector(x=x, y=y, z=z) for x, y, z in np.asarray(person.velocities, np.float64).tolist()],
            height=float(person.height),
            orientations=[
                quaternion(x=x, y=y, z=z, w=w) for x, y, z, w in np.asarray(person.orientations, np.float64).tolist()
            ],
            twist_variances=np.asarray(person.twist_variances, np.float32),
        )

    def rate_state(self, rates: Rates) -> Any:
        """Create a uplift_ros/RateState."""
        numbers = {name: value for name, value in vars(rates).items() if name not in ("stamp", "frame_id", "reason")}
        header = self.header(rates.stamp, rates.frame_id)
        return self._class_of("uplift_ros/msg/RateState")(header=header, reason=int(rates.reason), **numbers)

    def skeleton_info(self, skeleton: Skeleton) -> Any:
        """Create a uplift_ros/SkeletonInfo."""
        return self._class_of("uplift_ros/msg/SkeletonInfo")(
            name=skeleton.name, joints=list(skeleton.joints), parents=np.asarray(skeleton.parents, np.int32)
        )

    def camera_info(self, camera: Camera, stamp: int, frame_id: str) -> Any:
        """Create the sensor_msgs/CameraInfo of a monocular camera."""
        matrix = camera.matrix
        return self._class_of("sensor_msgs/msg/CameraInfo")(
            header=self.header(stamp, frame_id),
            width=camera.width,
            height=camera.height,
            distortion_model=camera.model,
            d=np.asarray(camera.distortion, np.float64),
            k=matrix.ravel(),
            r=np.eye(3).ravel(),
            p=np.hstack([matrix, np.zeros((3, 1))]).ravel(),
            binning_x=0,
            binning_y=0,
            roi=self._class_of("sensor_msgs/msg/RegionOfInterest")(
                x_offset=0, y_offset=0, height=0, width=0, do_rectify=False
            ),
        )

    def image(self, rgb: np.ndarray, header: Any) -> Any:
        """Create a sensor_msgs/Image of (height, width, 3) uint8, RGB."""
        height, width = rgb.shape[:2]
        return self._class_of("sensor_msgs/msg/Image")(
            header=header,
            height=height,
            width=width,
            encoding="rgb8",
            is_bigendian=0,
            step=3 * width,
            data=rgb.tobytes(),
        )


@cache
def ros_messages() -> MessageFactory:
    """Return the factory of rclpy's messages, created at first use: bags need no ROS.

    Raises:
        ImportError, AttributeError: ROS, or this package's messages, are not installed.
    """
    return MessageFactory(import_message)


def serialized_header(data: bytes) -> tuple[int, str]:
    """Read stamp (nanoseconds) and frame_id of the header at the beginning of a serialised message.

    In CDR four bytes are the encoding, the second of them the byte order. Seconds, nanoseconds and the length of the
    text follow, four bytes each; the text ends with a zero.

    Raises:
        ValueError: too short for a header, a frame_id that is no text, or no time (see `stamp_from_msg`).
    """
    try:
        order = "<" if data[1] & 1 else ">"
        seconds, nanoseconds, length = struct.unpack_from(f"{order}iII", data, 4)
        (text,) = struct.unpack_from(f"{length}s", data, 16)
        frame_id = text.rstrip(b"\0").decode()
    except (IndexError, struct.error, UnicodeDecodeError) as error:
        raise ValueError(f"serialised message must begin with a header, got {len(data)} bytes") from error
    return _stamp(seconds, nanoseconds), frame_id


def stamp_from_msg(time: Any) -> int:
    """Nanoseconds of a builtin_interfaces/Time.

    Raises:
        ValueError: a second or more in `nanosec`, which is not a valid time.
    """
    return _stamp(time.sec, time.nanosec)


def _stamp(seconds: int, nanoseconds: int) -> int:
    if nanoseconds >= NANOSECONDS:
        raise ValueError(f"stamp.nanosec must be below {NANOSECONDS}, got {nanoseconds}")
    return seconds * NANOSECONDS + nanoseconds


def keyframe_from_msg(message: Any) -> Keyframe:
    """Convert a uplift_ros/Keyframe2D. In bags of versions without look back it has no origin: it was scheduled.

    Raises:
        ValueError: the origin is not one of the message's constants, or `Keyframe.validate` refuses the people.
    """
    keyframe = Keyframe(
        stamp=stamp_from_msg(message.header.stamp),
        frame_id=message.header.frame_id,
        width=message.width,
        height=message.height,
        sequence=message.sequence,
        stride=message.stride,
        persons=tuple(_person_in_image(person) for person in message.persons),
        skeleton=message.skeleton,
        origin=Origin(getattr(message, "origin", Origin.SCHEDULED)),
    )
    keyframe.validate()
    return keyframe


def _person_in_image(person: Any) -> Person2D:
    return Person2D(
        id=person.id,
        score=person.score,
        bbox=np.asarray(person.bbox, np.float64),
        keypoints=np.array([(point.x, point.y) for point in person.keypoints], np.float64).reshape(-1, 2),
        scores=np.array([point.score for point in person.keypoints], np.float64),
    )


def skeletons_from_msg(message: Any) -> SkeletonFrame:
    """Convert a uplift_ros/Skeletons.

    Raises:
        ValueError: a person's source or scale_source is not one of the message's constants, or
            `SkeletonFrame.validate` refuses the people.
    """
    frame = SkeletonFrame(
        stamp=stamp_from_msg(message.header.stamp),
        frame_id=message.header.frame_id,
        persons=tuple(_person_in_space(person) for person in message.persons),
        is_final=message.is_final,
        skeleton=message.skeleton,
    )
    frame.validate()
    return frame


def _person_in_space(person: Any) -> Person3D:
    return Person3D(
        id=person.id,
        score=person.score,
        source=Source(person.source),
        scale_source=ScaleSource(person.scale_source),
        joints=_vectors(person.joints),
        scores=np.array(person.scores, np.float64),
        velocity=person.velocity,
        covariance=np.array(person.covariance, np.float64).reshape(-1, 6),
        # Recordings made before these fields existed lack them.
        velocities=_vectors(getattr(person, "velocities", ())),
        height=getattr(person, "height", 0.0),
        orientations=np.array([(q.x, q.y, q.z, q.w) for q in getattr(person, "orientations", ())]).reshape(-1, 4),
        twist_variances=np.array(getattr(person, "twist_variances", ()), np.float64),
    )


def _vectors(points: Any) -> np.ndarray:
    """(N, 3) of geometry_msgs/Point or Vector3."""
    return np.array([(point.x, point.y, point.z) for point in points], np.float64).reshape(-1, 3)


def calibration_from_msg(message: Any, rectified: bool = False) -> Calibration:
    """Convert a sensor_msgs/CameraInfo, for raw or rectified images."""
    roi = message.roi
    return Calibration(
        width=message.width,
        height=message.height,
        k=tuple(map(float, message.k)),
        d=tuple(map(float, message.d)),
        model=message.distortion_model,
        p=tuple(map(float, message.p)),
        binning=(message.binning_x, message.binning_y),
        roi=(roi.x_offset, roi.y_offset, roi.width, roi.height),
        rectified=rectified,
    )


def camera_from_msg(message: Any) -> Camera:
    """Camera of the raw image that a sensor_msgs/CameraInfo describes, of the size that REP-104 expects.

    Raises:
        ValueError: `k` is all zeros (the camera is not calibrated), or the values are not those of a camera.
    """
    calibration = calibration_from_msg(message)
    return calibration.for_image(*calibration.size)
