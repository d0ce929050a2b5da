"""Evaluation on motion capture seen by virtual cameras: offline as in the papers, online as on a robot."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from scipy.interpolate import make_interp_spline

from uplift_ros.camera import Camera, camera_to_canonical_rotation, normalise
from uplift_ros.lab.data import mocap
from uplift_ros.lab.data.detector_noise import DetectorNoise
from uplift_ros.lab.data.refiners import Refiner
from uplift_ros.lab.data.virtual_camera import surrounding_views
from uplift_ros.lab.plain import PlainRefine, PlainUplift
from uplift_ros.models.configs import UpliftConfig
from uplift_ros.models.synsp import SynSP
from uplift_ros.models.uplift import UpliftUpsample
from uplift_ros.pipeline import Pipeline, Step
from uplift_ros.poses import NANOSECONDS, Person2D, SkeletonFrame
from uplift_ros.settings import defaults_of
from uplift_ros.skeleton import mirror
from uplift_ros.stages import build
from uplift_ros.stages.detection import DetectionStage
from uplift_ros.stages.refinement import RefinementStage
from uplift_ros.streaming.look_back import LookBackRule
from uplift_ros.streaming.stride import FixedStride, StrideController
from uplift_ros.streaming.track import interpolate
from uplift_ros.streaming.uncertainty import ErrorModel

PIXELS = Camera(1000.0, 1000.0, 500.0, 500.0, 1001, 1001)
"""The camera of the simulated key-frames; inputs are normalised, so any camera works."""

WINDOWS_PER_UPLIFT = 128
"""Windows in one forward pass of the offline protocol."""

LATENCY_FRAMES: int = defaults_of("uplift")["latency"]
"""Latency of a stream, the node's default."""


@dataclass(frozen=True)
class Clip:
    """A motion as one camera sees it.

    Attributes:
        name: of the sequence.
        truth: (T, 17, 3) metres, camera optical frame.
        plane: (T, 17, 2) points that a 2D detector reports, on the plane z = 1; NaN if a joint is absent.
        scores: (T, 17) of the detector.
    """

    name: str
    truth: np.ndarray
    plane: np.ndarray
    scores: np.ndarray


@dataclass(frozen=True)
class Estimate:
    """3D poses of one clip.

    Attributes:
        clip: what was seen.
        poses: (K, 17, 3) metres, camera optical frame, root-relative or placed.
        frames: (K,) the frames of the clip that they belong to.
        keyframes: (K,) true if the frame was a key-frame.
        tension: (K, 17) metres, between SynSP's branches, if it refined the poses.
        skeletons: K frames with this person alone, as the pipeline published them, if the poses are from there.
    """

    clip: Clip
    poses: np.ndarray
    frames: np.ndarray
    keyframes: np.ndarray
    tension: np.ndarray | None = None
    skeletons: tuple[SkeletonFrame, ...] = ()

    @property
    def truth(self) -> np.ndarray:
        """(K, 17, 3)."""
        return self.clip.truth[self.frames]

    @property
    def velocities(self) -> np.ndarray | None:
        """(K, 17, 3) m/s, if the refinement stage estimated them."""
        people = [frame.persons[0] for frame in self.skeletons]
        return np.stack([p.velocities for p in people]) if people and all(len(p.velocities) for p in people) else None

    @property
    def scores(self) -> np.ndarray | None:
        """(K, 17) as published, which stand for expected errors; None without an error model and hence covariances."""
        people = [frame.persons[0] for frame in self.skeletons]
        return np.stack([p.scores for p in people]) if people and all(len(p.covariance) for p in people) else None


