"""Expected errors: their inputs, and the scores and covariances computed from them."""

import json

import numpy as np
import pytest
from support import tiny

from uplift_ros.models import weights
from uplift_ros.sources.synthetic.motion import pose
from uplift_ros.streaming import uncertainty
from uplift_ros.streaming.uncertainty import TENSION, ErrorModel, error_of, features, joint_speeds, refined, score_of

ROOT = np.array([1.0, 0.5, 4.0])
ONES = np.ones(17)


@pytest.fixture
def errors():
    return ErrorModel(np.tile([0.03, 0.02, 0.01, 0.2, 1.0], (17, 1)), 0.5, 1.0, 0.005, 0.03)


@pytest.fixture
def joints():
    return pose(0.0) - pose(0.0)[0]


def matrices(covariance: np.ndarray) -> np.ndarray:
    return covariance[:, [0, 1, 2, 1, 3, 4, 2, 4, 5]].reshape(-1, 3, 3)


def test_scores_are_one_without_error_and_fall_with_it():
    assert score_of(0.0) == 1.0
    assert score_of(0.1) == pytest.approx(np.exp(-1))
    np.testing.assert_allclose(error_of(score_of(np.array([0.02, 0.1, 0.3]))), [0.02, 0.1, 0.3])


def test_a_score_of_zero_is_no_infinite_error():
    np.testing.assert_allclose(error_of(np.zeros(17)), 0.1 * np.log(100))


def test_speeds_are_those_of_even_motion():
    joints = np.arange(5)[:, None, None] * np.array([0.03, 0.0, 0.04]) * np.ones((1, 17, 1))
    np.testing.assert_allclose(joint_speeds(joints, 25.0), 1.25)
    np.testing.assert_array_equal(joint_speeds(joints[:1], 25.0), np.zeros((1, 17)))


def test_features_are_the_distance_to_the_root_speed_displacement_and_the_detectors_error(joints):
    found = features(joints, 2 * ONES, 0.1, np.exp(-1) * ONES)
    assert found.shape == (17, 5)
    np.testing.assert_allclose(found[3], [1.0, np.linalg.norm(joints[3]), 2.0, 0.2, 0.1])


def test_frames_far_from_keyframes_are_worth_less_the_faster_a_joint_is(errors, joints):
    def score(speed: float, seconds: float) -> np.ndarray:
        return errors.predict(joints, ROOT, speed * ONES, seconds, ONES)[0]

    assert (score(1.0, 0.2) < score(1.0, 0.0)).all()
    assert (score(2.0, 0.2) < score(1.0, 0.2)).all()
    np.testing.assert_array_equal(score(0.0, 0.2), score(0.0, 0.0))


def test_a_detector_that_is_less_sure_lowers_the_score_and_widens_the_covariance(errors, joints):
    sure, wide = errors.predict(joints, ROOT, 0 * ONES, 0.0, ONES)
    unsure, wider = errors.predict(joints, ROOT, 0 * ONES, 0.0, 0.5 * ONES)
    np.testing.assert_allclose(unsure, 0.5 * sure)
    assert (matrices(wider).trace(axis1=1, axis2=2) > matrices(wide).trace(axis1=1, axis2=2))[1:].all()


def test_a_placed_person_is_least_certain_along_the_line_of_sight(errors):
    covariance = matrices(errors.covariance(0.1 * ONES, ROOT))
    distance = np.linalg.norm(ROOT)
    sight = ROOT / distance
    along = np.hypot(0.1, 0.03 * distance)
    across = np.hypot(0.05, 0.005 * distance)
    for matrix in covariance[1:]:
        np.testing.assert_allclose(np.sqrt(np.linalg.eigvalsh(matrix)), [across, across, along])
        np.testing.assert_allclose(matrix @ sight, along**2 * sight)


def test_the_pelvis_is_as_certain_as_its_place(errors):
    distance = np.linalg.norm(ROOT)
    deviations = np.sqrt(np.linalg.eigvalsh(matrices(errors.covariance(0.1 * ONES, ROOT))[0]))
    np.testing.assert_allclose(deviations, [0.005 * distance, 0.005 * distance, 0.03 * distance])


def test_if_no_person_is_placed_covariance_is_the_poses_alone(errors):
    covariance = errors.covariance(0.1 * ONES, np.full(3, np.nan))
    np.testing.assert_allclose(covariance[1:], np.tile([0.0025, 0, 0, 0.0025, 0, 0.01], (16, 1)))
    np.testing.assert_array_equal(covariance[0], 0.0)


def test_tension_lowers_scores_and_agreement_leaves_them():
    covariance = np.ones((17, 6))
    covariance[0] = 0.5  # the pelvis's place, which all share
    before = score_of(0.08 * ONES)
    agreed, narrow = refined(before, covariance, 0 * ONES)
    tense, wide = refined(before, covariance, 0.005 * ONES)
    np.testing.assert_allclose(agreed, before)
    assert (tense < before).all()
    np.testing.assert_allclose(narrow, covariance)
    assert (wide[1:] > covariance[1:]).all()
    np.testing.assert_array_equal(wide[0], covariance[0])


