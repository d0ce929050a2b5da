"""Evaluation on motion capture seen by virtual cameras: offline as in the papers, online as on a robot."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.interpolate import make_interp_spline

from uplift_ros.camera import Camera, answer_rotation, normalise
from uplift_ros.lab.data import mocap
from uplift_ros.lab.data.detector_noise import DetectorNoise
from uplift_ros.lab.data.refiners import Refiner
from uplift_ros.lab.data.virtual_camera import surrounding_views
from uplift_ros.models.uplift import UpliftUpsample
from uplift_ros.poses import NANOSECONDS, Keyframe, Person2D, SkeletonFrame
from uplift_ros.skeleton import H36M17
from uplift_ros.streaming.keyframes import KeyframeSchedule
from uplift_ros.streaming.stride import StrideController
from uplift_ros.streaming.track import interpolate
from uplift_ros.streaming.uplifter import StreamingUplifter

PIXELS = Camera(1000.0, 1000.0, 500.0, 500.0, 1001, 1001)
"""The camera of the simulated key-frames; inputs are normalised, so any will do."""

BATCH = 128
"""Windows in one forward of the offline protocol."""


@dataclass(frozen=True)
class Clip:
    """A motion as one camera sees it.

    Attributes:
        name: of the sequence.
        truth: (T, 17, 3) metres, camera optical frame.
        plane: (T, 17, 2) what a 2D detector reports, on the plane z = 1; NaN where it leaves a joint out.
    """

    name: str
    truth: np.ndarray
    plane: np.ndarray


@dataclass(frozen=True)
class Estimate:
    """3D poses of one clip.

    Attributes:
        clip: what was seen.
        poses: (K, 17, 3) metres, camera optical frame, root-relative or placed.
        frames: (K,) the frames of the clip that they belong to.
        keyframes: (K,) true where the frame was a key-frame.
        tension: (K, 17) metres, between SynSP's branches, where it refined the poses.
    """

    clip: Clip
    poses: np.ndarray
    frames: np.ndarray
    keyframes: np.ndarray
    tension: np.ndarray | None = None

    @property
    def truth(self) -> np.ndarray:
        """(K, 17, 3)."""
        return self.clip.truth[self.frames]


def film(sequences: Sequence[mocap.Sequence], rate: float, cameras: int, noise: str, seed: int) -> Iterator[Clip]:
    """Every sequence through `cameras` fixed cameras around it; noise is drawn once for each clip.

    Args:
        noise: 'none' or 'detector'.

    Raises:
        ValueError: there is no camera.
    """
    if cameras < 1:
        raise ValueError(f"cameras must be at least 1, got {cameras}")
    for index, sequence in enumerate(sequences):
        rng = np.random.default_rng((seed, index))
        views = surrounding_views(rng, sequence.joints, cameras)
        for rotation, position in zip(views.rotation, views.position, strict=True):
            truth = (sequence.joints - position) @ rotation.T
            plane = truth[..., :2] / truth[..., 2:]
            if noise == "detector":
                plane = DetectorNoise().apply(rng, plane[None], 1 / rate, np.ones(1))[0]
            yield Clip(sequence.name, truth, plane)


@torch.inference_mode()
def offline(model: UpliftUpsample, clip: Clip, stride: int, *, flip: bool = False) -> Estimate:
    """The paper's protocol: a window around every frame of the s_out grid, central head, key-frames at f mod s_in = 0.

    Positions beyond the clip copy its nearest frame on the grid. Frames between the grid's are interpolated, frames
    after its last one hold that pose.

    Args:
        flip: average with the mirrored prediction for mirrored input.

    Raises:
        ValueError: the stride is no multiple of the network's s_out.
    """
    config = model.config
    if stride % config.token_stride:
        raise ValueError(f"stride must be a multiple of {config.token_stride} (the model's s_out), got {stride}")
    grid = np.arange(0, len(clip.plane), config.token_stride)
    inputs = normalise(clip.plane[grid], config.normalisation).inputs
    central = _central(model, inputs, stride)
    if flip:
        mirrored = _central(model, inputs[:, H36M17.flip] * (-1, 1), stride)
        central = (central + mirrored[:, H36M17.flip] * (-1, 1, 1)) / 2
    seen = np.arange(0, len(clip.plane), stride)
    pelvis = interpolate(grid.clip(max=seen[-1]), seen, clip.plane[seen, 0])
    rotation = answer_rotation(pelvis, config.normalisation)
    frames = np.arange(len(clip.plane))
    poses = interpolate(frames.clip(max=grid[-1]), grid, central @ rotation)
    return Estimate(clip, poses, frames, frames % stride == 0)


def _central(model: UpliftUpsample, inputs: np.ndarray, stride: int) -> np.ndarray:
    """Central head in the window around each frame of the grid: inputs (G, 17, 2) to poses (G, 17, 3)."""
    config, last = model.config, len(inputs) - 1
    tokens = model.pose_tokens(torch.from_numpy(inputs).float())
    offsets = np.arange(config.tokens) - config.centre
    poses = []
    for centres in np.split(np.arange(last + 1), range(BATCH, last + 1, BATCH)):
        at = centres[:, None] + offsets
        mask = torch.from_numpy(at * config.token_stride % stride == 0)
        placed = model.place(tokens[torch.from_numpy(at.clip(0, last))[mask]], mask)
        poses.append(model.central(model.temporal(placed, mask)))
    return torch.cat(poses).double().numpy()


def online(model: UpliftUpsample, clip: Clip, controller: StrideController, stride: int, latency: int) -> Estimate:
    """The streaming classes driven frame by frame, as the nodes drive them; what waits at the end comes out.

    Args:
        stride: until the controller's first decision.
    """
    outputs, taken = stream(StreamingUplifter(model, latency=latency), clip, controller, stride)
    frames = np.array([round(output.stamp * model.config.model_rate / NANOSECONDS) for output in outputs])
    poses = np.stack([output.persons[0].joints for output in outputs])
    return Estimate(clip, poses, frames, np.isin(frames, taken))


def stream(
    uplifter: StreamingUplifter, clip: Clip, controller: StrideController, stride: int
) -> tuple[list[SkeletonFrame], list[int]]:
    """What comes out of a fresh uplifter, and the frames of the clip that were key-frames; arguments as in `online`."""
    rate = uplifter.config.model_rate
    schedule = KeyframeSchedule(stride, rate)
    outputs: list[SkeletonFrame] = []
    taken = []
    for frame, plane in enumerate(clip.plane):
        stamp = round(frame / rate * NANOSECONDS)
        if not schedule.is_due(stamp):
            continue
        schedule.take(stamp)
        taken.append(frame)
        keypoints = plane * 1000.0 + 500.0
        person = Person2D("p1", 1.0, np.zeros(4), keypoints, np.ones(len(keypoints)))
        uplifted = uplifter.push(Keyframe(stamp, "camera", 1001, 1001, frame, schedule.stride, (person,)), PIXELS)
        if uplifted is not None:
            outputs += uplifted.final
            schedule.stride = controller.update(uplifted.frame, uplifted.velocity).stride
    return outputs + uplifter.flush(), taken


def disturbed_truth(clips: Sequence[Clip], width: float, seed: int) -> Iterator[Estimate]:
    """The true poses with noise in place of an estimator's (SynSP's synthetic data): its windows then see one draw.

    Args:
        width: metres, full width of the uniform noise on every coordinate of the root-relative poses.
    """
    for index, clip in enumerate(clips):
        noise = np.random.default_rng((seed, index)).uniform(-width / 2, width / 2, clip.truth.shape)
        frames = np.arange(len(clip.truth))
        yield Estimate(clip, clip.truth - clip.truth[:, :1] + noise, frames, np.ones(len(frames), bool))


def between_keyframes(estimate: Estimate, degree: int) -> Estimate:
    """What there is without learned upsampling: splines of this degree through the root-relative key-frame poses.

    Frames after the last key-frame hold its pose. Too few key-frames for the degree lower it.
    """
    known = np.flatnonzero(estimate.keyframes)
    poses = estimate.poses - estimate.poses[:, :1]
    if len(known) == 1:
        return replace(estimate, poses=np.repeat(poses[known], len(poses), axis=0))
    spline = make_interp_spline(estimate.frames[known], poses[known], k=min(degree, len(known) - 1))
    inside = estimate.frames.clip(estimate.frames[known[0]], estimate.frames[known[-1]])
    return replace(estimate, poses=spline(inside))


def refine(estimate: Estimate, refiner: Refiner) -> Estimate:
    """The estimate, whose frames must be consecutive, after a refinement method."""
    poses, tension = refiner.refine(estimate.poses)
    return replace(estimate, poses=poses, tension=tension)
