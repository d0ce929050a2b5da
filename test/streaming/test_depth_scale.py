"""Body size from depth, on depth images of the synthetic person, drawn from points on the parts' skins."""

from dataclasses import replace

import numpy as np
import pytest

from uplift_ros.camera import CANONICAL_STATURE, Camera
from uplift_ros.poses import Keyframe, Person2D, Person3D, ScaleSource, SkeletonFrame, Source
from uplift_ros.sources.synthetic.figure import figure
from uplift_ros.sources.synthetic.motion import PERIOD, pose
from uplift_ros.sources.synthetic.synthetic_source import viewpoint_at
from uplift_ros.streaming.clock import FRESH_SIZE_NS, SIZE_MEMORY_NS
from uplift_ros.streaming.depth_scale import AVERAGED, SURFACE, DepthScale, size_factor

CAMERA = Camera.from_fov(0.96, 320, 240)
WALL = 6.0
START, STEP = 1_700_000_000_000_000_000, 200_000_000


def scene(t: float = 0.0, stature: float = CANONICAL_STATURE, wall: float = WALL) -> tuple[np.ndarray, np.ndarray]:
    """True joints (17, 3) in the optical frame, and a depth image (H, W) in metres, of a person before a wall."""
    world, viewpoint = pose(t, stature), viewpoint_at(CAMERA, 0.0)
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
    person = Person2D(name, 1.0, np.zeros(4), CAMERA.project(joints), np.ones(17))
    return Keyframe(START + number * STEP, "camera", CAMERA.width, CAMERA.height, number, 10, (person,))


def placed(joints: np.ndarray, number: int = 0, factor: float = 1.0, name: str = "p1", **fields) -> SkeletonFrame:
    """Output of an uplifter for a person `factor` times as tall as the given stature."""
    person = Person3D(
        name, 1.0, Source.KEYFRAME, ScaleSource.PRIOR, joints / factor, np.ones(17), 1.0, np.full((17, 6), 0.01)
    )
    return SkeletonFrame(START + number * STEP, "camera", (replace(person, **fields),))


@pytest.mark.parametrize("stature", [1.1, 1.72, 1.95])
@pytest.mark.parametrize("t", np.arange(0, PERIOD, 2.5))
def test_the_factor_between_true_and_given_stature_is_measured(t, stature):
    joints, depth = scene(t, stature)
    factor = stature / CANONICAL_STATURE
    scale = DepthScale()
    assert scale.measure(seen(joints), placed(joints, factor=factor), depth) == 1
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


def test_holes_in_the_depth_image_do_not_count():
    joints, depth = scene()
    rng = np.random.default_rng(0)
    depth[rng.random(depth.shape) < 0.2] = np.nan
    depth[rng.random(depth.shape) < 0.2] = 0.0
    scale = DepthScale()
    scale.measure(seen(joints), placed(joints), depth)
    np.testing.assert_allclose(scale.apply(placed(joints)).persons[0].joints, joints, rtol=0.02)


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
    assert scale.measure(seen(joints), placed(joints), spoil(depth)) == 0
    assert scale.apply(placed(joints)).persons[0].scale_source is ScaleSource.PRIOR


def test_hidden_joints_and_joints_outside_the_image_do_not_count():
    joints, depth = scene()
    keyframe = seen(joints)
    keyframe.persons[0].scores[:9] = 0.1
    keyframe.persons[0].keypoints[9:13] = (-5, 3), (np.nan, np.nan), (320, 5), (5, 240)
    assert DepthScale().measure(keyframe, placed(joints), depth) == 0


def test_who_is_not_placed_is_not_measured():
    joints, depth = scene()
    around_the_origin = placed(joints - joints[0], scale_source=ScaleSource.NONE)
    assert DepthScale().measure(seen(joints), around_the_origin, depth) == 0


def test_who_is_seen_but_not_in_space_is_not_measured():
    joints, depth = scene()
    assert DepthScale().measure(seen(joints, name="p2"), placed(joints), depth) == 0


def test_one_wrong_measurement_changes_little():
    joints, depth = scene()
    scale = DepthScale()
    for number in range(5):
        scale.measure(seen(joints, number), placed(joints, number), depth)
    right = scale.apply(placed(joints, 5)).persons[0].joints
    scale.measure(seen(joints, 5), placed(joints, 5), 0.7 * depth)
    np.testing.assert_allclose(scale.apply(placed(joints, 5)).persons[0].joints, right, rtol=0.01)


def test_another_person_of_the_same_id_is_measured_again_in_time():
    joints, depth = scene()
    scale = DepthScale()
    for number in range(2 * AVERAGED):
        scale.measure(seen(joints, number), placed(joints, number, 1.0 if number < AVERAGED else 0.8), depth)
    after = scale.apply(placed(joints, 2 * AVERAGED, 0.8)).persons[0].joints
    np.testing.assert_allclose(after, joints, rtol=0.02)


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


