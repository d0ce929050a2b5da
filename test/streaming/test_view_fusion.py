"""People seen by several cameras at once: identity and place."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from support.clocks import START
from support.people import person3d

from uplift_ros.lab.data.virtual_camera import look_at_world
from uplift_ros.poses import Person3D, ScaleSource, SkeletonFrame, Source
from uplift_ros.sources.synthetic.motion import pose
from uplift_ros.streaming.view_fusion import ViewFusion, with_covariance
from uplift_ros.transforms import RigidTransform, moved

CAMERAS = [np.array([0.0, -5.0, 1.5]), np.array([5.0, 0.0, 1.5]), np.array([-3.0, 4.0, 1.5])]
BODY = (pose(0.0) - pose(0.0)[0]) @ np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]]).T  # z up


def standing(x: float, y: float) -> np.ndarray:
    return BODY + np.array((x, y, 1.0))


def seen(
    camera: int, people: dict[str, np.ndarray], stamp: int = 0, depth_error: float = 0.0, **fields
) -> SkeletonFrame:
    """People in the world as a camera has them, everything moved along its line of sight by a depth error."""
    position = CAMERAS[camera]
    rotation = look_at_world(position, np.array([0.0, 0.0, 1.0]))
    persons = []
    for name, joints in people.items():
        own = (joints - position) @ rotation.T
        own = own + depth_error * own[0] / np.linalg.norm(own[0])
        given = {"score": 0.5, "source": Source.UPSAMPLED, "scale_source": ScaleSource.PRIOR, "velocity": 0.3} | fields
        persons.append(Person3D(id=name, joints=own, scores=np.full(17, 0.8), **given))
    frame = with_covariance(SkeletonFrame(stamp, f"camera{camera}", tuple(persons)))
    return moved(frame, RigidTransform(rotation.T, position), "world")


def ids(fusion: ViewFusion, *views: SkeletonFrame) -> list[str]:
    return [person.id for person in fusion.fuse(views).persons]


def places(frame: SkeletonFrame) -> np.ndarray:
    return np.array([person.joints[0] for person in frame.persons])


def test_views_that_agree_give_what_they_agree_on():
    truth = standing(0.3, 0.2)
    (person,) = ViewFusion().fuse([seen(camera, {"p1": truth}) for camera in range(3)]).persons
    np.testing.assert_allclose(person.joints, truth, atol=1e-9)


def test_a_wrong_distance_of_one_camera_is_set_right_by_another_that_looks_across():
    truth = standing(0.3, 0.2)
    (person,) = ViewFusion().fuse([seen(0, {"p1": truth}, depth_error=0.3), seen(1, {"p1": truth})]).persons
    assert np.linalg.norm(person.joints - truth, axis=-1).max() < 0.01, "the mean would be 0.15 m off"


def test_depth_of_joints_is_taken_from_the_camera_that_sees_it_as_width():
    truth = standing(0.0, 0.0)
    one, other = seen(0, {"p1": truth}), seen(1, {"p1": truth})
    (person,) = one.persons
    joints = person.joints.copy()
    joints[16, 1] += 0.1  # a wrist, along the first camera's line of sight
    fused = ViewFusion().fuse([replace(one, persons=(replace(person, joints=joints),)), other])
    assert np.linalg.norm(fused.persons[0].joints[16] - truth[16]) < 0.03


def test_people_are_matched_across_cameras_whatever_their_order_and_ids():
    left, right = standing(-0.6, 0.0), standing(0.6, 0.3)
    views = [seen(0, {"p1": left, "p2": right}), seen(1, {"p7": right, "p4": left}), seen(2, {"p1": right, "p2": left})]
    together = ViewFusion().fuse(views)
    np.testing.assert_allclose(places(together), [left[0], right[0]], atol=1e-9)
    assert [person.id for person in together.persons] == ["p1", "p2"]


def test_two_people_one_behind_the_other_are_distinguished_with_the_distance_wrong():
    near, far = standing(0.0, -0.7), standing(0.0, 0.7)
    views = [seen(0, {"a": near, "b": far}, depth_error=0.3), seen(1, {"a": far, "b": near}, depth_error=0.2)]
    assert len(ViewFusion().fuse(views).persons) == 2
    np.testing.assert_allclose(places(ViewFusion().fuse(views)), [near[0], far[0]], atol=0.05)


def test_a_person_seen_by_one_camera_alone_is_unchanged():
    both, alone = standing(-0.5, 0.0), standing(1.5, 1.5)
    together = ViewFusion().fuse([seen(0, {"p1": both}), seen(1, {"p1": both, "p2": alone})])
    np.testing.assert_allclose(together.persons[1].joints, alone, atol=1e-9)


def test_an_id_stays_while_any_camera_follows_the_person():
    fusion, body = ViewFusion(), {"p1": standing(0.0, 0.0)}
    assert ids(fusion, seen(0, body), seen(1, body)) == ["p1"]
    assert ids(fusion, seen(0, {}), seen(1, body)) == ["p1"]
    assert ids(fusion, seen(0, {"p9": body["p1"]}), seen(1, body)) == ["p1"]
    assert ids(fusion, seen(0, {"p9": body["p1"]}), seen(1, {})) == ["p1"]
    assert ids(fusion, seen(0, {"p10": body["p1"]}), seen(1, {})) == ["p2"]


def test_people_who_meet_keep_their_ids():
    fusion = ViewFusion()
    for step, x in enumerate(np.linspace(-1.5, 1.5, 61)):
        people = {"p1": standing(x, 0.1), "p2": standing(-x, -0.1)}
        together = fusion.fuse([seen(camera, people, stamp=step * 20_000_000) for camera in (0, 1)])
        assert [person.id for person in together.persons] == ["p1", "p2"]
        np.testing.assert_allclose(places(together), [people["p1"][0], people["p2"][0]], atol=1e-6)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda person: replace(person, scale_source=ScaleSource.NONE),
        lambda person: replace(person, joints=np.full((17, 3), np.nan)),
    ],
    ids=["without a place", "not finite"],
)
def test_people_of_no_use_are_left_out_and_counted(spoil):
    fusion, body = ViewFusion(), {"p1": standing(0.0, 0.0)}
    bad = seen(0, body)
    together = fusion.fuse([replace(bad, persons=tuple(map(spoil, bad.persons))), seen(1, body)])
    np.testing.assert_allclose(together.persons[0].joints, body["p1"], atol=1e-9)
    assert fusion.left_out == 1


def test_the_result_claims_no_more_than_its_views_do():
    body = {"p1": standing(0.0, 0.0)}
    views = [seen(0, body, source=Source.KEYFRAME), seen(1, body, scale_source=ScaleSource.DEPTH)]
    together = ViewFusion().fuse(views)
    (person,) = together.persons
    assert together.is_final
    assert not ViewFusion().fuse([views[0], replace(views[1], is_final=False)]).is_final
    assert (person.source, person.scale_source) == (Source.KEYFRAME, ScaleSource.PRIOR)
    across = 2 * 0.031**2 + 2 * (5 * 0.004) ** 2
    assert (person.covariance[5, [0, 3]] > 0.9 * across / 2).all()
    assert (person.covariance[5, [0, 3]] < 0.066**2 + (5 * 0.052) ** 2).all()


def test_views_in_different_frames_are_refused():
    body = {"p1": standing(0.0, 0.0)}
    with pytest.raises(ValueError, match="frame_id"):
        ViewFusion().fuse([seen(0, body), replace(seen(1, body), frame_id="elsewhere")])


def test_people_of_another_form_are_refused():
    frame = seen(0, {"p1": standing(0.0, 0.0)})
    with pytest.raises(ValueError, match="skeleton"):
        ViewFusion().fuse([frame, replace(frame, skeleton="coco17")])


def test_a_covariance_that_an_estimate_brings_is_kept():
    given = np.tile([1.0, 0, 0, 1.0, 0, 1.0], (17, 1))
    person = person3d(pose(0.0), covariance=given)
    assert with_covariance(SkeletonFrame(0, "camera", (person,))).persons[0].covariance is given


def test_a_single_camera_knows_depth_worst_and_the_place_by_parts_of_the_distance():
    joints = BODY + np.array([0.0, 0.0, 5.0])
    person = person3d(joints)
    covariance = with_covariance(SkeletonFrame(0, "camera", (person,))).persons[0].covariance
    across, along = 5 * 0.004, 5 * 0.052
    np.testing.assert_allclose(covariance[0], [across**2, 0, 0, across**2, 0, along**2], atol=1e-12)
    across, along = np.hypot(across, 0.031), np.hypot(along, 0.066)
    np.testing.assert_allclose(covariance[5], [across**2, 0, 0, across**2, 0, along**2], atol=1e-12)


def about(x: float, name: str = "p1", camera: int = 0, bend: float = 0.0, **fields) -> Person3D:
    """Person whose place is known to 0.1 m by each camera, with all joints but the pelvis `bend` metres higher."""
    joints = standing(x, 0.0)
    joints[1:, 2] += bend
    covariance = np.tile([0.02, 0, 0, 0.02, 0, 0.02], (17, 1))
    covariance[0] /= 2
    given = {"score": 0.5, "source": Source.UPSAMPLED, "scale_source": ScaleSource.PRIOR, "velocity": 0.3} | fields
    return Person3D(id=name, joints=joints, scores=np.full(17, 0.8), covariance=covariance, **given)


def view(*persons: Person3D, stamp: int = 0) -> SkeletonFrame:
    return SkeletonFrame(stamp, "world", persons)


@pytest.mark.parametrize(("apart", "people"), [(0.56, 1), (0.575, 2)])
def test_beyond_four_standard_deviations_two_cameras_see_two_people(apart, people):
    assert len(ViewFusion().fuse([view(about(0.0)), view(about(apart))]).persons) == people


@pytest.mark.parametrize(("bend", "place"), [(0.14, 0.0), (0.143, 0.1)])
def test_a_pose_a_tenth_of_a_metre_off_counts_as_a_place_one_standard_deviation_off(bend, place):
    """The person 0.2 m, 1.4 deviations, away is chosen if the one at the same place has too different a pose."""
    other = view(about(0.2, "x"), about(0.0, "y", bend=bend * 17 / 16))
    assert places(ViewFusion().fuse([view(about(0.0)), other]))[0, 0] == pytest.approx(place, abs=1e-6)


@pytest.mark.parametrize(("costs", "place"), [(3.9, 0.5), (4.1, 0.0)])
def test_people_who_were_matched_stay_matched_up_to_two_standard_deviations(costs, place):
    fusion, apart = ViewFusion(), np.sqrt(costs * 0.02)
    fusion.fuse([view(about(0.0)), view(about(0.0, "x"))])
    together = fusion.fuse([view(about(0.0)), view(about(apart, "x"), about(0.0, "y"))])
    assert places(together)[0, 0] == pytest.approx(place * apart, abs=1e-6)


def test_people_who_were_two_are_not_held_together():
    fusion, apart = ViewFusion(), np.sqrt(3.9 * 0.02)
    assert ids(fusion, view(about(0.0)), view(about(3.0, "x"))) == ["p1", "p2"]
    together = fusion.fuse([view(about(0.0)), view(about(apart, "x"), about(0.0, "y"))])
    assert places(together)[:, 0] == pytest.approx([0.0, apart], abs=1e-6)


def test_strangers_are_not_held_together():
    fusion, apart = ViewFusion(), np.sqrt(3.9 * 0.02)
    fusion.fuse([view(about(0.0))])
    together = fusion.fuse([view(about(0.0), about(apart, "q")), view(about(0.0, "x"))])
    assert places(together)[:, 0] == pytest.approx([0.0, apart], abs=1e-6)
    assert len(together.persons) == 2


def test_people_who_were_matched_are_two_beyond_four_standard_deviations():
    fusion = ViewFusion()
    assert ids(fusion, view(about(0.0)), view(about(0.0, "x"))) == ["p1"]
    assert ids(fusion, view(about(0.0)), view(about(1.0, "x"))) == ["p1", "p2"]


@pytest.mark.parametrize(("later", "name"), [(5_000_000_000, "p1"), (5_000_000_001, "p2"), (-5_000_000_001, "p2")])
def test_identities_are_remembered_for_five_seconds(later, name):
    fusion = ViewFusion()
    fusion.fuse([view(about(0.0), stamp=START)])
    fusion.fuse([view(stamp=START + later)])
    assert ids(fusion, view(about(0.0), stamp=START + later)) == [name]


def test_reset_forgets_identities_and_uses_no_id_again():
    fusion = ViewFusion()
    fusion.fuse([view(about(0.0))])
    fusion.reset()
    assert ids(fusion, view(about(0.0))) == ["p2"]


def test_scores_are_the_best_and_the_velocity_is_the_mean():
    other = replace(about(0.0, score=0.9, velocity=0.5), scores=np.array([0.9, *[0.7] * 16]))
    (person,) = ViewFusion().fuse([view(about(0.0)), view(other)]).persons
    assert (person.score, person.velocity) == (0.9, pytest.approx(0.4))
    np.testing.assert_array_equal(person.scores, [0.9, *[0.8] * 16])


@pytest.mark.parametrize(("metres", "left_out"), [(0.9e6, 0), (1e6, 1)])
def test_no_person_is_a_thousand_kilometres_away(metres, left_out):
    fusion = ViewFusion()
    fusion.fuse([view(replace(about(0.0), joints=np.full((17, 3), metres)))])
    assert fusion.left_out == left_out
    fusion.fuse([view(replace(about(0.0), covariance=about(0.0).covariance * metres * 50))])
    assert fusion.left_out == 2 * left_out


def test_two_cameras_of_one_network_know_no_more_than_one():
    one = ViewFusion().fuse([view(about(0.0))]).persons[0].covariance
    two = ViewFusion().fuse([view(about(0.0)), view(about(0.0))]).persons[0].covariance
    np.testing.assert_allclose(one, about(0.0).covariance, atol=1e-4)
    np.testing.assert_allclose(two, one, atol=1e-12)


def test_nothing_is_more_certain_than_five_millimetres():
    sure = replace(about(0.0), covariance=np.zeros((17, 6)))
    covariance = ViewFusion().fuse([view(sure)]).persons[0].covariance
    smallest = 0.005**2 * np.array([1.0, 0, 0, 1.0, 0, 1.0])
    np.testing.assert_allclose(covariance[0], 2 * smallest, atol=1e-12)  # of the place, and of the pelvis against it
    np.testing.assert_allclose(covariance[5], 2 * smallest, atol=1e-12)


def mean_error(views: Sequence[SkeletonFrame], truth: np.ndarray) -> float:
    (person,) = ViewFusion().fuse(views).persons
    return float(np.linalg.norm(person.joints - truth, axis=-1).mean())


def test_more_cameras_are_better():
    truth = standing(0.0, 0.0)
    errors = [0.2, -0.15, 0.1]
    views = [seen(camera, {"p1": truth}, depth_error=error) for camera, error in enumerate(errors)]
    assert mean_error(views[:1], truth) > 5 * mean_error(views[:2], truth)
