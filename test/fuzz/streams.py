"""Streams of people that no detector and no network produces, through all stages between the messages.

Output is finite for any input: no NaN leaves a node.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from fuzz.mutation import real
from fuzz.target import PromiseError, Target, promise
from support import tiny
from support.clocks import FRAME
from support.people import AHEAD, STANDING

from uplift_ros.camera import Camera
from uplift_ros.poses import Keyframe, Person2D, Person3D, ScaleSource, SkeletonFrame, Source
from uplift_ros.streaming.depth_scale import DepthScale
from uplift_ros.streaming.refiner import METHODS, StreamingRefiner
from uplift_ros.streaming.tracker import PersonTracker
from uplift_ros.streaming.uncertainty import ErrorModel
from uplift_ros.streaming.uplifter import StreamingUplifter
from uplift_ros.streaming.view_fusion import ViewFusion, with_covariance
from uplift_ros.transforms import RigidTransform, moved

UPLIFT, SYNSP = tiny.uplifting(), tiny.refining()
ERRORS = ErrorModel(np.full((17, 5), 0.02), 0.5, 1.0, 0.005, 0.03)
STEPS = (FRAME, FRAME, 10 * FRAME, 10 * FRAME, 0, 1, -FRAME, -(10**9), 2 * 10**9, 3600 * 10**9, 2**62)
IDS = ("p1", "p2", "p3", "")
CAMERAS = (
    None,
    Camera(500, 500, 320, 240, 640, 480),
    Camera(500, 500, 320, 240, 640, 480, (-0.3, 0.1, 0.0, 0.0, 0.0)),
    Camera(300, 300, 320, 240, 640, 480, (0.05, -0.01, 0.002, 0.0), "equidistant"),
    Camera(1e-30, 1e30, -1e30, 1e30, 1, 2**32 - 1),
    Camera(500, 500, 320, 240, 640, 480, (1e30, -1e30, 1e10, 1e10, 1e30)),
)


def targets(_: Path) -> list[Target]:
    return [
        Target("tracker", keyframes, tracked, 8),
        Target("uplifter", keyframes, uplifted, 2),
        Target("depth-scale", keyframes, measured, 1),
        Target("refiner", skeletons, refined, 2),
        Target("views", skeletons, fused, 3),
    ]


def wounded(random: Random, values: np.ndarray) -> np.ndarray:
    """An array, mostly with one or two hostile numbers."""
    values = np.array(values, float)
    for _ in range(random.choice((0, 0, 1, 1, 2, 10))):
        values.flat[random.randrange(values.size)] = np.float32(np.clip(real(random), -3e38, 3e38))
    if random.random() < 0.02:
        values[...] = real(random)
    return values


def stamps(random: Random) -> list[int]:
    stamp, found = random.choice((0, 10**18, -(10**9), 2**62)), []
    for _ in range(random.randint(1, 8)):
        found.append(stamp)
        stamp += random.choice(STEPS[:4]) if random.random() < 0.8 else random.choice(STEPS)
    return found


def people(random: Random) -> list[str]:
    """Ids, rarely with a duplicate."""
    names = random.sample(IDS, random.choice((0, 1, 1, 2, 4)))
    return names * 2 if random.random() < 0.02 else names


def keyframes(random: Random) -> list[Keyframe]:
    def person(name: str) -> Person2D:
        keypoints = wounded(random, STANDING[:, :2] * 150 + (320 + random.gauss(0, 30), 240))
        bbox = wounded(random, [200, 100, 80, 250])
        scores, score = wounded(random, np.full(17, 0.8)), wounded(random, np.array([0.9]))
        return Person2D(name, float(score[0]), bbox, keypoints, scores)

    size = (640, 480) if random.random() < 0.9 else random.choice(((1, 2**32 - 1), (0, 0), (2**32 - 1, 1)))
    frame = "camera" if random.random() < 0.9 else "other"
    return [
        Keyframe(stamp, frame, *size, number, 10, tuple(person(name) for name in people(random)))
        for number, stamp in enumerate(stamps(random))
    ]


def skeletons(random: Random) -> list[SkeletonFrame]:
    def person(name: str) -> Person3D:
        pose = AHEAD
        covariance = np.tile([0.01, 0, 0, 0.01, 0, 0.02], (random.choice((0, 0, *[17] * 20, 3, 18)), 1))
        return Person3D(
            name,
            float(wounded(random, np.array([0.9]))[0]),
            random.choice(list(Source)),
            random.choice(list(ScaleSource)),
            wounded(random, pose),
            wounded(random, np.full(17, 0.8)),
            float(wounded(random, np.array([0.5]))[0]),
            wounded(random, covariance) if covariance.size else covariance,
        )

    return [SkeletonFrame(stamp, "camera", tuple(person(name) for name in people(random))) for stamp in stamps(random)]


def finite(frames: Sequence[SkeletonFrame]) -> None:
    for frame in frames:
        for person in frame.persons:
            numbers: dict[str, Any] = {
                name: getattr(person, name) for name in ("score", "joints", "scores", "velocity")
            }
            for name, value in (numbers | {"covariance": person.covariance}).items():
                promise(np.isfinite(value).all(), f"{name} not finite")
            promise(len(person.covariance) in (0, 17), f"covariance of {len(person.covariance)} joints")
            promise(((person.scores >= 0) & (person.scores <= 1)).all(), "scores beyond 0 to 1")


def tracked(stream: list[Keyframe]) -> None:
    tracker = PersonTracker()
    for keyframe in stream:
        try:
            named = tracker.update(keyframe.stamp, keyframe.persons)
        except ValueError as error:
            raise PromiseError(f"the tracker has nothing to refuse: {error}") from error
        ids = [person.id for person in named]
        promise(len(set(ids)) == len(keyframe.persons), f"ids {ids}")


def uplift(stream: list[Keyframe]) -> list[SkeletonFrame]:
    seed = len(stream) + len(stream[0].persons)
    errors = ERRORS if seed % 2 else None
    uplifter = StreamingUplifter(
        UPLIFT, latency=(0, 4, 40)[seed % 3], output_rate=(50.0, 33.0)[seed % 2], errors=errors
    )
    frames: list[SkeletonFrame] = []
    for number, keyframe in enumerate(stream):
        step = uplifter.push(keyframe, CAMERAS[(seed + number // 4) % len(CAMERAS)])
        frames += [*step.final, step.live] if step else []
    return frames + uplifter.flush()


def uplifted(stream: list[Keyframe]) -> None:
    finite(uplift(stream))


def measured(stream: list[Keyframe]) -> None:
    depth = np.full((480, 640), 3.0, np.float32)
    depth[::2], depth[1::3], depth[:, ::5] = np.nan, np.inf, -1e30
    uplifter, scale = StreamingUplifter(UPLIFT, latency=0, errors=ERRORS), DepthScale()
    for number, keyframe in enumerate(stream):
        step = uplifter.push(keyframe, CAMERAS[1])
        if step:
            scale.measure(keyframe, step.live, depth if number % 2 else np.full_like(depth, 3.0))
            finite([scale.apply(frame) for frame in [*step.final, step.live]])


def refined(stream: list[SkeletonFrame]) -> None:
    seed = len(stream) + len(stream[0].persons)
    method = METHODS[seed % len(METHODS)]
    refiner = StreamingRefiner(method, seed % 8, SYNSP if method == "synsp" else None, z_up=bool(seed % 2))
    frames = [frame for start in range(0, len(stream), 3) for frame in refiner.push(stream[start : start + 3])]
    frames += refiner.flush()
    promise([frame.stamp for frame in frames] == [frame.stamp for frame in stream], "not every frame came back")
    finite(frames)


def fused(stream: list[SkeletonFrame]) -> None:
    fusion = ViewFusion()
    turned = RigidTransform.from_quaternion(np.array([0.0, 0.7, 0.0, 0.7]), np.array([3.0, 0.0, 3.0]))
    for frame in stream:
        other = replace(frame, persons=frame.persons[::-1])
        finite(
            [fusion.fuse([moved(with_covariance(frame), turned, "map"), moved(with_covariance(other), turned, "map")])]
        )
