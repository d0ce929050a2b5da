"""The synthetic camera: image and truth show the same person."""

import itertools

import numpy as np
import pytest

from uplift_ros import estimators
from uplift_ros.camera import Camera
from uplift_ros.settings import defaults_of
from uplift_ros.skeleton import H36M17
from uplift_ros.sources.synthetic.figure import figure
from uplift_ros.sources.synthetic.motion import PERIOD, pose
from uplift_ros.sources.synthetic.room import Room, cast_shadow
from uplift_ros.sources.synthetic.solids import draw_parts
from uplift_ros.sources.synthetic.synthetic_source import SyntheticSource, viewpoint_at
from uplift_ros.sources.synthetic.viewpoint import Viewpoint

FPS = 50.0


@pytest.fixture(scope="module")
def source() -> SyntheticSource:
    return SyntheticSource(fps=FPS)


def person_mask(source: SyntheticSource, t: float) -> np.ndarray:
    """(H, W) where the image at `t` seconds differs from the room with the person's shadow."""
    viewpoint = viewpoint_at(source.camera, t)
    empty = Room(source.camera.width, source.camera.height).seen_from(viewpoint)
    cast_shadow(empty, figure(pose(t)), viewpoint)
    image = source.frame(round(t * FPS)).image
    return np.abs(image.astype(int) - empty).max(-1) > 12


def distances_to_bones(pixels: np.ndarray, joints: np.ndarray) -> np.ndarray:
    """(P,) distance of every pixel (P, 2) to the nearest bone of the projected joints (17, 2), pixels."""
    nearest = np.full(len(pixels), np.inf)
    for parent, child in H36M17.bones:
        a, along = joints[parent], joints[child] - joints[parent]
        t = np.clip((pixels - a) @ along / max(along @ along, 1e-9), 0, 1)
        nearest = np.minimum(nearest, np.linalg.norm(pixels - a - t[:, None] * along, axis=-1))
    return nearest


def test_frames_are_rgb_images_with_exact_times(source: SyntheticSource) -> None:
    frames = list(itertools.islice(source.frames(), 3))
    assert [frame.time for frame in frames] == [0, 20_000_000, 40_000_000]
    assert all(frame.image.shape == (480, 640, 3) and frame.image.dtype == np.uint8 for frame in frames)


def test_a_frame_is_a_pure_function_of_its_number(source: SyntheticSource) -> None:
    again = SyntheticSource(fps=FPS).frame(217)
    np.testing.assert_array_equal(source.frame(217).image, again.image)
    np.testing.assert_array_equal(source.frame(217).truth, again.truth)


def test_frames_continue_after_the_schedule(source: SyntheticSource) -> None:
    slow = SyntheticSource(fps=0.5)
    times = [frame.time for frame in itertools.islice(slow.frames(), 13)]
    assert times[-1] / 1e9 > PERIOD
    assert np.all(np.diff(times) > 0)


@pytest.mark.parametrize("t", np.arange(0.5, PERIOD, 1.5))
def test_the_projected_truth_lies_on_the_person(source: SyntheticSource, t: float) -> None:
    mask = person_mask(source, t)
    pixels = np.rint(source.camera.project(source.frame(round(t * FPS)).truth)).astype(int)
    assert mask[pixels[:, 1], pixels[:, 0]].all()


@pytest.mark.parametrize("t", np.arange(0.5, PERIOD, 1.5))
def test_the_person_is_where_the_truth_is(source: SyntheticSource, t: float) -> None:
    truth = source.frame(round(t * FPS)).truth
    rows, columns = np.nonzero(person_mask(source, t))
    far = distances_to_bones(np.stack([columns, rows], -1), source.camera.project(truth)).max()
    assert far * truth[0, 2] / source.camera.fx < 0.21  # metres: toes reach 17 cm beyond the ankle


def test_the_whole_body_is_always_in_view(source: SyntheticSource) -> None:
    for t in np.arange(0, 2 * PERIOD, 0.1):
        joints = viewpoint_at(source.camera, t).to_optical(pose(t))
        pixels = source.camera.project(joints)
        assert (pixels > 20).all(), t
        assert (pixels < np.array([640, 480]) - 20).all(), t
        assert (joints[:, 2] > 2).all(), t