def project_sequences(
    sequences: Sequence[mocap.Sequence], rate: float, cameras: int, noise: str, seed: int
) -> Iterator[Clip]:
    """Project every sequence into `cameras` fixed cameras around it; noise is drawn once for each clip.

    Args:
        sequences: motion, z up.
        rate: frames per second.
        cameras: number of cameras.
        noise: 'detector', or 'none' for a detector without errors.
        seed: equal seeds give equal cameras and noise.

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
            level = np.full(1, float(noise == "detector"))
            (plane,), (scores,) = DetectorNoise().apply(rng, truth[None], 1 / rate, level)
            yield Clip(sequence.name, truth, plane, scores)


@torch.inference_mode()
def offline(model: UpliftUpsample, clip: Clip, stride: int, *, flip: bool = False) -> Estimate:
    """The paper's protocol: a window around every frame of the s_out grid, central head, key-frames at f mod s_in = 0.

    Positions beyond the clip copy its nearest frame on the grid. Frames between those of the grid are interpolated,
    frames after the last one hold its pose.

    Args:
        model: the network.
        clip: input.
        stride: s_in.
        flip: average with the mirrored prediction for mirrored input.

    Raises:
        ValueError: the stride is no multiple of the network's s_out.
    """
    config = model.config
    if stride % config.token_stride:
        raise ValueError(f"stride must be a multiple of {config.token_stride} (the model's s_out), got {stride}")
    grid = np.arange(0, len(clip.plane), config.token_stride)
    scores = clip.scores[grid] if config.scores else None
    inputs = normalise(clip.plane[grid], config.normalisation, scores)
    central = _central(model, inputs, stride)
    if flip:
        central = (central + mirror(_central(model, mirror(inputs), stride))) / 2
    seen = np.arange(0, len(clip.plane), stride)
    pelvis = interpolate(grid.clip(max=seen[-1]), seen, clip.plane[seen, 0])
    rotation = camera_to_canonical_rotation(pelvis, config.normalisation)
    frames = np.arange(len(clip.plane))
    poses = interpolate(frames.clip(max=grid[-1]), grid, central @ rotation)
    return Estimate(clip, poses, frames, frames % stride == 0)


def _central(model: UpliftUpsample, inputs: np.ndarray, stride: int) -> np.ndarray:
    """Central head in the window around each frame of the grid: inputs (G, 17, 2 or 3) to poses (G, 17, 3)."""
    config, last = model.config, len(inputs) - 1
    tokens = model.pose_tokens(torch.from_numpy(inputs).float())
    offsets = np.arange(config.tokens) - config.centre
    poses = []
    for centres in np.split(np.arange(last + 1), range(WINDOWS_PER_UPLIFT, last + 1, WINDOWS_PER_UPLIFT)):
        at = centres[:, None] + offsets
        mask = torch.from_numpy(at * config.token_stride % stride == 0)
        placed = model.place(tokens[torch.from_numpy(at.clip(0, last))[mask]], mask)
        poses.append(model.central(model.temporal(placed, mask)))
    return torch.cat(poses).double().numpy()


class ClipDetector:
    """Replacement of 2D estimator and tracker: reports one person, with the points and scores of `clip`."""

    def __init__(self, clip: Clip) -> None:
        self._keypoints = clip.plane * PIXELS.fx + (PIXELS.cx, PIXELS.cy)
        self._scores = clip.scores
        self._frame = 0

    def image(self, frame: int) -> np.ndarray:
        """Black placeholder image of a frame, for which `estimate` then reports the person."""
        self._frame = frame
        return np.broadcast_to(np.uint8(0), (PIXELS.height, PIXELS.width, 3))

    def estimate(self, image: np.ndarray, *, quick: bool = False) -> list[Person2D]:
        return [Person2D("p1", 1.0, np.zeros(4), self._keypoints[self._frame], self._scores[self._frame])]

    def update(self, stamp: int, persons: Sequence[Person2D]) -> tuple[Person2D, ...]:
        return tuple(persons)

    update_between = update

    def reset(self) -> None:
        """Do nothing: there is no memory of people."""

    def close(self) -> None:
        """Do nothing: there are no resources."""


@dataclass(frozen=True)
class Control:
    """Choice of a stream's key-frames.

    Attributes:
        stride: in use until the controller's first decision.
        controller: makes a new controller, for each clip.
        look_back: rule that requests older images; None requests none.
    """

    stride: int
    controller: Callable[[], StrideController]
    look_back: LookBackRule | None = None


def fixed(config: UpliftConfig, stride: int) -> Control:
    """Key-frames at one stride."""
    return Control(stride, partial(FixedStride, stride, config.token_stride))


def adaptive(config: UpliftConfig, **changes: Any) -> Control:
    """Control between the network's extreme strides, by the defaults of the node uplift except for `changes`."""
    slow, fast = max(config.input_strides), min(config.input_strides)
    parameters = defaults_of("uplift", stride_slow=slow, stride_fast=fast, **changes)
    return Control(slow, partial(build.adaptive_stride, parameters, config), build.look_back_rule(parameters, config))


def online(
    model: UpliftUpsample,
    clip: Clip,
    control: Control,
    latency: int,
    errors: ErrorModel | None = None,
    phase: float | None = None,
) -> Estimate:
    """Run the pipeline of the nodes over a clip; frames that are pending at its end become final.

    Args:
        model: the network.
        clip: input.
        control: of key-frames.
        latency: frames.
        errors: error model of the network, for covariances.
        phase: of the key-frames; see `KeyframeSchedule`.
    """
    steps = stream(clip, build.UpliftNetwork(PlainUplift(model), errors), control, latency, phase=phase)
    rate = model.config.model_rate
    outputs = [frame for step in steps for frame in step.raw]
    poses = np.stack([output.persons[0].joints for output in outputs])
    frames = frames_of([output.stamp for output in outputs], rate)
    return Estimate(clip, poses, frames, np.isin(frames, keyframes_of(steps, rate)), skeletons=tuple(outputs))


