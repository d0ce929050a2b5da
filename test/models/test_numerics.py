"""Geometry that must be invertible, values that must stay finite, and equal input that must produce equal bytes.

The invariances of the metrics are in test_metrics.py, equal bags in test_process.py; streams of hostile people are
among the targets of test_fuzz.py.
"""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from support import tiny
from support.cameras import CAMERA, by_lens
from support.people import AHEAD, STANDING

from uplift_ros import cli, metrics
from uplift_ros.camera import Camera, place_root
from uplift_ros.models import weights
from uplift_ros.poses import Keyframe, Person2D, Person3D, ScaleSource, SkeletonFrame, Source
from uplift_ros.skeleton import H36M17
from uplift_ros.sources.synthetic.motion import pose
from uplift_ros.streaming.refiner import StreamingRefiner
from uplift_ros.streaming.tracker import PersonTracker
from uplift_ros.streaming.uplifter import StreamingUplifter
from uplift_ros.streaming.view_fusion import ViewFusion
from uplift_ros.transforms import COLUMNS, ROWS, RigidTransform, symmetric

seeds = st.integers(0, 2**32 - 1)


def joints(seed: int) -> np.ndarray:
    """(17, 3) metres around the pelvis."""
    points = np.random.default_rng(seed).normal(0, 0.35, (17, 3))
    return points - points[0]


def transform(seed: int) -> RigidTransform:
    random = np.random.default_rng(seed)
    return RigidTransform(Rotation.random(None, random).as_matrix(), random.normal(0, 5, 3))


# ---------------------------------------------------------------- geometry


@by_lens
@given(x=st.floats(-0.6, 0.6), y=st.floats(-0.45, 0.45), depth=st.floats(0.5, 20))
def test_projection_and_rays_undo_each_other_all_over_the_image(camera, x, y, depth):
    point = np.array([x * depth, y * depth, depth])
    pixel = camera.project(point)
    np.testing.assert_allclose(camera.rays(pixel), (x, y), atol=1e-4)
    np.testing.assert_allclose(camera.project(np.array([*camera.rays(pixel), 1.0])), pixel, atol=0.05)


@by_lens
@given(seed=seeds, place=st.tuples(st.floats(-1, 1), st.floats(-0.5, 0.5), st.floats(3, 8)))
def test_a_person_is_placed_where_the_image_was_taken_from(camera, seed, place):
    body = 0.5 * joints(seed)
    rays = camera.rays(camera.project(body + place))
    np.testing.assert_allclose(place_root(body, rays, np.ones(17)), place, atol=0.02)


@given(seed=seeds, factor=st.floats(0.3, 3))
def test_a_body_of_another_size_is_placed_at_as_many_times_the_distance(seed, factor):
    body, place = joints(seed), np.array([0.4, -0.2, 5.0])
    rays = ((body + place)[:, :2] / (body + place)[:, 2:]).copy()
    np.testing.assert_allclose(place_root(factor * body, rays, np.ones(17)), factor * place, rtol=1e-5)


@given(first=seeds, second=seeds, seed=seeds)
def test_one_transform_after_another_turns_points_and_covariances_alike(first, second, seed):
    a, b = transform(first), transform(second)
    both = RigidTransform(b.rotation @ a.rotation, b.points(a.translation))
    np.testing.assert_allclose(both.points(joints(seed)), b.points(a.points(joints(seed))), atol=1e-9)
    random = np.random.default_rng(seed).normal(0, 1, (5, 3, 3))
    covariances = (random @ np.swapaxes(random, 1, 2))[:, ROWS, COLUMNS]
    turned = b.covariances(a.covariances(covariances))
    np.testing.assert_allclose(turned, both.covariances(covariances), atol=1e-9)
    np.testing.assert_allclose(
        np.linalg.eigvalsh(symmetric(turned)), np.linalg.eigvalsh(symmetric(covariances)), atol=1e-9
    )


@given(seed=seeds)
def test_mirroring_both_poses_changes_no_error(seed):
    random = np.random.default_rng(seed)
    predicted, truth = random.normal(0, 0.4, (2, 5, 17, 3))
    mirrored = (predicted[:, H36M17.flip] * (-1, 1, 1), truth[:, H36M17.flip] * (-1, 1, 1))
    for metric in (metrics.mpjpe, metrics.n_mpjpe, metrics.p_mpjpe, metrics.accel):
        assert metric(*mirrored) == pytest.approx(metric(predicted, truth))


# ---------------------------------------------------------------- values stay finite

