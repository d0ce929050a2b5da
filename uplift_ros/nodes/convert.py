"""Between rclpy's messages and the plain data of `poses` and `camera`."""

from uplift_ros.messages.conversion import (
    MessageFactory,
    camera_from_msg,
    import_message,
    keyframe_from_msg,
    skeletons_from_msg,
    stamp_from_msg,
)

__all__ = [
    "camera_from_msg",
    "camera_to_msg",
    "header",
    "keyframe_from_msg",
    "keyframe_to_msg",
    "skeleton_info_to_msg",
    "skeletons_from_msg",
    "skeletons_to_msg",
    "stamp_from_msg",
    "stamp_to_msg",
]

_factory = MessageFactory(import_message)
stamp_to_msg = _factory.time
header = _factory.header
keyframe_to_msg = _factory.keyframe
skeletons_to_msg = _factory.skeletons
skeleton_info_to_msg = _factory.skeleton_info
camera_to_msg = _factory.camera_info