def test_the_expected_error_grows_by_the_tension():
    covariance = np.ones((17, 6))
    covariance[0] = 0.5
    scores, grown = refined(score_of(0.08 * ONES), covariance, 0.01 * ONES)
    after = 0.08 + TENSION * 0.01
    np.testing.assert_allclose(error_of(scores), after)
    np.testing.assert_allclose(grown[1:], 0.5 + 0.5 * (after / 0.08) ** 2)


def test_no_joint_is_expected_to_be_better_than_five_millimetres(errors, joints):
    np.testing.assert_allclose(error_of(refined(ONES, np.empty((0, 6)), 0 * ONES)[0]), 0.005)
    perfect = ErrorModel(np.zeros((17, 5)), 0.5, 1.0, 0.005, 0.03)
    np.testing.assert_allclose(perfect.expected(joints, 0 * ONES, 0.0, ONES), 0.005)


def test_poses_of_many_frames_have_seconds_of_their_own(joints):
    many = features(np.stack([joints, joints]), np.ones((2, 17)), np.array([0.1, 0.2]), np.ones((2, 17)))
    assert many.shape == (2, 17, 5)
    np.testing.assert_allclose(many[:, 3, 3], [0.1, 0.2])


def test_the_expected_errors_of_many_frames_are_those_of_each(errors, joints):
    poses, speeds, seconds = np.stack([joints, 2 * joints]), np.stack([ONES, 3 * ONES]), (0.1, 0.2)
    detected = np.stack([ONES, 0.5 * ONES])
    each = [errors.expected(*frame) for frame in zip(poses, speeds, seconds, detected, strict=True)]
    np.testing.assert_allclose(errors.expected(poses, speeds, np.array(seconds), detected), each)


def test_without_a_covariance_there_is_none_after_refinement():
    assert refined(ONES, np.empty((0, 6)), 0 * ONES)[1].shape == (0, 6)


def test_an_error_model_is_read_as_it_was_written(errors, tmp_path):
    weights.save(tiny.uplift(), tmp_path / "own.safetensors", {})
    name = str(tmp_path / "own.safetensors")
    assert uncertainty.load(name) is None
    errors.save(uncertainty.path_of(name), {"data": "some.npz"})
    found = uncertainty.load(name)
    np.testing.assert_allclose(found.coefficients, errors.coefficients)
    assert (found.across, found.along, found.place_across, found.place_along) == (0.5, 1.0, 0.005, 0.03)


@pytest.mark.parametrize(
    ("changed", "fits"),
    [
        ({"across": 0.0, "along": 1000.0}, True),
        ({"across": -0.1}, False),
        ({"place_along": 1000.1}, False),
        ({"along": float("nan")}, False),
        ({"coefficients": [[-1000.0] * 5] * 17}, True),
        ({"coefficients": [[1000.1] * 5] * 17}, False),
        ({"coefficients": [[0.1] * 5] * 16}, False),
        ({"coefficients": [[0.1] * 3] * 17}, False),
        ({"coefficients": [*[[0.1] * 5] * 16, [0.1, 0.1, 0.1, 0.1, 1000.1]]}, False),
    ],
)
def test_numbers_that_no_measurement_gives_are_refused(errors, tmp_path, changed, fits):
    weights.save(tiny.uplift(), tmp_path / "own.safetensors", {})
    path = tmp_path / "own.quality.json"
    errors.save(path, {"data": "some.npz"})
    values = json.loads(path.read_text())
    assert values["provenance"] == {"data": "some.npz"}
    path.write_text(json.dumps(values | changed))
    if fits:
        assert uncertainty.load(str(tmp_path / "own.safetensors")) is not None
    else:
        with pytest.raises(ValueError, match="quality"):
            uncertainty.load(str(tmp_path / "own.safetensors"))


@pytest.mark.parametrize("content", ["nothing", "{}", json.dumps({"across": 1, "along": 1})])
def test_another_file_is_refused_by_name(content, tmp_path):
    weights.save(tiny.uplift(), tmp_path / "own.safetensors", {})
    (tmp_path / "own.quality.json").write_text(content)
    with pytest.raises(ValueError, match=r"own\.quality\.json"):
        uncertainty.load(str(tmp_path / "own.safetensors"))


def test_the_errors_of_the_shipped_network_were_measured():
    errors = uncertainty.load("compact")
    joints = pose(0.0) - pose(0.0)[0]
    expected = errors.expected(joints, 0.1 * ONES, 0.1, ONES)
    assert 0.02 < expected[1:].mean() < 0.12
    assert expected[13] > expected[11]  # the wrist against the shoulder
    assert errors.along > errors.across


def test_a_larger_person_has_larger_errors_of_the_same_pose():
    model = ErrorModel(np.tile([0.02, 0.1, 0.0, 0.0, 0.0], (17, 1)), 0.5, 0.9, 0.01, 0.05)
    joints, still = np.linspace(0, 0.8, 51).reshape(17, 3), np.zeros(17)
    root, seen = np.full(3, np.nan), np.ones(17)
    scores, covariance = model.predict(joints, root, still, 0.0, seen)
    larger, larger_covariance = model.predict(1.5 * joints, root, still, 0.0, seen, 1.5)
    np.testing.assert_allclose(larger, scores**1.5)
    np.testing.assert_allclose(larger_covariance, 1.5**2 * covariance)
