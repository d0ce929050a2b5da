import os

import cv2
import numpy as np
import pytest
from support.places import SHARED

from uplift_ros import estimators
from uplift_ros.skeleton import H36M17
from uplift_ros.sources.synthetic.synthetic_source import SyntheticSource

pytestmark = pytest.mark.filterwarnings("ignore:SymbolDatabase.GetPrototype")  # protobuf's, inside MediaPipe

VIDEO = SHARED / "video"
OPTIONS = {"model_path": "", "device": "cpu", "max_persons": 1, "score_threshold": 0.7}


def clip(name: str, frames: range) -> list[np.ndarray]:
    """RGB images of a clip of real people beside the project."""
    if not (VIDEO / name).exists():
        pytest.skip(f"needs the clip {name}")
    capture = cv2.VideoCapture(str(VIDEO / name))
    images = [capture.read()[1] for _ in range(frames.stop)]
    return [np.ascontiguousarray(images[index][..., ::-1]) for index in frames]


def load(**options) -> estimators.PoseEstimator:
    pytest.importorskip("mediapipe", reason="mediapipe is not installed")
    return estimators.create("mediapipe", **OPTIONS | options)


@pytest.fixture(scope="module")
def one_person():
    estimator = load()
    yield estimator
    estimator.close()


def test_an_unknown_backend_is_refused_with_the_ones_there_are():
    with pytest.raises(ValueError, match="backend must be one of mediapipe, onnx, got 'openpose'"):
        estimators.create("openpose", **OPTIONS)


def test_a_backend_whose_package_is_missing_says_what_to_install(monkeypatch):
    monkeypatch.setitem(estimators.BACKENDS, "other", ("a_package_that_is_missing.module", "other==1.0"))
    with pytest.raises(ImportError, match=r"other lacks a_package_that_is_missing: install other==1.0"):
        estimators.create("other", **OPTIONS)


@pytest.mark.parametrize("option", [{"model_path": "a.onnx"}, {"device": "cuda"}, {"max_persons": 0}])
def test_an_option_that_mediapipe_does_not_have_is_refused_by_name(option):
    with pytest.raises(ValueError, match=next(iter(option))):
        load(**option)


def test_a_person_is_found_in_every_image_with_joints_where_they_are(one_person):
    for image in clip("walk.mkv", range(0, 80, 20)):
        (person,) = one_person.estimate(image)
        assert person.id == ""
        assert person.keypoints.shape == (17, 2)
        assert person.scores.shape == (17,)
        assert 0.5 < person.score <= 1.0
        joint = dict(zip(H36M17.joints, person.keypoints, strict=True))
        assert joint["head"][1] < joint["thorax"][1] < joint["pelvis"][1]
        assert joint["right_shoulder"][0] < joint["left_shoulder"][0], "she faces the camera"


def test_the_box_holds_all_joints(one_person):
    (image,) = clip("walk.mkv", range(40, 41))
    (person,) = one_person.estimate(image)
    corner, extent = person.bbox[:2], person.bbox[2:]
    np.testing.assert_allclose(person.keypoints.min(0), corner)
    np.testing.assert_allclose(person.keypoints.max(0), corner + extent)


def test_joints_of_the_synthetic_person_are_near_the_truth(one_person):
    source = SyntheticSource()
    for frame in (source.frame(index) for index in range(0, 1000, 250)):
        (person,) = one_person.estimate(frame.image)
        truth = source.camera.project(frame.truth)
        torso = np.linalg.norm(truth[H36M17.index("thorax")] - truth[H36M17.index("pelvis")])
        assert np.linalg.norm(person.keypoints - truth, axis=-1).mean() < 0.12 * torso


def test_an_image_gives_the_same_whatever_came_before(one_person):
    first, other = clip("walk.mkv", range(10, 60, 40))
    alone = one_person.estimate(first)[0].keypoints
    one_person.estimate(other)
    np.testing.assert_array_equal(one_person.estimate(first)[0].keypoints, alone)


def test_an_empty_room_with_a_table_has_nobody_in_it(one_person):
    images = clip("one_by_one.mp4", range(0, 12, 3))
    assert [one_person.estimate(image) for image in images] == [[]] * 4


def test_two_people_are_found_once_each():
    estimator = load(max_persons=4, score_threshold=0.5)
    for image in clip("walking_pair.gif", range(10, 25, 5)):
        left, right = sorted(estimator.estimate(image), key=lambda person: person.bbox[0])
        assert left.keypoints[0, 0] < right.keypoints[0, 0] - 20
    estimator.close()


def test_a_person_found_with_left_and_right_swapped_is_no_second_one():
    estimator = load(max_persons=4, score_threshold=0.5)
    (image,) = clip("store_aisle.gif", range(3, 4))
    assert len(estimator.estimate(image)) == 2
    estimator.close()


def test_no_more_people_are_returned_than_asked_for():
    estimator = load(max_persons=2, score_threshold=0.5)
    assert max(len(estimator.estimate(image)) for image in clip("store_aisle.gif", range(0, 60, 10))) == 2
    estimator.close()


def test_loading_is_quiet_but_lets_errors_through(capfd):
    load().close()
    assert capfd.readouterr().err == ""


def test_what_mediapipe_says_of_a_failure_while_it_loads_is_not_held_back(capfd):
    mediapipe = pytest.importorskip("uplift_ros.estimators.mediapipe", reason="mediapipe is not installed")
    with mediapipe._quiet_stderr():
        os.write(2, b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\nout of memory\n")
    assert capfd.readouterr().err == "out of memory\n"


def test_a_figure_too_small_to_be_a_person_is_left_out():
    mediapipe = pytest.importorskip("uplift_ros.estimators.mediapipe", reason="mediapipe is not installed")
    image = np.zeros((480, 640, 3), np.uint8)
    landmarks = np.random.default_rng(0).uniform(0.3, 0.7, (33, 3))
    tiny = landmarks * (0.01, 0.01, 1.0)
    (person,) = mediapipe._persons([tiny, landmarks], image)
    assert person.bbox[3] > 100
