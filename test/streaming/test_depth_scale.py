"""Body size from depth, on depth images of the synthetic person, drawn from points on the parts' skins."""

from dataclasses import replace

import numpy as np
import pytest
from support.cameras import SYNTHETIC_CAMERA as CAMERA
from support.clocks import FRAME, SECOND, START
from support.people import person2d, person3d

from uplift_ros.camera import CANONICAL_STATURE
from uplift_ros.poses import Keyframe, ScaleSource, SkeletonFrame
from uplift_ros.sources.synthetic.figure import figure
from uplift_ros.sources.synthetic.motion import PERIOD, pose
from uplift_ros.sources.synthetic.synthetic_source import viewpoint_at
from uplift_ros.streaming.clock import SIZE_MEMORY_NS
from uplift_ros.streaming.depth_scale import DepthScale

WALL = 6.0
STEP = 10 * FRAME


def scene(t: float = 0.0, stature: float = CANONICAL_STATURE, wall: float = WALL) -> tuple[np.ndarray, np.ndarray]:
    """True joints (17, 3) in the optical frame, and a depth image (H, W) in metres, of a person before a wall."""
    world, viewpoint = pose(t) * (stature / CANONICAL_STATURE), viewpoint_at(CAMERA, 0.0)
    parts = figure(world)
    directions = np.random.default_rng(0).normal(size=(400, 3))
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    depth = np.full((CAMERA.height, CAMERA.width), wall)
    for part in np.linspace(0, 1, 25):
        centres = parts.a + part * (parts.b - parts.a)
        radii = parts.radii @ (1 - part, part)
        wider = (parts.aspect - 1)[:, None] * parts.wide
        skin = directions + (directions @ parts.wide.T)[:, :, None].transpose(1, 0, 2) * wider[:, None]
        points = viewpoint.to_optical(centres[:, None] + radii[:, None, None] * skin).reshape(-1, 3)
        columns, rows = CAMERA.project(points).round().astype(int).T
        inside = (columns >= 0) & (columns < CAMERA.width) & (rows >= 0) & (rows < CAMERA.height)
        np.minimum.at(depth, (rows[inside], columns[inside]), points[inside, 2])
    return viewpoint.to_optical(world), depth


def seen(joints: np.ndarray, number: int = 0, name: str = "p1") -> Keyframe:
    person = person2d(CAMERA.project(joints), name)
    return Keyframe(START + number * STEP, "camera", CAMERA.width, CAMERA.height, number, 10, (person,))


def placed(joints: np.ndarray, number: int = 0, factor: float = 1.0, name: str = "p1", **fields) -> SkeletonFrame:
    """Output of an uplifter for a person `factor` times as tall as the given stature."""
    given = {"velocity": 1.0, "covariance": np.full((17, 6), 0.01)}
    return SkeletonFrame(START + number * STEP, "camera", (person3d(joints / factor, name, **(given | fields)),))


@pytest.mark.parametrize("stature", [1.1, 1.72, 1.95])
@pytest.mark.parametrize("t", np.arange(0, PERIOD, 2.5))
def test_the_factor_between_true_and_given_stature_is_measured(t, stature):
    joints, depth = scene(t, stature)
    factor = stature / CANONICAL_STATURE
    scale = DepthScale()
    scale.measure(seen(joints), placed(joints, factor=factor), depth)
    person = scale.apply(placed(joints, factor=factor)).persons[0]
    np.testing.assert_allclose(person.joints, joints, rtol=0.02)
    assert person.scale_source is ScaleSource.DEPTH


def test_everything_in_metres_is_scaled_together():
    joints, depth = scene()
    scale = DepthScale()
    scale.measure(seen(joints), placed(joints, factor=0.5), depth)
    before = placed(joints, factor=0.5).persons[0]
    after = scale.apply(placed(joints, factor=0.5)).persons[0]
    assert after.velocity == pytest.approx(0.5 * before.velocity, rel=0.02)
    np.testing.assert_allclose(after.covariance, 0.25 * before.covariance, rtol=0.04)
    np.testing.assert_allclose(CAMERA.project(after.joints), CAMERA.project(before.joints), atol=1e-9)


def test_keypoints_beside_the_body_are_outvoted():
    joints, depth = scene()
    keyframe = seen(joints)
    keyframe.persons[0].keypoints[[2, 3, 11, 12, 13]] += (40, 0)  # the wall is seen there
    scale = DepthScale()
    scale.measure(keyframe, placed(joints), depth)
    np.testing.assert_allclose(scale.apply(placed(joints)).persons[0].joints, joints, rtol=0.03)


def unknown(_depth: np.ndarray) -> np.ndarray:
    return np.full((CAMERA.height, CAMERA.width), np.nan)


def wall_alone(_depth: np.ndarray) -> np.ndarray:
    return np.random.default_rng(0).uniform(1, 20, (CAMERA.height, CAMERA.width))