def test_a_size_that_is_no_longer_measured_is_kept_as_a_prior():
    joints, depth = scene()
    scale = DepthScale()
    scale.measure(seen(joints), placed(joints, factor=0.8), depth)
    later = replace(placed(joints, factor=0.8), stamp=START + FRESH_SIZE_NS + 1)
    person = scale.apply(later).persons[0]
    np.testing.assert_allclose(person.joints, joints, rtol=0.02)
    assert person.scale_source is ScaleSource.PRIOR


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


@pytest.mark.parametrize("told", [1.2, 1.9])
def test_the_given_stature_does_not_matter(told):
    joints, depth = scene()
    factor = CANONICAL_STATURE / told
    scale = DepthScale(told)
    scale.measure(seen(joints), placed(joints, factor=factor), depth)
    np.testing.assert_allclose(scale.apply(placed(joints, factor=factor)).persons[0].joints, joints, rtol=0.02)


def test_sizes_count_as_measured_for_two_seconds_and_are_kept_for_a_minute():
    joints, depth = scene()
    scale = DepthScale()
    scale.measure(seen(joints), placed(joints, factor=0.8), depth)
    two_seconds = replace(placed(joints, factor=0.8), stamp=START + 2_000_000_000)
    assert scale.apply(two_seconds).persons[0].scale_source is ScaleSource.DEPTH
    later = replace(two_seconds, stamp=two_seconds.stamp + 1)
    assert scale.apply(later).persons[0].scale_source is ScaleSource.PRIOR
    scale.measure(replace(seen(joints), stamp=START + 60_000_000_000, persons=()), placed(joints), depth)
    assert scale.apply(two_seconds).persons[0] is not two_seconds.persons[0]
    scale.measure(replace(seen(joints), stamp=START + 60_000_000_001, persons=()), placed(joints), depth)
    assert scale.apply(two_seconds).persons[0] is two_seconds.persons[0]


def test_a_key_frame_of_the_same_stamp_forgets_no_person():
    joints, depth = scene()
    scale = DepthScale()
    scale.measure(seen(joints), placed(joints, factor=0.8), depth)
    assert scale.measure(replace(seen(joints), persons=()), placed(joints), depth) == 0
    np.testing.assert_allclose(scale.apply(placed(joints, factor=0.8)).persons[0].joints, joints, rtol=0.02)


def test_who_has_no_place_gets_no_size():
    joints, depth = scene()
    scale = DepthScale()
    scale.measure(seen(joints), placed(joints, factor=0.8), depth)
    nowhere = placed(joints, scale_source=ScaleSource.NONE)
    assert scale.apply(nowhere).persons[0] is nowhere.persons[0]


DISTANCE = 3.0
AT = np.stack([20 + 30 * np.arange(17), np.full(17, 50)], -1).astype(float)


def factor_of(
    factors,
    at=AT,
    scores=1.0,
    height: float = CANONICAL_STATURE,
    hole: int = 0,
    unknown=np.nan,
    distance: float = DISTANCE,
) -> float | None:
    """Depth of a person whose skin is `distance` away everywhere; beside the joints it is so many times as large.

    The first `hole` pixels of every 21 x 21 around a joint are unknown.
    """
    depth = np.repeat(distance * np.broadcast_to(factors, 17), 30)[None].repeat(100, 0)
    depth = np.pad(depth, ((0, 0), (5, 125)), "edge")
    for column, row in at[np.isfinite(at).all(-1)].astype(int) if hole else ():
        patch = depth[row - 10 : row + 11, column - 10 : column + 11]
        patch.flat[:hole] = unknown
    return measured_on(depth, at, scores, height, distance)


def measured_on(depth, at, scores=1.0, height: float = CANONICAL_STATURE, distance: float = DISTANCE) -> float | None:
    """Joints of a person whose skin would be `distance` away everywhere."""
    joints = np.full((17, 3), distance)
    joints[:, 2] += np.nan_to_num(SURFACE) * height / CANONICAL_STATURE
    person = Person2D("p1", 1.0, np.zeros(4), at, np.broadcast_to(scores, 17))
    return size_factor(person, joints, depth, height)


def first(count: int, of: float, others: float) -> np.ndarray:
    return np.where(np.arange(17) < count, of, others)


@pytest.mark.parametrize(("sure", "factor"), [(first(5, 0.5, 0.49), 1.1), (first(4, 0.5, 0.49), None)])
def test_five_joints_that_the_detector_is_half_sure_of_are_enough(sure, factor):
    assert factor_of(1.1, scores=sure) == (factor and pytest.approx(factor))


