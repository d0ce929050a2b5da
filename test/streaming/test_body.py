"""Rigid bodies: lengths that are learned from noisy poses, and poses that keep them."""

from dataclasses import replace

import numpy as np
import pytest
from support.clocks import FRAME
from support.people import AHEAD, STANDING, person3d

from uplift_ros.lab.data.mocap import CANONICAL_CHAIN
from uplift_ros.poses import NANOSECONDS, Person3D, ScaleSource, SkeletonFrame
from uplift_ros.skeleton import H36M17
from uplift_ros.streaming.body import (
    BONE_CHILDREN,
    BONE_PARENTS,
    PROPORTIONS,
    STATURE_WEIGHTS,
    BoneLengths,
    RigidBodies,
    own_covariances,
    with_lengths,
)
from uplift_ros.streaming.clock import BODY_MEMORY_NS

LENGTHS = np.linalg.norm(STANDING[BONE_CHILDREN] - STANDING[BONE_PARENTS], axis=-1)
COVARIANCE = np.tile([0.01**2, 0, 0, 0.01**2, 0, 0.04**2], (17, 1))
COVARIANCE[0] = 0.0
ARMS = [H36M17.index(joint) - 1 for joint in ("left_elbow", "left_wrist", "right_elbow", "right_wrist")]
LEGS = [H36M17.index(joint) - 1 for joint in ("left_knee", "left_ankle", "right_knee", "right_ankle")]
LIMBS = ARMS + LEGS


def person(joints: np.ndarray, name: str = "p1", **fields) -> Person3D:
    return person3d(joints, name, **({"covariance": COVARIANCE} | fields))


def noisy(frames: int, deviation: float = 0.02, seed: int = 0) -> np.ndarray:
    """(frames, 17, 3) a person who stands, every frame with new errors."""
    errors = np.random.default_rng(seed).normal(0, deviation, (frames, 17, 3))
    errors[:, 0] = 0.0
    return AHEAD + errors


def stream(poses: np.ndarray, start: int = 0, **fields) -> list[SkeletonFrame]:
    return [SkeletonFrame(start + t * FRAME, "camera", (person(pose, **fields),)) for t, pose in enumerate(poses)]


def lengths_of(frames: list[SkeletonFrame], name: str = "p1") -> np.ndarray:
    joints = np.stack([person.joints for frame in frames for person in frame.persons if person.id == name])
    return np.linalg.norm(joints[:, BONE_CHILDREN] - joints[:, BONE_PARENTS], axis=-1)


def distance(moved: np.ndarray, joints: np.ndarray, covariances: np.ndarray) -> float:
    """Squared Mahalanobis distance between two poses of one pelvis."""
    step = (moved - joints)[1:]
    return float((step * np.linalg.solve(covariances[1:], step[..., None])[..., 0]).sum())


def test_poses_get_exactly_the_lengths_that_are_wanted_and_the_pelvis_stays():
    poses, wanted = noisy(20, 0.05), 1.1 * LENGTHS
    moved = with_lengths(poses, own_covariances([person(pose) for pose in poses]), np.tile(wanted, (20, 1)))
    np.testing.assert_allclose(
        np.linalg.norm(moved[:, BONE_CHILDREN] - moved[:, BONE_PARENTS], axis=-1) - wanted, 0, atol=1e-9
    )
    np.testing.assert_array_equal(moved[:, 0], poses[:, 0])


def test_poses_of_these_lengths_do_not_move():
    pose = AHEAD[None]
    np.testing.assert_allclose(with_lengths(pose, own_covariances([person(pose[0])]), LENGTHS[None]), pose, atol=1e-9)


def test_no_other_pose_of_these_lengths_is_nearer_in_the_metric_of_the_covariances():
    (pose,), random = noisy(1, 0.03), np.random.default_rng(1)
    (covariances,) = own_covariances([person(pose)])
    (moved,) = with_lengths(pose[None], covariances[None], LENGTHS[None])
    nearest = distance(moved, pose, covariances)
    for _ in range(50):
        other = moved + random.normal(0, 0.002, moved.shape)
        directions = other[BONE_CHILDREN] - other[BONE_PARENTS]
        other[0] = pose[0]
        for bone, (parent, child) in enumerate(H36M17.bones):
            other[child] = other[parent] + LENGTHS[bone] * directions[bone] / np.linalg.norm(directions[bone])
        assert distance(other, pose, covariances) > nearest