def millimetres(depth: np.ndarray) -> np.ndarray:
    return 1000 * depth


@pytest.mark.parametrize("spoil", [unknown, wall_alone, millimetres])
def test_depth_that_cannot_be_the_persons_measures_nothing(spoil):
    joints, depth = scene()
    scale = DepthScale()
    scale.measure(seen(joints), placed(joints), spoil(depth))
    assert scale.apply(placed(joints)).persons[0].scale_source is ScaleSource.PRIOR


def test_a_person_who_is_not_placed_is_not_measured():
    joints, depth = scene()
    around_the_origin = placed(joints - joints[0], scale_source=ScaleSource.NONE)
    scale = DepthScale()
    scale.measure(seen(joints), around_the_origin, depth)
    assert scale.apply(placed(joints)).persons[0].scale_source is ScaleSource.PRIOR


def test_a_person_who_is_seen_but_not_in_space_is_not_measured():
    joints, depth = scene()
    scale = DepthScale()
    scale.measure(seen(joints, name="p2"), placed(joints), depth)
    assert scale.factor("p1") == scale.factor("p2") == 1.0


def test_a_size_is_the_median_of_thirty_measurements():
    joints, depth = scene()
    scale = DepthScale()
    for number in range(31):
        scale.measure(seen(joints, number), placed(joints, number, 1.0 if number < 16 else 0.5), depth)
    once, twice = (DepthScale() for _ in range(2))
    once.measure(seen(joints), placed(joints), depth)
    twice.measure(seen(joints), placed(joints, factor=0.5), depth)
    sizes = [sized.apply(placed(joints)).persons[0].joints[0, 2] for sized in (once, twice, scale)]
    assert sizes[2] == pytest.approx((sizes[0] + sizes[1]) / 2), "fifteen of each"


def test_sizes_are_forgotten_in_the_end_and_when_time_runs_backwards():
    joints, depth = scene()
    for stamp in (START + SIZE_MEMORY_NS + 1, START - 1):
        scale = DepthScale()
        scale.measure(seen(joints), placed(joints, factor=0.8), depth)
        scale.measure(replace(seen(joints), stamp=stamp, persons=()), placed(joints), depth)
        before = placed(joints, factor=0.8)
        assert scale.apply(before).persons[0] is before.persons[0]


def test_people_have_sizes_of_their_own():
    joints, depth = scene()
    scale = DepthScale()
    scale.measure(seen(joints), placed(joints, factor=0.8), depth)
    stranger = placed(joints, name="p2")
    assert scale.apply(stranger).persons[0] is stranger.persons[0]


def test_a_depth_image_of_another_size_is_refused():
    joints, _ = scene()
    with pytest.raises(ValueError, match="depth"):
        DepthScale().measure(seen(joints), placed(joints), np.ones((120, 160)))


@pytest.mark.parametrize("height", [1.2, 1.9])
def test_the_given_stature_does_not_matter(height):
    joints, depth = scene()
    factor = CANONICAL_STATURE / height
    scale = DepthScale(height)
    scale.measure(seen(joints), placed(joints, factor=factor), depth)
    np.testing.assert_allclose(scale.apply(placed(joints, factor=factor)).persons[0].joints, joints, rtol=0.02)


def test_sizes_count_as_measured_for_two_seconds_and_are_kept_for_a_minute():
    joints, depth = scene()
    scale = DepthScale()
    scale.measure(seen(joints), placed(joints, factor=0.8), depth)
    two_seconds = replace(placed(joints, factor=0.8), stamp=START + 2 * SECOND)
    assert scale.apply(two_seconds).persons[0].scale_source is ScaleSource.DEPTH
    later = replace(two_seconds, stamp=two_seconds.stamp + 1)
    assert scale.apply(later).persons[0].scale_source is ScaleSource.PRIOR
    scale.measure(replace(seen(joints), stamp=START + 60 * SECOND, persons=()), placed(joints), depth)
    assert scale.apply(two_seconds).persons[0] is not two_seconds.persons[0]
    scale.measure(replace(seen(joints), stamp=START + 60 * SECOND + 1, persons=()), placed(joints), depth)
    assert scale.apply(two_seconds).persons[0] is two_seconds.persons[0]


def test_a_key_frame_of_the_same_stamp_forgets_no_person():
    joints, depth = scene()
    scale = DepthScale()
    scale.measure(seen(joints), placed(joints, factor=0.8), depth)
    scale.measure(replace(seen(joints), persons=()), placed(joints), depth)
    np.testing.assert_allclose(scale.apply(placed(joints, factor=0.8)).persons[0].joints, joints, rtol=0.02)


def test_a_person_who_has_no_place_gets_no_size():
    joints, depth = scene()
    scale = DepthScale()
    scale.measure(seen(joints), placed(joints, factor=0.8), depth)
    nowhere = placed(joints, scale_source=ScaleSource.NONE)
    assert scale.apply(nowhere).persons[0] is nowhere.persons[0]
