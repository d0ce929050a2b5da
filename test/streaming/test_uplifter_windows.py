"""Invariants of the streaming uplifter: the contents of its windows, and that they alone decide the result."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from support.clocks import FRAME
from support.people import person2d

from uplift_ros.camera import Camera, camera_to_canonical_rotation, normalise
from uplift_ros.lab.data import protocols
from uplift_ros.lab.data.mocap import Sequence
from uplift_ros.lab.plain import PlainUplift
from uplift_ros.models.configs import UpliftConfig, compact, n351
from uplift_ros.models.uplift import UpliftUpsample
from uplift_ros.poses import Keyframe, SkeletonFrame
from uplift_ros.sources.synthetic.motion import pose
from uplift_ros.streaming.uplifter import StreamingUplifter

PIXELS = protocols.PIXELS
IRREGULAR = (0, 20, 40, 44, 48, 54, 74, 100, 104, 108, 128, 132, 160, 200, 240, 244, 260)


def network(config: UpliftConfig) -> UpliftUpsample:
    torch.manual_seed(0)
    small = replace(config, temporal_width=32, temporal_blocks=2, spatial_blocks=1)
    model = UpliftUpsample(small).eval().requires_grad_(False)
    for parameter in model.parameters():  # positions and biases too must matter
        torch.nn.init.normal_(parameter, std=0.1)
    return model


@pytest.fixture(scope="module")
def model():
    return network(compact())


@pytest.fixture(scope="module")
def clip():
    joints = np.stack([pose(frame / 50) for frame in range(301)]).astype(np.float32)
    return next(protocols.project_sequences([Sequence("a/b/c", joints)], 50.0, cameras=1, noise="none", seed=0))


def seen(clip: protocols.Clip, frame: int, names: tuple[str, ...] = ("p1",)) -> Keyframe:
    keypoints = clip.plane[frame] * 1000.0 + 500.0
    people = tuple(person2d(keypoints, name) for name in names)
    return Keyframe(frame * FRAME, "camera", 1001, 1001, frame, 10, people)


def stream(model, keyframes, latency: int, camera: Camera = PIXELS) -> dict[int, SkeletonFrame]:
    """Final frames by number."""
    uplifter = StreamingUplifter(PlainUplift(model), latency=latency)
    final = [frame for keyframe in keyframes for frame in uplifter.push(keyframe, camera).final]
    return {frame.stamp // FRAME: frame for frame in final}


def joints(frame: SkeletonFrame) -> np.ndarray:
    """Root-relative, of the first person."""
    found = frame.persons[0].joints
    return found - found[0]


def dense(model, clip: protocols.Clip, keyframes, end: int) -> np.ndarray:
    """(T, 17, 3) by the sequence head, of the window that ends at a frame: one forward, nothing kept from before."""
    config = model.config
    frames = end + (np.arange(config.tokens) - config.tokens + 1) * config.token_stride
    inputs = normalise(clip.plane[frames.clip(0)], config.normalisation, clip.scores[frames.clip(0)])
    mask = torch.from_numpy(np.isin(frames, keyframes))[None]
    poses = model(torch.from_numpy(inputs).float()[None], mask)[1][0].numpy().astype(float)
    return (
        poses - poses[:, :1],
        frames,
        camera_to_canonical_rotation(clip.plane[frames.clip(0), 0], config.normalisation),
    )


@pytest.mark.parametrize("latency", [0, 4, 14, 38])
@pytest.mark.parametrize("keyframes", [range(0, 301, 4), range(0, 301, 10), range(0, 301, 20), IRREGULAR])
def test_final_poses_at_key_frames_are_those_of_one_dense_window(model, clip, keyframes, latency):
    final = stream(model, [seen(clip, frame) for frame in keyframes], latency)
    compared = 0
    for frame in keyframes:
        end = next((newest for newest in keyframes if newest >= frame + latency), None)
        if end is None or frame == end - 80:
            continue
        poses, frames, rotation = dense(model, clip, list(keyframes), end)
        row = int(np.searchsorted(frames, frame))
        np.testing.assert_allclose(joints(final[frame]), poses[row] @ rotation[row], atol=1e-5)
        compared += 1
    assert compared > 8


@pytest.mark.parametrize("variant", [compact, n351])
@pytest.mark.parametrize("stride", [10, 20])
def test_with_half_the_window_as_latency_a_stream_is_the_papers_offline_evaluation(clip, variant, stride):
    """Frames inside the clip; at its ends the paper repeats the outermost frames, which a stream does not have."""
    model = network(variant())
    half = model.config.frames // 2
    long = replace(
        clip,
        truth=np.tile(clip.truth, (3, 1, 1)),
        plane=np.tile(clip.plane, (3, 1, 1)),
        scores=np.tile(clip.scores, (3, 1)),
    )
    online = protocols.online(model, long, protocols.fixed(model.config, stride), half)
    offline = protocols.offline(model, long, stride, flip=True)
    inside = slice(half, len(long.plane) - half - stride)
    for frame in range(inside.start, inside.stop):
        expected = offline.poses[frame] - offline.poses[frame][:1]
        found = online.poses[frame] - online.poses[frame][:1]
        np.testing.assert_allclose(found, expected, atol=1e-4, err_msg=f"frame {frame}")


def test_a_stride_that_changed_is_forgotten_once_the_window_is_uniform_again(model, clip):
    uniform = [seen(clip, frame) for frame in range(0, 301, 10)]
    switched = [seen(clip, frame) for frame in (*range(0, 100, 4), *range(100, 301, 10))]
    before, after = stream(model, uniform, 4), stream(model, switched, 4)
    assert not np.allclose(joints(before[120]), joints(after[120]), atol=1e-5)
    for frame in range(182, 297):  # the first window that ends after 180 begins at 110
        np.testing.assert_allclose(joints(before[frame]), joints(after[frame]), atol=1e-5)


@pytest.mark.parametrize("latency", [4, 40])
def test_what_lies_before_the_window_does_not_matter(model, clip, latency):
    early = stream(model, [seen(clip, frame) for frame in range(0, 301, 10)], latency)
    late = [seen(clip, frame) for frame in range(100, 301, 10)]
    late_by_number = stream(model, late, latency)
    for frame in range(181, 301 - latency):
        np.testing.assert_allclose(joints(early[frame]), joints(late_by_number[frame]), atol=1e-5)


@pytest.mark.parametrize("latency", [4, 40])
def test_others_in_the_batch_do_not_matter(model, clip, latency):
    alone = stream(model, [seen(clip, frame) for frame in IRREGULAR], latency)
    among = stream(model, [seen(clip, frame, ("p1", "p2", "p3")[: 1 + frame // 4 % 3]) for frame in IRREGULAR], latency)
    assert alone.keys() == among.keys()
    for frame in alone:
        np.testing.assert_allclose(joints(among[frame]), joints(alone[frame]), atol=1e-5)


@pytest.mark.parametrize("latency", [0, 4, 40])
def test_every_window_has_a_real_pose(model, clip, latency, monkeypatch):
    masks = []
    temporal = model.temporal
    monkeypatch.setattr(model, "temporal", lambda tokens, mask: masks.append(mask) or temporal(tokens, mask))
    people = [("p1",), ("p1", "p2"), (), ("p2",), ("p1",)]
    stream(model, [seen(clip, frame, people[i % 5]) for i, frame in enumerate(IRREGULAR)], latency)
    assert len(masks) > 8
    assert all(mask.any(1).all() for mask in masks)


def test_the_spatial_stage_runs_once_per_person_and_key_frame(model, clip, monkeypatch):
    poses = []
    pose_tokens = model.pose_tokens
    monkeypatch.setattr(model, "pose_tokens", lambda inputs: poses.append(len(inputs)) or pose_tokens(inputs))
    stream(model, [seen(clip, frame, ("p1", "p2")) for frame in IRREGULAR], 40)
    assert poses == [2] * len(IRREGULAR)