def test_the_joint_that_is_less_certain_moves_more():
    covariance = COVARIANCE.copy()
    wrist, elbow = H36M17.index("left_wrist"), H36M17.index("left_elbow")
    covariance[wrist] *= 9
    wanted = LENGTHS.copy()
    wanted[wrist - 1] *= 1.2
    pose = AHEAD
    (moved,) = with_lengths(pose[None], own_covariances([person(pose, covariance=covariance)]), wanted[None])
    moves = np.linalg.norm(moved - pose, axis=-1)
    assert moves[wrist] > 5 * moves[elbow] > 0


@pytest.mark.parametrize("seed", range(3))
def test_from_the_first_frame_on_lengths_vary_by_less_than_a_percent(seed):
    poses = noisy(500, 0.02, seed)
    before, after = (lengths_of(frames)[:, LIMBS] for frames in (stream(poses), RigidBodies().keep(stream(poses))))
    assert (before.std(0) / before.mean(0)).mean() > 0.05
    assert (after.std(0) / after.mean(0)).mean() < 0.01


def test_lengths_approach_the_true_ones_though_they_differ_from_the_average_person():
    tall = LENGTHS.copy()
    tall[ARMS] *= 1.15
    (longer,) = with_lengths(AHEAD[None], own_covariances([person(STANDING)]), tall[None])
    poses = longer + noisy(3000, 0.02) - AHEAD
    after = lengths_of(RigidBodies().keep(stream(poses)))
    np.testing.assert_allclose(after[-1, ARMS], tall[ARMS], rtol=0.03)


def test_left_and_right_have_one_length():
    after = lengths_of(RigidBodies().keep(stream(noisy(100, 0.03))))
    mirrored = [list(BONE_CHILDREN).index(joint) for joint in H36M17.flip[BONE_CHILDREN]]
    np.testing.assert_allclose(after, after[:, mirrored])


def test_gross_errors_hardly_count():
    poses = noisy(1000, 0.005)
    clean = lengths_of(RigidBodies().keep(stream(poses)))[-1]
    poses[5::10, H36M17.index("left_wrist")] += (0.0, 0.6, 0.0)
    np.testing.assert_allclose(lengths_of(RigidBodies().keep(stream(poses)))[-1], clean, rtol=0.03)


def test_a_bone_across_the_line_of_sight_counts_more_than_one_along_it():
    forearm = H36M17.index("left_wrist")
    elbow = H36M17.index("left_elbow")
    lengths = []
    for direction in ((1.0, 0.0, 0.0), (0.0, 0.0, -1.0)):
        body = BoneLengths()
        pose = AHEAD
        pose[forearm] = pose[elbow] + 0.35 * np.array(direction)
        for t in range(250):
            (own,) = own_covariances([person(pose)])
            body.observe(person(pose), own, t * FRAME)
        lengths.append(body.lengths[forearm - 1])
    across, along = lengths
    assert across > along + 0.01


