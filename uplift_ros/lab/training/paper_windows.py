"""Training windows as the code of Uplift and Upsample (WACV 2023) draws them, for `--recipe paper`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from uplift_ros.lab.data.mocap import Sequence as Motion
from uplift_ros.lab.data.takes import Take, screen
from uplift_ros.lab.data.windows import Batch
from uplift_ros.models.configs import UpliftConfig
from uplift_ros.skeleton import mirror
from uplift_ros.sources.synthetic.viewpoint import Viewpoint


@dataclass(frozen=True)
class Videos:
    """All frames of all videos one after the other.

    Attributes:
        joints: (F, 17, 3) metres: root-relative in the camera's frame if there are 2D poses, else in the world.
        inputs: (F, 17, 2) of recordings, in screen coordinates; motion capture has none.
        first, last: (F,) first and last frame of the video of each frame.
    """

    joints: np.ndarray
    inputs: np.ndarray | None
    first: np.ndarray
    last: np.ndarray

    @classmethod
    def of_takes(cls, takes: Sequence[Take]) -> "Videos":
        """Join recordings."""
        joints = [take.truth - take.truth[:, :1] for take in takes]
        return cls._joined(joints, [screen(take.pixels, take.camera) for take in takes])

    @classmethod
    def of_motion(cls, sequences: Sequence[Motion]) -> "Videos":
        """Join motion capture."""
        return cls._joined([sequence.joints for sequence in sequences], None)

    @classmethod
    def _joined(cls, joints: list[np.ndarray], inputs: list[np.ndarray] | None) -> "Videos":
        lengths = np.array([len(part) for part in joints])
        ends = lengths.cumsum()
        stacked = np.concatenate(inputs).astype(np.float32) if inputs else None
        first, last = np.repeat(ends - lengths, lengths), np.repeat(ends - 1, lengths)
        return cls(np.concatenate(joints).astype(np.float32), stacked, first, last)


class PaperSampler:
    """Endless batches: every frame of every video is the centre of a window once per pass, in random order.

    Args:
        videos: source of windows.
        config: of the network.
        batch: windows in a batch.
        rng: source of all randomness.
        twins: within-batch augmentation: each window is followed by its mirror image. Otherwise a pass has every window
            twice, unchanged and mirrored, at independent places.
        cameras: for motion capture; one of them sees each window. Motion is mirrored in the world and then seen by the
            same camera, so that twins are two views, not mirror images of each other.

    Raises:
        ValueError: twins in an odd batch, or motion capture without cameras.
    """

    def __init__(
        self,
        videos: Videos,
        config: UpliftConfig,
        batch: int,
        rng: np.random.Generator,
        *,
        twins: bool,
        cameras: Sequence[Viewpoint] = (),
    ) -> None:
        if twins and batch % 2:
            raise ValueError(f"batch must be even for windows and their mirror images, got {batch}")
        if videos.inputs is None and not cameras:
            raise ValueError("calibration must give Human3.6M's cameras, which see motion capture, got none")
        self.videos, self.config, self.rng, self.twins, self.cameras = videos, config, rng, twins, cameras
        self.drawn = batch // 2 if twins else batch
        self._centres = self._pass()

    def draw(self) -> Batch:
        drawn = np.fromiter(self._centres, int, self.drawn)
        centres, mirrored = drawn % len(self.videos.joints), drawn >= len(self.videos.joints)
        frames = window_frames(centres, self.videos.first[centres], self.videos.last[centres], self.config)
        mask, joints = paper_masks(self.rng, self.config, self.drawn), self.videos.joints[frames]
        if self.videos.inputs is not None:
            inputs = self.videos.inputs[frames]
            if self.twins:
                inputs, joints, mask, mirrored = _doubled(inputs, joints, mask)
            inputs[mirrored] = mirror(inputs[mirrored])
            joints[mirrored] = mirror(joints[mirrored])
            return Batch.of(inputs, mask, joints)
        cameras = self.rng.integers(len(self.cameras), size=self.drawn)
        if self.twins:
            cameras, joints, mask, mirrored = _doubled(cameras, joints, mask)
        joints[mirrored] = mirror(joints[mirrored])
        seen, inputs = np.empty_like(joints), np.empty((*joints.shape[:-1], 2), np.float32)
        for index in np.unique(cameras):
            chosen = cameras == index
            seen[chosen] = self.cameras[index].to_optical(joints[chosen])
            inputs[chosen] = project(seen[chosen], self.cameras[index])
        return Batch.of(inputs, mask, seen - seen[:, :, :1])

    def _pass(self) -> Iterator[int]:
        count = len(self.videos.joints) * (1 if self.twins else 2)
        while True:
            yield from self.rng.permutation(count)


def window_frames(centres: np.ndarray, first: np.ndarray, last: np.ndarray, config: UpliftConfig) -> np.ndarray:
    """Frames (B, T) of windows; beyond the ends of a video the nearest frame on the window's own grid.

    Args:
        centres: (B,) frames at the middle of the windows.
        first, last: (B,) first and last frame of their videos.
        config: of the network.
    """
    spacing = config.token_stride
    frames = centres[:, None] + (np.arange(config.tokens) - config.centre) * spacing
    lowest, highest = first + (centres - first) % spacing, last - (last - centres) % spacing
    return frames.clip(lowest[:, None], highest[:, None])


def paper_masks(rng: np.random.Generator, config: UpliftConfig, count: int) -> np.ndarray:
    """Key-frame masks (count, T), true at real poses: each window has one stride of the network and a uniform phase."""
    period = rng.choice(config.input_strides, count)[:, None] // config.token_stride
    phase = rng.integers(period)
    return (np.arange(config.tokens) - config.centre + phase) % period == 0


def project(joints: np.ndarray, camera: Viewpoint) -> np.ndarray:
    """Project joints (..., 3) from the optical frame to screen coordinates with the authors' model of Human3.6M's lens.

    As in VideoPose3D, a ray u is limited to 45 degrees and distorted to
    u (1 + k1 r^2 + k2 r^4 + k3 r^6 + p . u) + p r^2, with p = (p2, p1) of OpenCV's coefficients. Joints outside the
    image are kept.
    """
    lens = camera.camera
    k1, k2, p1, p2, k3 = lens.distortion
    rays = (joints[..., :2] / joints[..., 2:]).clip(-1, 1)
    r2 = (rays**2).sum(-1, keepdims=True)
    tangential = np.array([p2, p1])
    factor = 1 + k1 * r2 + k2 * r2**2 + k3 * r2**3 + (rays * tangential).sum(-1, keepdims=True)
    return screen((rays * factor + tangential * r2) * (lens.fx, lens.fy) + (lens.cx, lens.cy), lens)


def _doubled(first: np.ndarray, joints: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, ...]:
    """Repeat every window and mark the second of each pair, which is to be mirrored."""
    return *(np.repeat(part, 2, 0) for part in (first, joints, mask)), np.arange(2 * len(joints)) % 2 == 1
