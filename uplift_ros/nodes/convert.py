"""Between messages and the plain data of `poses` and `camera`. Nothing is rounded but to the messages' float32."""

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

import uplift_ros.msg as msg
from uplift_ros.camera import Camera
from uplift_ros.poses import Keyframe, Person2D, Person3D, ScaleSource, SkeletonFrame, Source
from uplift_ros.skeleton import Skeleton

NANOSECONDS = 1_000_000_000


def stamp_from_msg(time: Time) -> int:
    """Nanoseconds."""
    return time.sec * NANOSECONDS + time.nanosec


def stamp_to_msg(stamp: int) -> Time:
    """From nanoseconds."""
    seconds, nanoseconds = divmod(stamp, NANOSECONDS)
    return Time(sec=seconds, nanosec=nanoseconds)


def header(stamp: int, frame_id: str) -> Header:
    return Header(stamp=stamp_to_msg(stamp), frame_id=frame_id)


def keyframe_to_msg(keyframe: Keyframe) -> msg.Keyframe2D:
    return msg.Keyframe2D(
        header=header(keyframe.stamp, keyframe.frame_id),
        skeleton=keyframe.skeleton,
        width=keyframe.width,
        height=keyframe.height,
        sequence=keyframe.sequence,
        stride=keyframe.stride,
        persons=[_person2d_to_msg(person) for person in keyframe.persons],
    )


def _person2d_to_msg(person: Person2D) -> msg.Person2D:
    return msg.Person2D(
        id=person.id,
        score=float(person.score),
        bbox=np.asarray(person.bbox, np.float32),
        keypoints=[
            msg.Keypoint2D(x=x, y=y, score=score)
            for (x, y), score in zip(person.keypoints.tolist(), person.scores.tolist(), strict=True)
        ],
    )


def keyframe_from_msg(message: msg.Keyframe2D) -> Keyframe:
    return Keyframe(
        stamp=stamp_from_msg(message.header.stamp),
        frame_id=message.header.frame_id,
        width=message.width,
        height=message.height,
        sequence=message.sequence,
        stride=message.stride,
        persons=tuple(_person2d_from_msg(person) for person in message.persons),
        skeleton=message.skeleton,
    )


def _person2d_from_msg(person: msg.Person2D) -> Person2D:
    return Person2D(
        id=person.id,
        score=person.score,
        bbox=np.asarray(person.bbox, np.float64),
        keypoints=np.array([(point.x, point.y) for point in person.keypoints], np.float64).reshape(-1, 2),
        scores=np.array([point.score for point in person.keypoints], np.float64),
    )


def skeletons_to_msg(frame: SkeletonFrame) -> msg.Skeletons:
    return msg.Skeletons(
        header=header(frame.stamp, frame.frame_id),
        skeleton=frame.skeleton,
        is_final=frame.is_final,
        persons=[_person3d_to_msg(person) for person in frame.persons],
    )


def _person3d_to_msg(person: Person3D) -> msg.Person3D:
    return msg.Person3D(
        id=person.id,
        score=float(person.score),
        source=int(person.source),
        scale_source=int(person.scale_source),
        joints=[Point(x=x, y=y, z=z) for x, y, z in np.asarray(person.joints, np.float64).tolist()],
        scores=np.asarray(person.scores, np.float64).tolist(),
        covariance=np.asarray(person.covariance, np.float64).ravel().tolist(),
        velocity=float(person.velocity),
    )


def skeletons_from_msg(message: msg.Skeletons) -> SkeletonFrame:
    return SkeletonFrame(
        stamp=stamp_from_msg(message.header.stamp),
        frame_id=message.header.frame_id,
        persons=tuple(_person3d_from_msg(person) for person in message.persons),
        is_final=message.is_final,
        skeleton=message.skeleton,
    )


def _person3d_from_msg(person: msg.Person3D) -> Person3D:
    return Person3D(
        id=person.id,
        score=person.score,
        source=Source(person.source),
        scale_source=ScaleSource(person.scale_source),
        joints=np.array([(point.x, point.y, point.z) for point in person.joints], np.float64).reshape(-1, 3),
        scores=np.array(person.scores, np.float64),
        velocity=person.velocity,
        covariance=np.array(person.covariance, np.float64).reshape(-1, 6),
    )


def skeleton_info_to_msg(skeleton: Skeleton) -> msg.SkeletonInfo:
    return msg.SkeletonInfo(name=skeleton.name, joints=list(skeleton.joints), parents=list(skeleton.parents))


def camera_to_msg(camera: Camera, stamp: int, frame_id: str) -> CameraInfo:
    matrix = camera.matrix
    return CameraInfo(
        header=header(stamp, frame_id),
        width=camera.width,
        height=camera.height,
        distortion_model=camera.model,
        d=list(camera.distortion),
        k=matrix.ravel(),
        r=np.eye(3).ravel(),
        p=np.hstack([matrix, np.zeros((3, 1))]).ravel(),
    )


def camera_from_msg(message: CameraInfo) -> Camera:
    """The intrinsics of the unrectified image.

    Raises:
        ValueError: `k` is all zeros (the camera is not calibrated), or no camera has such values.
    """
    if not np.any(message.k):
        raise ValueError("camera_info.k is all zeros: the camera is not calibrated")
    return Camera.from_matrix(
        message.k, message.d, message.width, message.height, message.distortion_model or "plumb_bob"
    )
