"""Person in an image in the form of REP-155 (ROS4HRI): the points of hri_msgs/Skeleton2D, the region of interest."""

import numpy as np

from uplift_ros.poses import Person2D
from uplift_ros.skeleton import H36M17

SKELETON2D = (
    "nose",
    "thorax",  # neck in Skeleton2D
    "right_shoulder",
    "right_elbow",
    "right_wrist",
    "left_shoulder",
    "left_elbow",
    "left_wrist",
    "right_hip",
    "right_knee",
    "right_ankle",
    "left_hip",
    "left_knee",
    "left_ankle",
)
"""Joints of h36m17 in the order of Skeleton2D's constants, which differs from that of OpenPose."""

ABSENT_POINTS = 4
"""Eyes and ears follow, which h36m17 does not have."""


def skeleton2d(person: Person2D, width: int, height: int) -> np.ndarray:
    """(18, 3) x and y as fractions of the image, confidence; all three in [0, 1], and 0 for absent points."""
    joints = [H36M17.index(joint) for joint in SKELETON2D]
    points = np.concatenate([person.keypoints[joints] / (width, height), person.scores[joints, None]], -1)
    points = np.where(np.isfinite(points).all(-1, keepdims=True), points.clip(0, 1), 0.0)
    return np.concatenate([points, np.zeros((ABSENT_POINTS, 3))])


def region_of_interest(person: Person2D, width: int, height: int) -> np.ndarray:
    """(4,) xmin, ymin, xmax, ymax of the bounding box as fractions of the image, in [0, 1]."""
    x, y, box_width, box_height = person.bbox
    return (np.array([x, y, x + box_width, y + box_height]) / (width, height, width, height)).clip(0.0, 1.0)