NOT_A_SCORE = [np.nan, np.inf, -np.inf, -0.5, 1.5, 1e30]


def seen(stamp: int, **changes: object) -> Keyframe:
    person = Person2D("p1", 0.9, np.array([200, 100, 80, 250.0]), STANDING[:, :2] * 150 + (320, 240), np.full(17, 0.8))
    return Keyframe(stamp, "camera", 640, 480, 0, 10, (replace(person, **changes),))


def in_space(**changes: object) -> Person3D:
    covariance = np.tile([0.01, 0, 0, 0.01, 0, 0.02], (17, 1))
    person = Person3D("p1", 0.9, Source.KEYFRAME, ScaleSource.PRIOR, AHEAD, np.full(17, 0.8), 0.5, covariance)
    return replace(person, **changes)


@pytest.mark.parametrize("value", NOT_A_SCORE)
def test_what_is_no_score_counts_as_the_nearest_one(value):
    uplifter = StreamingUplifter(tiny.uplifting(), latency=0)
    scores = np.where(np.arange(17) == 3, value, 0.8)
    (person,) = uplifter.push(seen(0, score=float(value), scores=scores), CAMERA).live.persons
    assert person.score == person.scores[3] == (1.0 if value > 0 else 0.0)
    assert np.isfinite(person.joints).all()


def test_no_person_is_seen_at_a_right_angle_to_the_optical_axis():
    uplifter = StreamingUplifter(tiny.uplifting(), latency=0)
    sideways = Camera(1e-3, 1e-3, 0, 0, 640, 480)
    assert uplifter.push(seen(0), sideways).live.persons == ()
    assert len(uplifter.push(seen(200_000_000), CAMERA).live.persons) == 1


INVALID = [
    {"score": np.nan},
    {"velocity": np.inf},
    {"scores": np.full(17, 1.1)},
    {"scores": np.full(17, -1e-300)},
    {"covariance": np.full((17, 6), np.nan)},
    {"joints": np.full((17, 3), np.inf)},
]


@pytest.mark.parametrize("changes", INVALID, ids=lambda changes: next(iter(changes)))
def test_a_person_who_is_not_valid_is_left_out_and_counted(changes):
    frame = SkeletonFrame(0, "map", (in_space(**changes), in_space(id="p2")))
    refiner, fusion = StreamingRefiner("none", 0), ViewFusion()
    assert [person.id for person in refiner.push([frame])[0].persons] == ["p2"]
    assert len(fusion.fuse([frame]).persons) == 1
    assert (refiner.dropped, fusion.left_out) == (1, 1)


@pytest.mark.parametrize("changes", [{"joints": np.full((17, 3), 1e7)}, {"covariance": np.full((17, 6), 1e30)}])
def test_people_whom_no_camera_sees_are_not_fused(changes):
    assert ViewFusion().fuse([SkeletonFrame(0, "map", (in_space(**changes),))]).persons == ()


@pytest.mark.parametrize("rows", [1, 16, 18])
def test_a_covariance_of_other_joints_is_refused(rows):
    frame = SkeletonFrame(0, "map", (in_space(covariance=np.zeros((rows, 6))),))
    for take in (StreamingRefiner("none", 0).push, ViewFusion().fuse):
        with pytest.raises(ValueError, match="covariance of person 'p1'"):
            take([frame])


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0])
def test_an_invalid_box_gets_an_id(value):
    tracker = PersonTracker()
    for stamp in (0, 20_000_000):
        named = tracker.update(stamp, seen(stamp, bbox=np.full(4, value)).persons)
        assert [person.id[0] for person in named] == ["p"]


# ---------------------------------------------------------------- equal bytes


@pytest.mark.parametrize("mode", ["offline", "online"])
def test_an_evaluation_gives_equal_bytes_twice(tmp_path, mode):
    np.savez(tmp_path / "mocap.npz", fps=50.0, walk=np.float32([pose(frame / 50) for frame in range(61)]))
    weights.save(tiny.uplift(), tmp_path / "uplift.safetensors", {})
    command = ["evaluate", "--data", f"{tmp_path}/mocap.npz", "--model", f"{tmp_path}/uplift.safetensors"]
    command += ["--stride", "4", "--mode", mode, "--noise", "detector", "--cameras", "1", "--seed", "3"]
    for name in ("first", "second"):
        assert cli.main([*command, "--json", str(tmp_path / f"{name}.json")]) == 0
    assert (tmp_path / "first.json").read_bytes() == (tmp_path / "second.json").read_bytes()