def test_the_camera_moves_by_default() -> None:
    moving, fixed = SyntheticSource(fps=1), SyntheticSource(fps=1, moving=False)
    same_pose = int(PERIOD)
    assert np.abs(moving.frame(0).truth - moving.frame(same_pose).truth).max() > 0.01
    np.testing.assert_allclose(fixed.frame(0).truth, fixed.frame(same_pose).truth)


def test_the_truth_is_in_the_optical_frame(source: SyntheticSource) -> None:
    truth = source.frame(0).truth
    assert truth[H36M17.index("head"), 1] < truth[H36M17.index("left_ankle"), 1]  # y down
    assert truth[H36M17.index("left_shoulder"), 0] > truth[H36M17.index("right_shoulder"), 0]  # facing the camera


@pytest.mark.parametrize(("width", "height"), [(320, 240), (1280, 720)])
def test_other_sizes_show_the_same_view(width: int, height: int) -> None:
    source = SyntheticSource(width, height)
    frame = source.frame(0)
    assert frame.image.shape == (height, width, 3)
    u = source.camera.project(frame.truth)[:, 0] / width
    assert np.all((u > 0.2) & (u < 0.8))


def test_a_rate_that_is_not_positive_is_refused() -> None:
    with pytest.raises(ValueError, match="fps"):
        SyntheticSource(fps=0)


@pytest.mark.usefixtures("blazepose_files")
def test_a_detector_finds_the_person_from_all_sides(source: SyntheticSource) -> None:
    detector = estimators.create("blazepose", defaults_of("pose_estimator", model="full"))
    errors = []
    for t in np.arange(0.2, PERIOD, 0.9):
        frame = source.frame(round(t * FPS))
        found = detector.estimate(frame.image)
        assert found, f"no person found at {t:.1f} s"
        seen = found[0].keypoints
        truth = source.camera.project(frame.truth)
        torso = np.linalg.norm(frame.truth[8] - frame.truth[0]) * source.camera.fx / frame.truth[0, 2]
        errors.append(np.linalg.norm(seen - truth, axis=-1) / torso)
        mirrored = np.linalg.norm(seen[H36M17.flip] - truth, axis=-1) / torso
        assert errors[-1].mean() < mirrored.mean(), f"left and right swapped at {t:.1f} s"
    detector.close()
    assert np.median(errors) < 0.08


def looking(yaw: float, pitch: float, position: tuple[float, float, float] = (0.0, 0.0, 1.2)) -> Viewpoint:
    return Viewpoint.looking(Camera.from_fov(1.0, 160, 120), np.array(position), yaw, pitch)


@pytest.mark.parametrize(("pitch", "wall", "floor"), [(-0.6, True, False), (1.2, False, True), (0.1, True, True)])
def test_a_camera_that_looks_up_sees_the_wall_and_one_that_looks_down_the_floor(pitch, wall, floor) -> None:
    room = Room(160, 120).seen_from(looking(np.pi, pitch)).astype(int)
    warmth = np.median(room[..., 0] - room[..., 2], axis=1)  # of each row: tiles are warm, paint is not
    assert (warmth[0] < 0) == wall
    assert (warmth[-1] > 20) == floor


@pytest.mark.parametrize(("x", "yaw"), [(0.0, np.pi), (3.0, 0.0), (9.0, np.pi - 0.8)])
def test_a_shadow_out_of_sight_changes_nothing(x: float, yaw: float) -> None:
    """The camera is where the person stands, turns its back, or looks past them."""
    parts = figure(pose(0.0))
    image = np.full((120, 160, 3), 200, np.uint8)
    cast_shadow(image, parts, looking(yaw, -0.1, (x, 0.0, 1.2)))
    assert (image == 200).all()


def test_a_person_out_of_sight_is_not_drawn() -> None:
    image = np.full((120, 160, 3), 200, np.uint8)
    draw_parts(image, figure(pose(0.0)), looking(0.0, 0.0, (9.0, 0.0, 1.2)))
    assert (image == 200).all()
