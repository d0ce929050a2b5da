"""Calibrated camera: projection, rays, canonical normalisation of 2D poses, and root placement.

Optical frame after REP-103: x right, y down, z forward.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from uplift_ros.skeleton import H36M17

CANONICAL_STATURE = 1.72
"""Metres. Networks are trained on bodies scaled to this stature; for another stature their output is scaled."""

NORMALISATIONS = ("canonical", "screen")
"""Normalisations of 2D poses, see `normalise`."""

SCREEN_FOCAL = 2.29
"""2 f / w of the screen of the normalisation 'screen': Human3.6M's cameras have f = 1145 px and w = 1000 px. Their
principal points are in the centre, within 3 %, so that 2 x / w - 1 is the ray times 2 f / w."""

MIN_POSE_SIZE = 1e-3
"""Smallest size of a pose on the plane z = 1 by which it is divided; smaller ones (2 px at f = 2000) are noise."""

DISTORTIONS = {"plumb_bob": (0, 4, 5, 8, 12, 14), "rational_polynomial": (0, 4, 5, 8, 12, 14), "equidistant": (0, 4)}
"""Numbers of coefficients that each model may have, as in OpenCV."""

UNDISTORTIONS, EXACT_PIXEL, FOUND_PIXEL = 40, 1e-3, 1.0
"""Maximum number of iterations that undistort pixels; residual in pixels at which they stop, and above which a pixel
has no ray."""

REWEIGHTINGS = 3
"""Iterations of `place_root` after the first; more change the root by 0.2 mm in the median, 3 mm in one of 20."""

CAUCHY = 2.385
"""Deviations at which Cauchy's loss halves a residual's weight; 95 % efficient if all residuals are normal."""

RAYLEIGH_MEDIAN = 1.177
"""Median length of a vector whose two components have deviation 1."""

MIN_RESIDUAL = 0.01
"""Metres: if all joints fit better than that, none is an outlier."""


@dataclass(frozen=True)
class Camera:
    """Pinhole camera with lens distortion.

    Args:
        fx, fy, cx, cy: pixels.
        width, height: pixels.
        distortion: coefficients as in sensor_msgs/CameraInfo.d (OpenCV's order).
        model: 'plumb_bob', 'rational_polynomial' or 'equidistant' (fisheye).

    Raises:
        ValueError: focal length or size not positive, a value not finite, or a wrong model or distortion.
    """

    fx: float
    fy: float
    cx: float
    cy: float
    width: int
    height: int
    distortion: tuple[float, ...] = ()
    model: str = "plumb_bob"

    def __post_init__(self) -> None:
        if not np.isfinite([self.fx, self.fy, self.cx, self.cy, *self.distortion]).all():
            raise ValueError(f"camera intrinsics must be finite, got {self}")
        if self.fx <= 0 or self.fy <= 0:
            raise ValueError(f"camera focal length must be positive, got fx={self.fx} fy={self.fy}: not calibrated?")
        if self.width <= 0 or self.height <= 0:
            raise ValueError(f"camera image size must be positive, got {self.width}x{self.height}")
        if self.model not in DISTORTIONS:
            raise ValueError(f"camera distortion_model must be one of {', '.join(DISTORTIONS)}, got {self.model!r}")
        if len(self.distortion) not in (allowed := DISTORTIONS[self.model]):
            raise ValueError(
                f"camera distortion must be {', '.join(map(str, allowed))} coefficients of {self.model}, "
                f"got {len(self.distortion)}"
            )

    def for_image(self, width: int, height: int) -> "Camera":
        """Return this camera, if its images have this size (see intrinsics.py).

        Raises:
            ValueError: its images have another size.
        """
        if (self.width, self.height) != (width, height):
            raise ValueError(f"camera_info is of {self.width}x{self.height} images, these are {width}x{height}")
        return self

    @classmethod
    def from_matrix(
        cls, k: Sequence[float], distortion: Sequence[float], width: int, height: int, model: str = "plumb_bob"
    ) -> "Camera":
        """Create a camera from the row-major 3x3 matrix `k` and coefficients `d` of sensor_msgs/CameraInfo.

        Without coefficients the model's name is ignored: simulators write "", "none" or "pinhole". An ideal
        fisheye has coefficients, all 0.
        """
        if not any(distortion) and not (model == "equidistant" and len(distortion)):
            return cls(k[0], k[4], k[2], k[5], width, height)
        return cls(k[0], k[4], k[2], k[5], width, height, tuple(map(float, distortion)), model)

    @classmethod
    def from_fov(cls, horizontal_fov: float, width: int, height: int) -> "Camera":
        """Create an ideal camera with the given horizontal field of view in radians."""
        focal = width / 2 / np.tan(horizontal_fov / 2)
        return cls(focal, focal, (width - 1) / 2, (height - 1) / 2, width, height)

    def seen_through(self, offset: tuple[int, int], bins: tuple[int, int], size: tuple[int, int]) -> "Camera":
        """Return the camera of cropped and binned images.

        Args:
            offset: (x, y) of the upper left pixel of the crop.
            bins: pixels (across, down) that are binned into one.
            size: width and height of the result, in its own pixels.
        """
        (x, y), (across, down), (width, height) = offset, bins, size
        cx, cy = (self.cx - x + 0.5) / across - 0.5, (self.cy - y + 0.5) / down - 0.5
        return replace(self, fx=self.fx / across, fy=self.fy / down, cx=cx, cy=cy, width=width, height=height)

    def turned(self) -> "Camera":
        """Return the camera of images rotated by 90 degrees clockwise: x' = height - 1 - y, y' = x."""
        d = list(self.distortion)
        if self.model != "equidistant":  # radial terms do not rotate, the others are vectors
            if len(d) >= 4:  # p1, p2 of OpenCV: the vector is (p2, p1)
                d[2], d[3] = d[3], -d[2]
            if len(d) >= 12:  # thin prism: (s1, s3) and (s2, s4)
                d[8:12] = -d[10], -d[11], d[8], d[9]
            if any(d[12:]):
                raise ValueError(
                    f"camera distortion of an image that is turned must be without tau, the last two, got {d[12:]}"
                )
        cx, cy = self.height - 1 - self.cy, self.cx
        return Camera(self.fy, self.fx, cx, cy, self.height, self.width, tuple(d), self.model)

    @property
    def matrix(self) -> np.ndarray:
        """(3, 3) intrinsic matrix."""
        return np.array([[self.fx, 0, self.cx], [0, self.fy, self.cy], [0, 0, 1]], float)

    def project(self, points: np.ndarray) -> np.ndarray:
        """Project points (..., 3) in metres, optical frame, to pixels (..., 2). Points behind the camera are NaN."""
        points = np.asarray(points, float)
        depth = np.where(points[..., 2:] > 0, points[..., 2:], np.nan)
        plane = points[..., :2] / depth
        if not self.distortion:
            return plane * (self.fx, self.fy) + (self.cx, self.cy)
        return np.where(np.isnan(depth), np.nan, self._distorted(plane))

    def _distorted(self, plane: np.ndarray) -> np.ndarray:
        """Pixels (..., 2) of points (..., 2) on the plane z = 1."""
        flat = np.nan_to_num(plane.reshape(-1, 1, 2))
        on_plane = np.concatenate([flat, np.ones_like(flat[..., :1])], -1)
        zero = np.zeros(3)
        project = cv2.fisheye.projectPoints if self.model == "equidistant" else cv2.projectPoints
        pixels, _ = project(on_plane, zero, zero, self.matrix, np.array(self.distortion))
        return pixels.reshape(plane.shape)

    def rays(self, pixels: np.ndarray) -> np.ndarray:
        """Convert pixels (..., 2) to undistorted points (..., 2) on the plane z = 1.

        NaN stays NaN, and so becomes a pixel that no point is projected to by the model.
        """
        pixels = np.asarray(pixels, float)
        if not self.distortion:
            return (pixels - (self.cx, self.cy)) / (self.fx, self.fy)
        flat = np.nan_to_num(pixels.reshape(-1, 1, 2))
        undistort = cv2.fisheye.undistortPoints if self.model == "equidistant" else cv2.undistortPoints
        rays = undistort(flat, self.matrix, np.array(self.distortion)).reshape(pixels.shape)
        # OpenCV stops after five iterations, which leaves pixels near the border of a wide lens off.
        for _ in range(UNDISTORTIONS):
            missed = np.nan_to_num(pixels - self._distorted(rays))
            if np.abs(missed).max(initial=0.0) < EXACT_PIXEL:
                break
            rays = rays + missed / (self.fx, self.fy)
        found = np.abs(missed).max(-1, keepdims=True) < FOUND_PIXEL
        return np.where(found & np.isfinite(pixels), rays, np.nan)


def look_at(direction: np.ndarray) -> np.ndarray:
    """Rotation (..., 3, 3) that turns `direction` (..., 3) onto the optical axis and keeps the x axis level."""
    forward = direction / np.linalg.norm(direction, axis=-1, keepdims=True)
    right = np.cross(np.broadcast_to([0.0, 1.0, 0.0], forward.shape), forward)
    right /= np.linalg.norm(right, axis=-1, keepdims=True)
    return np.stack([right, np.cross(forward, right), forward], -2)


def normalise(rays: np.ndarray, normalisation: str, scores: np.ndarray | None = None) -> np.ndarray:
    """Normalise 2D poses to the input of a network, which does not depend on the camera.

    Args:
        rays: (..., 17, 2) points on the plane z = 1 (`Camera.rays`), root first; other joints may be absent (NaN).
        normalisation: of NORMALISATIONS. 'canonical': see `canonicalise`. 'screen': x' = 2 x / w - 1 and
            y' = 2 y / w - h / w in pixels of one screen, as in the papers. The network's output is in the frame of
            `camera_to_canonical_rotation`.
        scores: (..., 17) the detector's, in [0, 1], for networks that read them as a third coordinate, which is 0 for
            an absent joint; None for networks that read none.

    Returns:
        (..., 17, 2), or (..., 17, 3) with scores.
    """
    inputs = canonicalise(rays) if normalisation == "canonical" else SCREEN_FOCAL * fill_absent(rays)
    if scores is None:
        return inputs
    known = np.where(np.isfinite(rays).all(-1), scores, 0.0)[..., None]
    return np.concatenate([inputs, known], -1)


def camera_to_canonical_rotation(pelvis: np.ndarray, normalisation: str) -> np.ndarray:
    """Rotation (..., 3, 3) from the camera to the frame of a network's output, for a pelvis (..., 2) on z = 1.

    Between observations the pelvis is interpolated, and so is the frame.
    """
    if normalisation == "screen":
        return np.broadcast_to(np.eye(3), (*pelvis.shape[:-1], 3, 3))
    return look_at(np.concatenate([pelvis, np.ones_like(pelvis[..., :1])], -1))


def fill_absent(rays: np.ndarray) -> np.ndarray:
    """Replace absent joints (NaN) of (..., 17, 2) by their parents; the pelvis must be present."""
    filled = rays.copy()
    for parent, child in H36M17.bones:
        filled[..., child, :] = np.where(
            np.isfinite(filled[..., child, :]), filled[..., child, :], filled[..., parent, :]
        )
    return filled


def canonicalise(rays: np.ndarray) -> np.ndarray:
    """Normalise 2D poses frame by frame, so that a pose does not depend on the camera and the position in the image.

    A virtual camera looks at the pelvis; joints are divided by their root-mean-square distance from it. The pelvis
    itself, which would always be (0, 0), carries what is normalised: its horizontal angle (radians) and the logarithm
    of the size.

    Args:
        rays: (..., 17, 2) points on the plane z = 1 (`Camera.rays`), root first; other joints may be absent (NaN).
    """
    rays = fill_absent(rays)
    root = rays[..., 0, :]
    rotation = camera_to_canonical_rotation(root, "canonical")
    turned = np.concatenate([rays, np.ones_like(rays[..., :1])], -1) @ np.swapaxes(rotation, -1, -2)
    plane = turned[..., :2] / np.maximum(turned[..., 2:], 1e-6)
    size = np.sqrt((plane**2).sum(-1).mean(-1))
    size = np.maximum(size, MIN_POSE_SIZE)[..., None, None]
    inputs = plane / size
    inputs[..., 0, 0] = np.arctan(root[..., 0])
    inputs[..., 0, 1] = np.log(size[..., 0, 0])
    return inputs


def place_root(joints: np.ndarray, rays: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Estimate the translation that best explains the observed rays of the joints.

    Every joint gives two equations, (X + t) - u (Z + t_z) = 0 and the same for Y; their residuals are metres at the
    person. The least squares are iteratively reweighted, with less weight for outliers (Cauchy's loss): a wrong joint,
    or swapped arms, would move the person by metres along the ray.

    Args:
        joints: (17, 3) root-relative, metres, optical frame.
        rays: (17, 2) points on the plane z = 1; NaN where the joint was not seen.
        weights: (17,) confidence; joints with weight 0 do not count.

    Returns:
        (3,) metres, NaN if fewer than two joints are seen or the solution lies behind the camera.
    """
    seen = np.isfinite(rays).all(-1) & (weights > 0)
    if seen.sum() < 2:
        return np.full(3, np.nan)
    points, u = joints[seen], rays[seen]
    matrix = np.zeros((len(u), 2, 3))
    matrix[:, 0, 0] = matrix[:, 1, 1] = 1.0
    matrix[:, :, 2] = -u
    target = u * points[:, 2:] - points[:, :2]
    trust = np.ones(len(u))
    for _ in range(1 + REWEIGHTINGS):
        w = np.sqrt(weights[seen] * trust)[:, None]
        translation, *_ = np.linalg.lstsq((matrix * w[..., None]).reshape(-1, 3), (target * w).ravel(), rcond=None)
        residuals = np.linalg.norm(matrix @ translation - target, axis=-1)
        deviation = max(float(np.median(residuals)) / RAYLEIGH_MEDIAN, MIN_RESIDUAL)
        trust = 1 / (1 + (residuals / (CAUCHY * deviation)) ** 2)
    return translation if translation[2] > 0 else np.full(3, np.nan)
