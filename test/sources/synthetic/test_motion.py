"""The animated person: smooth, rigid, of human proportions, alternately slow and fast."""

import itertools

import numpy as np
import pytest

from uplift_ros.skeleton import H36M17
from uplift_ros.sources.synthetic.motion import PERIOD, SCHEDULE, pose
from uplift_ros.sources.synthetic.posture import ANKLE_HEIGHT

STEP = 0.005
SLOW, BURSTS = ("stand", "walk", "turn"), ("box", "jacks", "jog")


@pytest.fixture(scope="module")
def times() -> np.ndarray:
    return np.arange(0, PERIOD + 1, STEP)  # beyond the end: over the seam


@pytest.fixture(scope="module")
def poses(times: np.ndarray) -> np.ndarray:
    return np.stack([pose(t) for t in times])


def root_relative_speed(poses: np.ndarray) -> np.ndarray:
    """Mean over the joints of the speed relative to the pelvis, m/s."""
    relative = poses - poses[:, :1]
    return np.linalg.norm(np.diff(relative, axis=0), axis=-1).mean(-1) / STEP


def joint(poses: np.ndarray, name: str) -> np.ndarray:
    return poses[..., H36M17.index(name), :]


def test_a_pose_is_a_pure_function_of_time() -> None:
    np.testing.assert_array_equal(pose(7.3), pose(7.3))


def test_the_schedule_repeats() -> None:
    np.testing.assert_allclose(pose(4.2), pose(4.2 + 3 * PERIOD), atol=1e-9)


def test_the_schedule_has_no_gaps() -> None:
    assert SCHEDULE[0].start == 0
    assert SCHEDULE[-1].end == PERIOD
    assert all(before.end == after.start for before, after in itertools.pairwise(SCHEDULE))


def test_velocity_never_jumps(poses: np.ndarray) -> None:
    velocity = np.diff(poses, axis=0) / STEP
    change = np.linalg.norm(np.diff(velocity, axis=0), axis=-1)
    assert change.max() < 100 * STEP  # m/s^2: the fastest arms turn round at 75


def test_limbs_are_rigid(poses: np.ndarray) -> None:
    for parent, child in H36M17.bones:
        lengths = np.linalg.norm(poses[:, child] - poses[:, parent], axis=-1)
        assert np.ptp(lengths) < 1e-9, H36M17.joints[child]


@pytest.mark.parametrize(
    ("a", "b", "metres"),
    [
        ("pelvis", "left_hip", 0.099),
        ("right_hip", "right_knee", 0.418),
        ("right_knee", "right_ankle", 0.398),
        ("pelvis", "thorax", 0.505),
        ("thorax", "left_shoulder", 0.173),
        ("left_shoulder", "left_elbow", 0.284),
        ("left_elbow", "left_wrist", 0.268),
    ],
)
def test_proportions_are_human(a: str, b: str, metres: float) -> None:
    standing = pose(0.0)
    assert np.linalg.norm(joint(standing, a) - joint(standing, b)) == pytest.approx(metres, abs=0.008)


def test_the_trunk_and_the_head_follow_the_joint_set() -> None:
    standing = pose(0.0)
    pelvis, thorax = joint(standing, "pelvis"), joint(standing, "thorax")
    np.testing.assert_allclose(joint(standing, "spine"), pelvis + 0.48 * (thorax - pelvis), atol=1e-9)
    forward, _, up = joint(standing, "nose") - thorax
    assert 0.07 < forward < 0.10
    assert 0.10 < up < 0.13
    assert 0.24 < (joint(standing, "head") - thorax)[2] < 0.26


def test_the_person_faces_x_with_the_left_side_towards_y() -> None:
    standing = pose(0.0)
    assert joint(standing, "left_shoulder")[1] > joint(standing, "right_shoulder")[1]
    assert joint(standing, "left_hip")[1] > joint(standing, "right_hip")[1]


def test_feet_stay_on_or_above_the_ground(poses: np.ndarray) -> None:
    assert poses[:, [H36M17.index("left_ankle"), H36M17.index("right_ankle")], 2].min() > ANKLE_HEIGHT - 1e-9


def test_one_foot_stands_still_while_the_person_walks(times: np.ndarray, poses: np.ndarray) -> None:
    walk = next(activity for activity in SCHEDULE if activity.name == "walk")
    walking = np.array([walk.weight(t % PERIOD) > 0.5 for t in times[1:]])
    speeds = [
        np.linalg.norm(np.diff(joint(poses, f"{side}_ankle"), axis=0), axis=-1) / STEP for side in ("left", "right")
    ]
    slower = np.minimum(*speeds)[walking]
    assert np.percentile(slower, 75) < 0.1
    assert np.linalg.norm(np.diff(joint(poses, "pelvis"), axis=0), axis=-1)[walking].max() / STEP > 0.6


@pytest.mark.parametrize("name", SLOW)
def test_slow_activities_stay_below_half_a_metre_per_second(name: str, poses: np.ndarray) -> None:
    assert core_speed(name, poses).mean() < 0.45


@pytest.mark.parametrize("name", BURSTS)
def test_bursts_are_well_above_half_a_metre_per_second(name: str, poses: np.ndarray) -> None:
    assert core_speed(name, poses).mean() > 0.65


def core_speed(name: str, poses: np.ndarray) -> np.ndarray:
    """Root-relative speed within the first activity of that name, but for half a second at its ends."""
    activity = next(entry for entry in SCHEDULE if entry.name == name)
    begin, end = (round(t / STEP) for t in (activity.start + 0.5, activity.end - 0.5))
    return root_relative_speed(poses)[begin:end]


def test_slow_and_fast_alternate_and_slow_ones_last() -> None:
    fast = [entry.name in BURSTS for entry in SCHEDULE]
    assert sum(now != before for before, now in itertools.pairwise(fast)) == 6
    assert sum(entry.end - entry.start for entry in SCHEDULE if entry.name in SLOW) > 0.6 * PERIOD
