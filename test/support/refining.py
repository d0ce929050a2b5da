"""Streams of skeletons for the refiner, and what it makes of them."""

from collections.abc import Sequence

import numpy as np
from support.clocks import FRAME

from uplift_ros.models.configs import SynSPConfig
from uplift_ros.poses import Person3D, ScaleSource, SkeletonFrame, Source
from uplift_ros.streaming.refiner import StreamingRefiner

SMALL = SynSPConfig(width=16, ffn=16, layers=1, heads=2, head_width=8)


def motion(count: int, seed: int = 6) -> np.ndarray:
    """(count, 17, 3) metres, a trembling person who walks away from the camera."""
    rng = np.random.default_rng(seed)
    body = 0.4 * rng.normal(size=(17, 3)) + (0, 0, 4)
    walk = np.arange(count)[:, None, None] * (0.01, 0, 0.02)
    return body + walk + 0.02 * rng.normal(size=(count, 17, 3))


def person(joints: np.ndarray, name: str = "p1", **fields) -> Person3D:
    given = {"score": 0.9, "source": Source.UPSAMPLED, "scale_source": ScaleSource.PRIOR, "velocity": 0.3}
    return Person3D(id=name, joints=joints, scores=np.full(17, 0.8), **(given | fields))


def frames_of(poses: dict[str, np.ndarray], start: int = 1_000_000_000) -> list[SkeletonFrame]:
    """One frame per pose; a person is left out of a frame whose pose is None."""
    count = len(next(iter(poses.values())))
    return [
        SkeletonFrame(
            start + t * FRAME,
            "camera",
            tuple(person(joints[t], name) for name, joints in poses.items() if joints[t] is not None),
        )
        for t in range(count)
    ]


def refine(
    refiner: StreamingRefiner, frames: Sequence[SkeletonFrame], sizes: Sequence[int] = ()
) -> list[SkeletonFrame]:
    """Push in calls of the given sizes, the rest at once, and flush."""
    refined, at = [], 0
    for size in [*sizes, len(frames)]:
        refined += refiner.push(frames[at : at + size])
        at += size
    return refined + refiner.flush()


def joints_of(frames: Sequence[SkeletonFrame], name: str = "p1") -> np.ndarray:
    return np.stack([p.joints for frame in frames for p in frame.persons if p.id == name])


def assert_same(left: Sequence[SkeletonFrame], right: Sequence[SkeletonFrame]) -> None:
    assert [f.stamp for f in left] == [f.stamp for f in right]
    for one, other in zip(left, right, strict=True):
        assert [p.id for p in one.persons] == [p.id for p in other.persons]
        for p, q in zip(one.persons, other.persons, strict=True):
            np.testing.assert_allclose(p.joints, q.joints, atol=1e-5)
            np.testing.assert_allclose(p.scores, q.scores, atol=1e-5)