@pytest.mark.parametrize(
    ("near", "far", "eighth", "factor"), [(4, 4, 1.09, 1.0), (4, 4, 1.11, None), (4, 4, 0.89, None), (4, 5, 1.0, None)]
)
@pytest.mark.parametrize("size", [0.5, 1.0, 1.4])
def test_half_of_the_joints_must_agree_within_a_tenth(near, far, eighth, factor, size):
    """Of 16 joints, for the nose's skin is not known to be before or behind it."""
    ones = 15 - near - far
    factors = [*[0.7] * near, *[1.4] * far, *[1.0] * ones, eighth]
    factors.insert(9, 5.0)
    assert factor_of(size * np.array(factors)) == (factor and pytest.approx(size * factor))


@pytest.mark.parametrize(("stature", "fits"), [(0.299, False), (0.301, True), (2.49, True), (2.51, False)])
def test_statures_are_those_of_people(stature, fits):
    assert (factor_of(stature / 1.5, height=1.5) is not None) is fits


@pytest.mark.parametrize("unknown", [np.nan, np.inf, 0.0, -1.0])
@pytest.mark.parametrize(("hole", "measured"), [(220, True), (221, False)])
def test_depth_counts_where_it_is_known_for_half_of_the_pixels(hole, measured, unknown):
    assert factor_of(1.1, hole=hole, unknown=unknown) == (pytest.approx(1.1) if measured else None)


@pytest.mark.parametrize("unknown", [np.nan, np.inf, 0.0, -1.0])
def test_unknown_depth_does_not_shift_the_median(unknown):
    depth, at = np.full((3, 15), np.nan), np.full((17, 2), np.nan)
    for joint in range(5):
        around = [unknown] * 4 + [DISTANCE * factor for factor in (1.0, 1.0, 1.1, 1.2, 1.2)]
        depth[:, 3 * joint : 3 * joint + 3] = np.reshape(around, (3, 3))
        at[joint] = 3 * joint + 1, 1
    assert measured_on(depth, at) == pytest.approx(1.1)


@pytest.mark.parametrize(("corner", "factor"), [((639.9, 99.9), 1.1), ((640.0, 50.0), None), ((300.0, 100.0), None)])
def test_all_of_the_image_counts_and_nothing_beside_it(corner, factor):
    at = np.full((17, 2), np.nan)
    at[:5] = (0, 0), (639.9, 0), (0, 99.9), (320, 50), corner
    assert factor_of(1.1, at) == (factor and pytest.approx(factor))


@pytest.mark.parametrize("distance", [0.3, 3.0, 30.0])
@pytest.mark.parametrize("height", [0.5, 2.2])
def test_skin_is_nearer_than_the_joint_by_a_part_of_the_stature(distance, height):
    assert factor_of(1.1, height=height, distance=distance) == pytest.approx(1.1)


@pytest.mark.parametrize("away", [-0.5, 0.0])
def test_joints_that_cannot_be_in_front_of_the_camera_do_not_count(away):
    assert factor_of(1.1, distance=away) is None


@pytest.mark.parametrize(
    ("torso", "filled", "is_person"),
    [(80, 3, True), (80, 2, False), (8, 1, True), (8, 0, False), (800, 7, True), (800, 6, False)],
)
def test_depth_is_the_median_within_a_twentieth_of_the_torso_from_one_pixel_to_ten(torso, filled, is_person):
    """A person fills a square around each joint: more than half of 9 x 9, 3 x 3 or 21 x 21 pixels, or less."""
    at = np.full((17, 2), np.nan)
    at[0], at[8] = (20, 25), (20 + torso, 25)
    at[1:6] = [(20 + 40 * joint, 75) for joint in range(5)]
    depth = np.full((100, 900), 1.3 * DISTANCE)
    for column, row in at[np.isfinite(at).all(-1)].astype(int):
        depth[row - filled : row + filled + 1, column - filled : column + filled + 1] = DISTANCE
    assert measured_on(depth, at) == pytest.approx(1.0 if is_person else 1.3)


@pytest.mark.parametrize("edge", ["left", "top", "right", "bottom"])
def test_at_the_edge_depth_is_the_median_of_what_is_inside_the_image(edge):
    """Of six pixels around each joint the three at the edge are known."""
    depth = np.full((100, 100), np.nan)
    places = 10.0 * np.arange(1, 6)
    at = np.full((17, 2), np.nan)
    if edge in ("left", "right"):
        column = 0 if edge == "left" else 99
        depth[:, column], at[1:6, 0], at[1:6, 1] = DISTANCE, column, places
    else:
        row = 0 if edge == "top" else 99
        depth[row], at[1:6, 0], at[1:6, 1] = DISTANCE, places, row
    assert measured_on(depth, at) == pytest.approx(1.0)