def test_a_person_who_returns_has_the_same_lengths():
    bodies = RigidBodies()
    before = lengths_of(bodies.keep(stream(noisy(500))))[-1]
    back = lengths_of(bodies.keep(stream(noisy(1, seed=1), 500 * FRAME + BODY_MEMORY_NS // 2)))[0]
    np.testing.assert_allclose(back, before, rtol=0.01)


@pytest.mark.parametrize("stamp", [0, 500 * FRAME + BODY_MEMORY_NS + 1], ids=["time goes back", "long unseen"])
def test_lengths_are_forgotten(stamp):
    bodies, last = RigidBodies(), stream(1.3 * noisy(1), stamp)
    bodies.keep(stream(noisy(500), FRAME))
    (again,), (alone,) = bodies.keep(last), RigidBodies().keep(last)
    np.testing.assert_array_equal(again.persons[0].joints, alone.persons[0].joints)


def test_noise_while_depth_comes_and_goes_changes_no_size():
    bodies = RigidBodies()
    heights = []
    for second in range(60):
        source = (ScaleSource.PRIOR, ScaleSource.DEPTH)[second % 2]
        frames = bodies.keep(stream(noisy(50, 0.01, second), second * 50 * FRAME, scale_source=source))
        heights.append(frames[-1].persons[0].height)
    np.testing.assert_allclose(heights[5:], heights[5], rtol=0.01)


def test_another_person_under_the_same_id_is_believed_in_time():
    bodies = RigidBodies()
    bodies.keep(stream(noisy(3000)))
    after = bodies.keep(stream(0.7 * noisy(6000), 3000 * FRAME))
    assert lengths_of(after)[-1].sum() < 0.8 * lengths_of(after)[0].sum()


def test_depth_changes_the_size_at_once_and_leaves_the_proportions():
    bodies = RigidBodies()
    before = bodies.keep(stream(noisy(500)))
    after = bodies.keep(stream(1.2 * noisy(500), 500 * FRAME, scale_source=ScaleSource.DEPTH))
    np.testing.assert_allclose(lengths_of(after)[0] / lengths_of(before)[-1], 1.2, rtol=0.03)
    assert after[-1].persons[0].height == pytest.approx(1.2 * before[-1].persons[0].height, rel=0.03)


def test_the_height_of_the_canonical_body_is_the_canonical_stature():
    assert pytest.approx(CANONICAL_CHAIN, abs=0.001) == STATURE_WEIGHTS @ PROPORTIONS
    body = BoneLengths(lengths=PROPORTIONS)
    assert body.height == pytest.approx(1.72)


def test_without_scale_there_is_no_height():
    (frame,) = RigidBodies().keep(stream(noisy(1), scale_source=ScaleSource.NONE))
    assert frame.persons[0].height == 0.0


def test_the_result_does_not_depend_on_how_frames_are_cut_into_calls():
    frames = [
        replace(one, persons=(*one.persons, *other.persons))
        for one, other in zip(stream(noisy(40)), stream(1.1 * noisy(40, seed=2), name="p2"), strict=True)
    ]
    bodies = RigidBodies()
    single = [refined for frame in frames for refined in bodies.keep([frame])]
    for name in ("p1", "p2"):
        np.testing.assert_allclose(lengths_of(RigidBodies().keep(frames), name), lengths_of(single, name), atol=1e-12)


def test_frames_at_half_the_rate_count_twice():
    poses, slow, fast = noisy(100), BoneLengths(), BoneLengths()
    for t in range(0, 100 * 2, 2):
        (own,) = own_covariances([person(poses[t // 2])])
        slow.observe(person(poses[t // 2]), own, t * FRAME)
        fast.observe(person(poses[t // 2]), own, t * FRAME)
        fast.observe(person(poses[t // 2]), own, (t + 1) * FRAME)
    np.testing.assert_allclose(slow.lengths, fast.lengths, rtol=0.002)


@pytest.mark.parametrize(
    ("joints", "covariance"),
    [
        (np.zeros((17, 3)), COVARIANCE),
        (STANDING, np.zeros((17, 6))),
        (STANDING, -COVARIANCE),
        (STANDING, np.full((17, 6), 1e300)),
        (STANDING, np.empty((0, 6))),
        (np.random.default_rng(3).normal(0, 3, (17, 3)), COVARIANCE),
    ],
    ids=["all in one place", "no variance", "negative", "immense", "none", "no body"],
)
def test_strange_people_stay_finite(joints, covariance):
    bodies = RigidBodies()
    for t in range(3):
        (frame,) = bodies.keep([SkeletonFrame(t * NANOSECONDS, "camera", (person(joints, covariance=covariance),))])
        (one,) = frame.persons
        assert np.isfinite(one.joints).all()
        assert np.isfinite(one.height)
