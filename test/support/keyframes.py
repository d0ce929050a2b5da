"""Key-frames of a person who moves, and what a small untrained network makes of them."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import torch
from support.cameras import CAMERA
from support.clocks import FRAME, START

from uplift_ros.camera import Camera
from uplift_ros.lab.plain import PlainUplift
from uplift_ros.models.configs import compact
from uplift_ros.models.uplift import UpliftUpsample
from uplift_ros.poses import Keyframe, Person2D, SkeletonFrame
from uplift_ros.streaming.uplifter import StreamingUplifter


def network() -> UpliftUpsample:
    """Network of the compact variant's windows, untrained and small."""
    torch.manual_seed(0)
    config = replace(compact(), temporal_width=64, temporal_blocks=2, spatial_blocks=1)
    model = UpliftUpsample(config).eval()
    torch.nn.init.normal_(model.sequence_head.weight, std=0.02)
    return model


def person(frame: int, name: str = "p1", shift: float = 0.0) -> Person2D:
    """A person who sways and walks right, `shift` pixels further right."""
    angle = np.linspace(0, 5, 17) + 0.05 * frame
    keypoints = np.stack([320 + shift + 60 * np.sin(angle) + frame, 240 + 90 * np.cos(1.3 * angle)], -1)
    keypoints[0] = 320 + shift + frame, 240
    return Person2D(name, 0.9, np.array([200, 100, 200, 300.0]), keypoints, np.full(17, 0.8))


def keyframe(frame: int, *persons: Person2D, jitter: int = 0) -> Keyframe:
    return Keyframe(START + frame * FRAME + jitter, "camera", 640, 480, frame, 10, persons)


def stream(
    model: UpliftUpsample, frames: Iterable[int], camera: Camera | None = CAMERA, **options
) -> list[SkeletonFrame]:
    """Final frames of one person's key-frames."""
    uplifter = StreamingUplifter(PlainUplift(model), **options)
    outputs = [uplifter.push(keyframe(frame, person(frame)), camera) for frame in frames]
    return [skeletons for output in outputs for skeletons in output.final]