def stream(
    clip: Clip,
    network: build.UpliftNetwork,
    control: Control,
    latency: int,
    refinement: RefinementStage | None = None,
    phase: float | None = None,
) -> list[Step]:
    """Run the steps of the pipeline over a clip, frame by frame.

    Args:
        clip, control, latency, phase: as of `online`.
        network: the uplifting network with its error model.
        refinement: None passes raw skeletons on unchanged.
    """
    rate, detector = network.model.config.model_rate, ClipDetector(clip)
    pipeline = Pipeline(
        DetectionStage(detector, control.stride, rate, defaults_of("pose_estimator")["look_back"], phase, detector),
        build.uplifting(
            defaults_of("uplift", latency=latency),
            network,
            control.controller(),
            control.look_back,
            score_trust=1.0,  # simulated scores are those of training
        ),
        refinement or build.refinement(defaults_of("refiner", method="none", delay=0, rigid=False), None),
    )
    steps = [
        pipeline.push(round(frame / rate * NANOSECONDS), "camera", PIXELS, partial(detector.image, frame))
        for frame in range(len(clip.plane))
    ]
    return [*steps, pipeline.flush()]


def frames_of(stamps: Sequence[int], rate: float) -> np.ndarray:
    """(K,) frames of a clip at stamps in nanoseconds."""
    return np.array([round(stamp * rate / NANOSECONDS) for stamp in stamps])


def keyframes_of(steps: Sequence[Step], rate: float) -> np.ndarray:
    """(K,) frames of a clip that were key-frames."""
    keyframes = (keyframe for step in steps for keyframe in (step.keyframe, *step.older) if keyframe)
    return frames_of([keyframe.stamp for keyframe in keyframes], rate)


def disturbed_truth(clips: Sequence[Clip], width: float, seed: int) -> Iterator[Estimate]:
    """True poses with noise in place of estimates (SynSP's synthetic data), drawn once for all windows of a clip.

    Args:
        clips: with the truth.
        width: metres, full width of the uniform noise on every coordinate of the root-relative poses.
        seed: equal seeds give equal noise.
    """
    for index, clip in enumerate(clips):
        noise = np.random.default_rng((seed, index)).uniform(-width / 2, width / 2, clip.truth.shape)
        frames = np.arange(len(clip.truth))
        yield Estimate(clip, clip.truth - clip.truth[:, :1] + noise, frames, np.ones(len(frames), bool))


def between_keyframes(estimate: Estimate, degree: int) -> Estimate:
    """Interpolate without learned upsampling: splines of a degree through the root-relative key-frame poses.

    Frames after the last key-frame hold its pose. The degree is lowered if there are too few key-frames.
    """
    known = np.flatnonzero(estimate.keyframes)
    poses = estimate.poses - estimate.poses[:, :1]
    if len(known) == 1:
        return replace(estimate, poses=np.repeat(poses[known], len(poses), axis=0))
    spline = make_interp_spline(estimate.frames[known], poses[known], k=min(degree, len(known) - 1))
    inside = estimate.frames.clip(estimate.frames[known[0]], estimate.frames[known[-1]])
    return replace(estimate, poses=spline(inside))


def refine(estimate: Estimate, refiner: Refiner) -> Estimate:
    """Refine an estimate of consecutive frames, by the stage of the node if the refiner keeps bodies rigid."""
    if not (refiner.rigid and estimate.skeletons):
        poses, tension = refiner.refine(estimate.poses)
        return replace(estimate, poses=poses, tension=tension)
    skeletons = _staged(estimate, refiner)
    tension = refiner.refine(estimate.poses)[1] if refiner.method == "synsp" else None
    poses = np.stack([frame.persons[0].joints for frame in skeletons])
    return replace(estimate, poses=poses, tension=tension, skeletons=skeletons)


def _staged(estimate: Estimate, refiner: Refiner) -> tuple[SkeletonFrame, ...]:
    """The skeletons of an estimate after the refinement stage."""
    network = PlainRefine(refiner.network) if isinstance(refiner.network, SynSP) else None
    stage = build.refinement(defaults_of("refiner", method=refiner.method, delay=refiner.delay), network)
    raw = [
        replace(frame, persons=(replace(frame.persons[0], joints=pose),))
        for frame, pose in zip(estimate.skeletons, estimate.poses, strict=True)
    ]
    return tuple(stage.push(raw).frames + stage.flush())
