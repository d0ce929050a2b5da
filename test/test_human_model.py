"""Joint angles are checked against the URDF: its forward kinematics must reproduce the skeleton."""

from xml.etree import ElementTree as Xml

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from support.people import STANDING

from uplift_ros.human_model import JOINTS, HumanPose
from uplift_ros.skeleton import H36M17
from uplift_ros.transforms import RigidTransform

LINKS = {
    "torso": "thorax",
    "head": "nose",
    **{f"{s}_{part}": f"{side}_{part}" for s, side in (("l", "left"), ("r", "right")) for part in
       ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")},
}  # fmt: skip
"""Links by the joint of h36m17 at their origin."""

ANGLES = 20


def posed(**moved: tuple[float, float, float]) -> np.ndarray:
    """STANDING with some joints elsewhere, metres in the optical frame (x to the left of the person, y down)."""
    joints = STANDING.copy()
    for joint, place in moved.items():
        joints[H36M17.index(joint)] = place
    return joints


def bent(seed: int) -> np.ndarray:
    """Limbs of STANDING turned at random, elbows and knees bent; hips, shoulders and trunk stay."""
    random = np.random.default_rng(seed)
    joints = STANDING.copy()
    for side in ("left", "right"):
        for chain in (("shoulder", "elbow", "wrist"), ("hip", "knee", "ankle")):
            place = joints[H36M17.index(f"{side}_{chain[0]}")]
            for part in chain[1:]:
                direction = random.normal(size=3)
                place = place + 0.3 * direction / np.linalg.norm(direction)
                joints[H36M17.index(f"{side}_{part}")] = place
    return joints


def parsed(urdf: str) -> Xml.Element:
    return Xml.fromstring(urdf)  # noqa: S314 (our own)


def forward_kinematics(urdf: str, angles: dict[str, float], suffix: str) -> dict[str, RigidTransform]:
    """Frames of all links in that of the root, by the names without suffix."""
    frames = {"body" + suffix: RigidTransform(np.eye(3), np.zeros(3))}
    for joint in parsed(urdf).iter("joint"):
        parent = frames[joint.find("parent").get("link")]
        origin = np.array(joint.find("origin").get("xyz").split(), float)
        turn = np.eye(3)
        if joint.get("type") == "revolute":
            axis = np.array(joint.find("axis").get("xyz").split(), float)
            turn = Rotation.from_rotvec(angles[joint.get("name").removesuffix(suffix)] * axis).as_matrix()
        frames[joint.find("child").get("link")] = RigidTransform(parent.rotation @ turn, parent.points(origin))
    return {name.removesuffix(suffix): frame for name, frame in frames.items()}


@pytest.mark.parametrize("seed", range(20))
def test_the_angles_put_into_the_urdf_give_the_skeleton_back(seed):
    joints = bent(seed)
    pose = HumanPose.of(joints)
    frames = forward_kinematics(pose.urdf("p1"), pose.angles, "_p1")
    for link, joint in LINKS.items():
        place = pose.body.points(frames[link].translation)
        np.testing.assert_allclose(place, joints[H36M17.index(joint)], atol=1e-3, err_msg=link)
        np.testing.assert_allclose(pose.links[link].rotation, frames[link].rotation, atol=1e-6, err_msg=link)
        np.testing.assert_allclose(pose.links[link].translation, frames[link].translation, atol=1e-3, err_msg=link)


def test_every_joint_that_moves_has_an_angle_and_the_links_are_those_of_the_rep():
    pose = HumanPose.of(STANDING)
    assert set(pose.angles) == {joint.name for joint in JOINTS if joint.axis}
    assert len(pose.angles) == ANGLES
    assert set(pose.links) == set(LINKS)


def test_limbs_that_hang_straight_have_angles_near_zero():
    down = {}
    for side, x in (("left", 0.17), ("right", -0.17)):
        down |= {f"{side}_elbow": (x, -0.18, 0.0), f"{side}_wrist": (x, 0.06, 0.0)}
        down |= {f"{side}_knee": (x * 13 / 17, 0.42, 0.0), f"{side}_ankle": (x * 13 / 17, 0.84, 0.0)}
    angles = HumanPose.of(posed(**down, nose=(0.0, -0.58, -0.09))).angles
    np.testing.assert_allclose(list(angles.values()), 0.0, atol=1e-9)


# STANDING faces the camera: forward is -z, the person's left is +x.
@pytest.mark.parametrize(
    ("moved", "expected"),
    [
        ({"left_elbow": (0.47, -0.45, 0), "left_wrist": (0.77, -0.45, 0)}, {"l_p_shoulder": 90, "l_y_shoulder": 0}),
        ({"right_elbow": (-0.47, -0.45, 0), "right_wrist": (-0.77, -0.45, 0)}, {"r_p_shoulder": 90, "r_y_shoulder": 0}),
        ({"left_elbow": (0.17, -0.45, -0.3), "left_wrist": (0.17, -0.45, -0.6)}, {"l_p_shoulder": 90, "l_elbow": 0}),
        ({"left_elbow": (0.17, -0.15, 0), "left_wrist": (0.17, -0.15, -0.3)}, {"l_elbow": 90, "l_p_shoulder": 0}),
        ({"right_elbow": (-0.17, -0.15, 0), "right_wrist": (-0.17, -0.15, -0.3)}, {"r_elbow": 90, "r_r_shoulder": 0}),
        ({"left_knee": (0.13, 0, -0.4), "left_ankle": (0.13, 0.4, -0.4)}, {"l_r_hip": 90, "l_knee": -90, "l_y_hip": 0}),
        ({"right_knee": (-0.13, 0.4, 0), "right_ankle": (-0.13, 0.4, 0.4)}, {"r_r_hip": 0, "r_knee": -90}),
        ({"left_knee": (0.53, 0, 0), "left_ankle": (0.93, 0, 0)}, {"l_p_hip": 90, "l_knee": 0}),
        ({"nose": (0.09, -0.58, 0.0)}, {"y_head": 90, "r_head": 0}),
        ({"head": (0.0, -0.48, -0.2), "nose": (0.0, -0.38, -0.1)}, {"p_head": -90}),
    ],
)  # fmt: skip
def test_angles_are_those_of_the_reference_model(moved, expected):
    angles = HumanPose.of(posed(**moved)).angles
    assert {name: pytest.approx(degrees, abs=0.5) for name, degrees in expected.items()} == {
        name: np.degrees(angles[name]) for name in expected
    }


@pytest.mark.parametrize("seed", range(3))
def test_angles_do_not_depend_on_where_the_person_stands_or_looks(seed):
    turn = Rotation.random(random_state=seed).as_matrix()
    here, there = HumanPose.of(bent(seed)), HumanPose.of(bent(seed) @ turn.T + (1.0, 2.0, 3.0))
    assert there.angles == pytest.approx(here.angles, abs=1e-9)


def test_lengths_in_the_urdf_are_the_persons_own():
    pose = HumanPose.of(1.1 * STANDING)
    robot = parsed(pose.urdf("p7"))
    knee = next(joint for joint in robot.iter("joint") if joint.get("name") == "l_knee_p7")
    thigh = -float(knee.find("origin").get("xyz").split()[2])
    assert thigh == pytest.approx(1.1 * np.linalg.norm(STANDING[5] - STANDING[4]), abs=1e-4)
    assert all(link.get("name").endswith("_p7") for link in robot.iter("link"))


@pytest.mark.parametrize(
    "joints", [np.zeros((17, 3)), posed(left_wrist=(np.nan, 0, 0)), posed(left_wrist=(0.20, -0.18, 0.03))]
)
def test_a_skeleton_without_directions_has_no_pose(joints):
    assert HumanPose.of(joints) is None


def test_a_nose_without_direction_leaves_the_head_looking_straight_on():
    thorax, head = STANDING[H36M17.index("thorax")], STANDING[H36M17.index("head")]
    pose = HumanPose.of(posed(nose=tuple((thorax + head) / 2)))
    assert [pose.angles[f"{axis}_head"] for axis in "ryp"] == pytest.approx([0.0, 0.0, 0.0], abs=1e-6)


@pytest.mark.parametrize(("joint", "onto"), [("left_wrist", "left_shoulder"), ("right_ankle", "right_hip")])
def test_a_limb_that_is_folded_exactly_has_angles(joint, onto):
    joints = STANDING.copy()
    joints[H36M17.index(joint)] = joints[H36M17.index(onto)]
    assert np.isfinite(list(HumanPose.of(joints).angles.values())).all()


def test_a_head_on_the_thorax_has_no_pose():
    joints = STANDING.copy()
    joints[H36M17.index("head")] = joints[H36M17.index("thorax")]
    assert HumanPose.of(joints) is None
