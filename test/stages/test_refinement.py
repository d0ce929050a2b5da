import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from support.clocks import FRAME
from support.people import AHEAD, joints_of, person3d

from uplift_ros.poses import ScaleSource, SkeletonFrame
from uplift_ros.settings import defaults_of
from uplift_ros.skeleton import H36M17
from uplift_ros.stages import build
from uplift_ros.stages.refinement import RefinementResult, RefinementStage
from uplift_ros.streaming.clock import TRANSFORM_PATIENCE_NS
from uplift_ros.transforms import RigidTransform

HERE = RigidTransform(np.eye(3), np.array([1.0, 0.0, 0.0]))


def skeletons(number: int, **changed) -> SkeletonFrame:
    return SkeletonFrame(number * FRAME, "camera", (person3d(**({"joints": AHEAD} | changed)),))


def stage(lookup=None, **parameters) -> RefinementStage:
    values = defaults_of("refiner", **({"method": "none", "delay": 0, "rigid": False} | parameters))
    return build.refinement(values, None, lookup)


def kinds(refining: RefinementResult) -> list[str]:
    return [problem.kind for problem in refining.problems]


def known(target: str, source: str, stamp: int) -> RigidTransform:
    return HERE


def unknown(target: str, source: str, stamp: int) -> RigidTransform:
    raise LookupError("no such frame")


def test_a_person_who_is_not_finite_is_left_out_and_counted():
    chain = stage()
    refining = chain.push([skeletons(0), skeletons(1, joints=np.full((17, 3), np.nan)), skeletons(2)])
    assert [len(frame.persons) for frame in refining.frames] == [1, 0, 1]
    assert kinds(refining) == ["unusable"]
    assert kinds(chain.push([skeletons(3)])) == []


def test_frames_wait_for_their_transform_and_are_given_up_in_the_end():
    chain = stage(unknown, target_frame="odom")
    waiting = chain.join([[skeletons(0)]])
    assert (waiting.frames, kinds(waiting), chain.is_waiting) == ([], [], True)
    late = skeletons(1 + TRANSFORM_PATIENCE_NS // FRAME)
    assert kinds(chain.join([[late]])) == ["no_transform"]


def test_frames_are_smoothed_in_the_target_frame():
    (frame,) = stage(known, target_frame="odom").join([[skeletons(0)]]).frames
    assert frame.frame_id == "odom"
    np.testing.assert_allclose(frame.persons[0].joints, AHEAD + np.array((1.0, 0.0, 0.0)))


def test_rigid_people_keep_their_bone_lengths_and_have_a_height():
    noise = np.random.default_rng(0).normal(0, 0.03, (100, 17, 3))
    frames = [skeletons(number, joints=AHEAD + noise[number]) for number in range(100)]
    limb = [H36M17.index("left_knee"), H36M17.index("left_ankle")]
    spreads = []
    for rigid in (False, True):
        chain = stage(rigid=rigid, delay=3)
        refined = chain.push(frames).frames + chain.flush()
        joints = np.stack([frame.persons[0].joints for frame in refined])
        shank = np.linalg.norm(joints[:, limb[0]] - joints[:, limb[1]], axis=-1)
        spreads.append(shank.std() / shank.mean())
        assert (refined[-1].persons[0].height > 1.5) is rigid
    assert spreads[0] > 0.05
    assert spreads[1] < 0.01


@pytest.mark.parametrize("wanted", [False, True])
def test_orientations_are_there_if_they_are_asked_for(wanted):
    chain = stage(orientations=wanted, rigid=True)
    (frame,) = chain.push([skeletons(0)]).frames
    (person,) = frame.persons
    assert len(person.orientations) == len(person.twist_variances) == 17 * wanted
    if wanted:
        rotations = Rotation.from_quat(person.orientations).as_matrix()
        lengths = [np.linalg.norm(person.joints[child] - person.joints[parent]) for parent, child in H36M17.bones]
        np.testing.assert_allclose(joints_of(person.joints[0], rotations, lengths), person.joints, atol=1e-3)


def test_a_reset_forgets_the_lengths():
    chain = stage(rigid=True)
    (first,) = chain.push([skeletons(0)]).frames
    chain.push([skeletons(number, joints=1.2 * AHEAD) for number in range(1, 50)])
    chain.reset()
    (again,) = chain.push([skeletons(50)]).frames
    np.testing.assert_array_equal(again.persons[0].joints, first.persons[0].joints)


def test_several_views_give_one_person_and_those_without_a_place_are_counted():
    chain = stage(known, target_frame="map", views="right")
    (frame,) = chain.join([[skeletons(0)], [skeletons(0)]]).frames
    assert len(frame.persons) == 1
    joined = chain.join([[skeletons(1)], [skeletons(1, scale_source=ScaleSource.NONE)]])
    assert kinds(joined) == ["unplaced"]


def test_a_view_that_is_lost_is_a_problem_and_the_others_go_on():
    chain = stage(known, target_frame="map", views="right")
    joined = chain.join([[skeletons(number) for number in range(150)], [skeletons(0)]])
    assert (len(joined.frames), kinds(joined)) == (150, ["lost_view"])
    assert kinds(chain.join([[], [skeletons(149)]])) == []


@pytest.mark.parametrize(
    ("parameters", "name"), [({"target_frame": "odom"}, "target_frame"), ({"views": "right"}, "views")]
)
def test_what_needs_transforms_is_refused_without_them(parameters, name):
    with pytest.raises(ValueError, match=f"^parameter {name} "):
        stage(**parameters)
