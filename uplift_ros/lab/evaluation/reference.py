"""3D reference of a person in a video: the joints at any time, in the frame of the camera that recorded it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from uplift_ros.camera import Camera
from uplift_ros.intrinsics import load_calibration
from uplift_ros.lab.data.archive import Archive
from uplift_ros.poses import NANOSECONDS
from uplift_ros.skeleton import H36M17
from uplift_ros.streaming.track import interpolate


@dataclass(frozen=True)
class Reference:
    """Camera and true joints of a clip.

    Attributes:
        name: of the camera.
        camera: intrinsics.
        joints: (T, 17, 3) metres, the camera's optical frame; NaN if there is no reference.
        fps: frames per second of the joints, the first of which are at the first frame of the video.
    """

    name: str
    camera: Camera
    joints: np.ndarray
    fps: float

    @property
    def seconds(self) -> float:
        """Time of the last joints."""
        return (len(self.joints) - 1) / self.fps

    def at(self, stamps: np.ndarray) -> np.ndarray:
        """(K, 17, 3) at times (K,) in nanoseconds, by linear interpolation; NaN outside the reference."""
        frames = stamps / NANOSECONDS * self.fps
        nearest = frames.round()
        frames = np.where(np.abs(frames - nearest) < 1e-3, nearest, frames)
        last = len(self.joints) - 1
        joints = interpolate(frames.clip(0, last), np.arange(last + 1), self.joints)
        return np.where(((frames >= 0) & (frames <= last))[:, None, None], joints, np.nan)


def load_reference(path: Path, camera_file: Path) -> Reference:
    """Read a reference and the camera that it is seen from.

    Args:
        path: npz with `fps`, `joints` (T, 17, 3) in metres, world frame, and for every camera `rotation_NAME` (3, 3)
            and `translation_NAME` (3,), which transform world into optical coordinates: rotation @ world + translation.
            If there are `joints_without_NAME`, triangulated without that camera, its video is evaluated against them.
        camera_file: ROS calibration file, whose camera_name selects NAME.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a file of another form; names the key.
    """
    calibration = load_calibration(camera_file)
    name, camera = calibration.name, calibration.for_image(*calibration.size)
    with Archive(path, "reference") as archive:
        without = f"joints_without_{name}"
        joints = archive.read(without if without in archive.names else "joints", (None, len(H36M17), 3), finite=False)
        fps = archive.read_rate("fps")
        rotation, translation = archive.read(f"rotation_{name}", (3, 3)), archive.read(f"translation_{name}", (3,))
    seen = joints.astype(float) @ rotation.T.astype(float) + translation
    return Reference(name, camera, seen, fps)
