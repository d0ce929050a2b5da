"""Evaluation on motion capture seen by virtual cameras: offline as in the papers, online as on a robot."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from uplift_ros.camera import Camera, canonicalise, look_at
from uplift_ros.evaluation import metrics
from uplift_ros.models.uplift import UpliftUpsample
from uplift_ros.online.refiner import StreamingRefiner
from uplift_ros.online.stride import KeyframeSchedule, StrideController
from uplift_ros.online.uplifter import StreamingUplifter, interpolate
from uplift_ros.poses import Keyframe, Person2D, Person3D, ScaleSource, SkeletonFrame, Source
from uplift_ros.training import mocap
from uplift_ros.training.noise import DetectorNoise
from uplift_ros.training.virtual_camera import surrounding_views

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
        plane: (T, 17, 2) what a 2D detector reports, on the plane z = 1.
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
    """

    clip: Clip
    poses: np.ndarray
    frames: np.ndarray
    keyframes: np.ndarray

    @property
    def truth(self) -> np.ndarray:
        """(K, 17, 3)."""
        return self.clip.truth[self.frames]


def film(sequences: Sequence[mocap.Sequence], rate: float, cameras: int, noise: str, seed: int) -> Iterator[Clip]:
    """Every sequence through `cameras` fixed cameras around it; noise is drawn once for each clip.

    Args:
        noise: 'none' or 'detector'.
    """
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
def offline(model: UpliftUpsample, clip: Clip, stride: int) -> Estimate:
    """The paper's protocol: a window around every frame of the s_out grid, central head, key-frames at f mod s_in = 0.

    Positions beyond the clip copy its nearest frame on the grid. Frames between the grid's are interpolated, frames
    after its last one hold that pose.

    Raises:
        ValueError: the stride is no multiple of the network's s_out.
    """
    config = model.config
    if stride % config.token_stride:
        raise ValueError(f"stride must be a multiple of {config.token_stride} (the model's s_out), got {stride}")
    grid = np.arange(0, len(clip.plane), config.token_stride)
    poses = model.pose_tokens(torch.from_numpy(canonicalise(clip.plane[grid]).inputs).float())
    offsets = np.arange(config.tokens) - config.centre
    central = []
    for centres in np.split(np.arange(len(grid)), range(BATCH, len(grid), BATCH)):
        at = centres[:, None] + offsets
        mask = torch.from_numpy(at * config.token_stride % stride == 0)
        placed = model.place(poses[torch.from_numpy(at.clip(0, len(grid) - 1))[mask]], mask)
        central.append(model.central(model.temporal(placed, mask)))
    seen = np.arange(0, len(clip.plane), stride)
    pelvis = interpolate(grid.clip(max=seen[-1]), seen, clip.plane[seen, 0])
    rotation = look_at(np.concatenate([pelvis, np.ones_like(pelvis[:, :1])], -1))
    on_grid = torch.cat(central).numpy().astype(float) @ rotation
    frames = np.arange(len(clip.plane))
    return Estimate(clip, interpolate(frames.clip(max=grid[-1]), grid, on_grid), frames, frames % stride == 0)


def online(model: UpliftUpsample, clip: Clip, controller: StrideController, stride: int, latency: int) -> Estimate:
    """The streaming classes driven frame by frame, as the nodes drive them; frames that never come out do not count.

    Args:
        stride: until the controller's first decision.
    """
    rate = model.config.model_rate
    uplifter = StreamingUplifter(model, latency=latency)
    schedule = KeyframeSchedule(stride, rate)
    outputs: list[SkeletonFrame] = []
    taken = []
    for frame, plane in enumerate(clip.plane):
        stamp = round(frame / rate * 1e9)
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
    frames = np.array([round(output.stamp * rate / 1e9) for output in outputs])
    poses = np.stack([output.persons[0].joints for output in outputs])
    return Estimate(clip, poses, frames, np.isin(frames, taken))


def refine(estimate: Estimate, refiner: StreamingRefiner, rate: float) -> Estimate:
    """The estimate after a streaming refiner."""
    refiner.reset()
    scores = np.ones(estimate.poses.shape[1])
    frames = [
        SkeletonFrame(
            round(frame / rate * 1e9),
            "camera",
            (Person3D("p1", 1.0, Source.UPSAMPLED, ScaleSource.PRIOR, pose, scores, 0.0),),
        )
        for frame, pose in zip(estimate.frames, estimate.poses, strict=True)
    ]
    refined = refiner.push_many(frames) + refiner.flush()
    poses = np.stack([output.persons[0].joints for output in refined])
    return Estimate(estimate.clip, poses, estimate.frames, estimate.keyframes)


def score(estimates: Sequence[Estimate], rate: float) -> dict[str, float | int]:
    """Frame-wise means over all clips: millimetres, and mm/frame^2 for accel."""
    poses = np.concatenate([estimate.poses for estimate in estimates])
    truth = np.concatenate([estimate.truth for estimate in estimates])
    keyframes = np.concatenate([estimate.keyframes for estimate in estimates])
    acceleration = [metrics.accel_error(e.poses, e.truth) for e in estimates if len(e.poses) > 2]
    return {
        "mpjpe": metrics.mpjpe(poses, truth),
        "n_mpjpe": metrics.n_mpjpe(poses, truth),
        "p_mpjpe": metrics.p_mpjpe(poses, truth),
        "mpjpe_keyframes": metrics.mpjpe(poses[keyframes], truth[keyframes]),
        "accel": float(np.concatenate(acceleration).mean()),
        "keyframe_hz": float(keyframes.mean() * rate),
        "frames": len(poses),
    }
